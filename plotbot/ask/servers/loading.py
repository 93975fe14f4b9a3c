"""What `--load` does: LM Studio is asked to load and unload models."""

from __future__ import annotations

import json
from collections.abc import Mapping

from plotbot.ask.servers.discovery import LISTING_CAP_BYTES, ServerFacts
from plotbot.ask.servers.model_listing import ModelFacts
from plotbot.ask.transport import open_session
from plotbot.ask.transport.auth import Auth
from plotbot.ask.transport.completions import parse
from plotbot.ask.transport.server_errors import classify
from plotbot.ask.transport.urls import base_url
from plotbot.errors import AskError, ServerProblem
from plotbot.safe import one_line

_TOO_OLD = "Unexpected endpoint or method"


def check_loadable(facts: ServerFacts, model: ModelFacts, context_length: int | None) -> None:
    """Raise ServerProblem where `--load` cannot have the model loaded."""
    if facts.kind != "lmstudio":
        raise ServerProblem(
            f"--load asks LM Studio to load a model, but {facts.url} is {facts.kind}, which is told when it starts. "
            "Leave --load out."
        )
    most = model.max_context_length
    if context_length is not None and most is not None and context_length > most:
        raise ServerProblem(
            f"CONTEXT_LENGTH is {context_length}, but {one_line(model.id, 120)} has {most} tokens at most. Lower it."
        )


def is_loaded(model: ModelFacts, context_length: int | None) -> bool:
    """Whether the model is loaded with at least *context_length* tokens, or loaded at all where that is None."""
    return bool(model.loaded) and (context_length is None or (model.context_length or 0) >= context_length)


class Loader:
    """Asks one LM Studio to load and unload models. *timeout* is seconds for each request."""

    def __init__(self, url: str, *, token: str | None, timeout: float) -> None:
        self._base = base_url(url)
        self._auth = Auth(token)
        self._timeout = timeout

    def load(self, model: ModelFacts, name: str, context_length: int | None) -> None:
        """Load a model that is asked for as *name*. Without a *context_length* in tokens LM Studio chooses one.

        Loaded instances are unloaded first, because a load would add another one. Raises AskError.
        """
        self.unload(model)
        # A variant that is not the selected one has to be named; the load request does not know names of instances.
        wanted = name if name in model.variants and name != model.variant else model.id
        context = {} if context_length is None else {"context_length": context_length}
        self._post("load", {"model": wanted, **context})

    def unload(self, model: ModelFacts) -> None:
        """Unload every instance of a model. Raises AskError."""
        for instance in model.instance_ids:
            self._post("unload", {"instance_id": instance})

    def _post(self, what: str, body: Mapping[str, object]) -> None:
        http = open_session()
        try:
            answer = http.request(
                "POST",
                f"{self._base}/api/v1/models/{what}",
                headers=self._auth.headers,
                json_body=json.dumps(body).encode("ascii"),
                deadline_seconds=self._timeout,
                cap_bytes=LISTING_CAP_BYTES,
            )
        except AskError as error:
            raise AskError(error.category, f"The {what} call got no answer. {self._clean(error.message)}") from None
        finally:
            http.close()
        if not _has_done(what, answer.body):
            raise self._refused(classify(answer.status, answer.headers, answer.body).fault.category, answer.body)

    def _refused(self, category: str, body: bytes) -> AskError:
        text = one_line(self._clean(body.decode("utf-8", "replace")), 300)
        if _TOO_OLD in text:
            return AskError("http_error", "This LM Studio cannot be asked to load a model: --load needs 0.4 or newer.")
        # Whatever status or shape the server's answer has, it means that the load failed.
        known = category if category in {"auth", "server_busy"} else "model_unavailable"
        return AskError(known, f"LM Studio did not load the model. It said: {text}")

    def _clean(self, text: str) -> str:
        return self._auth.redact(text)


def _has_done(what: str, body: bytes) -> bool:
    try:
        data = parse(body)
    except AskError:
        return False
    told = isinstance(data, dict) and "error" not in data
    return told and (data.get("status") == "loaded" if what == "load" else "instance_id" in data)
