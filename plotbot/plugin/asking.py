"""The servers that a run asks: found, checked, greeted, asked. Nothing here knows of pytest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from plotbot.ask.client import Client
from plotbot.ask.embedded import MODEL_ID, EmbeddedEngine
from plotbot.ask.fingerprint import fingerprint
from plotbot.ask.handshake import Handshake, shake_hands
from plotbot.ask.server import ServerFacts, discover, resolve_models
from plotbot.errors import AskError, ServerProblem
from plotbot.records import Case, Exchange, Question
from plotbot.safe import one_line
from plotbot.settings import Settings

DEFAULT_SLOTS = 4
DISCOVERY_SECONDS = 10.0


@dataclass(slots=True)
class _Host:
    """One server, what it said of itself, and how many of its slots are taken by this run."""

    client: Client
    facts: ServerFacts
    in_flight: int = 0


class Asking:
    """One run's servers.

    `ask_user` puts a yes-or-no question to a person, or is None where nobody is there; `warn` takes a sentence that
    the user shall read.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        embedded: bool,
        ask_user: Callable[[str], bool] | None,
        warn: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._embedded = embedded
        self._ask_user = ask_user
        self._warn = warn
        self._engine: EmbeddedEngine | None = None
        self._facts: dict[str, ServerFacts] = {}
        self._hosts: list[_Host] = []
        self._fingerprints: dict[str, dict[str, Any]] = {}
        self._entered: set[str] = set()
        self._picking = threading.Lock()

    def models(self) -> tuple[str, ...]:
        """The models to plan for. Asks the server only where the settings name none. Raises `ServerProblem`."""
        if self._embedded:
            return (MODEL_ID,)
        if self._settings.model:
            return self._settings.model
        return resolve_models(self._discover(self._settings.lm_studio_url[0]), ())

    def connect(self, models: Sequence[str]) -> None:
        """Start the embedded engine where it is wanted, and look every server over, by GET only.

        Raises `EngineError`, or `ServerProblem` for a server that is not there or lacks a model.
        """
        for url in self._urls():
            facts = self._discover(url)
            resolve_models(facts, models)
            self._hosts.append(_Host(self._client(url, facts, models), facts))
        sha256 = self._engine.sha256 if self._engine else None
        self._fingerprints = {model: fingerprint(self._hosts[0].facts, model, sha256=sha256) for model in models}

    @property
    def window(self) -> int:
        """How many requests may be in flight, over all hosts: MAX_IN_FLIGHT, else the slots that the servers name."""
        return self._settings.max_in_flight or sum(_slots(host.facts) for host in self._hosts)

    def facts(self) -> dict[str, Any]:
        """What the run's header says of its servers and models."""
        servers = [
            {"url": host.client.url, "kind": host.facts.kind, "version": host.facts.version} for host in self._hosts
        ]
        return {"servers": servers, "fingerprints": self._fingerprints, "params": self._settings.params}

    def enter(self, model: str, prompt: str) -> None:
        """A model's opening handshake, once a run and on every host: it loads the model before many ask at once.

        Raises `AskError` where no answer came, and `ServerProblem` where the user wants no run without a CONFIRM.
        """
        if model in self._entered or self._settings.confirm == "skip":
            return
        for host in self._hosts:
            handshake = shake_hands(host.client, model, prompt, load_timeout=self._settings.load_timeout)
            if handshake.exchange.fault is not None:
                raise AskError(handshake.exchange.fault.category, handshake.exchange.fault.message)
            if not handshake.acknowledged:
                self._unacknowledged(model, handshake)
        self._entered.add(model)

    def ask(self, case: Case, question: Question) -> Exchange:
        """Ask the host with the fewest of this run's requests in flight."""
        with self._picking:
            host = min(self._hosts, key=lambda host: host.in_flight)
            host.in_flight += 1
        try:
            exchange = host.client.ask(case, question)
        finally:
            with self._picking:
                host.in_flight -= 1
        return replace(exchange, fingerprint=self._fingerprints.get(case.model, {}))

    def stop(self) -> None:
        """End every request at once, and the embedded engine with them."""
        for host in self._hosts:
            host.client.close()
        if self._engine is not None:
            self._engine.stop()

    def _urls(self) -> Sequence[str]:
        if not self._embedded:
            return self._settings.lm_studio_url
        self._engine = EmbeddedEngine.start(slots=self._settings.max_in_flight or DEFAULT_SLOTS)
        return (self._engine.url,)

    def _discover(self, url: str) -> ServerFacts:
        if url not in self._facts:
            timeout = min(self._settings.request_timeout, DISCOVERY_SECONDS)
            self._facts[url] = discover(url, token=self._token(), timeout=timeout)
        return self._facts[url]

    def _client(self, url: str, facts: ServerFacts, models: Sequence[str]) -> Client:
        return Client(
            url,
            params=self._settings.params,
            token=self._token(),
            request_timeout=self._settings.request_timeout,
            retry_limit=self._settings.request_retry_limit,
            known_as={model.id: model.instance_ids for model in facts.models if model.id in models},
        )

    def _token(self) -> str | None:
        token = self._settings.lm_api_token
        return None if token is None or self._embedded else token.reveal()

    def _unacknowledged(self, model: str, handshake: Handshake) -> None:
        reply = handshake.exchange.reply
        excerpt = one_line(reply.content if reply else "", 60)
        said = f"{model} did not answer the handshake with CONFIRM, but with {excerpt!r}"
        if self._settings.confirm == "require":
            raise ServerProblem(f"{said}: CONFIRM=require stops here; --confirm continue goes on all the same")
        if self._settings.confirm == "ask" and self._ask_user is not None and not self._entered:
            if not self._ask_user(f"{said}. Go on?"):
                raise ServerProblem(f"{said}: stopped, as you said")
            return
        self._warn(f"{said}. The run goes on.")


def _slots(facts: ServerFacts) -> int:
    known = [model.slots for model in facts.models if model.loaded and model.slots]
    return min(known) if known else DEFAULT_SLOTS
