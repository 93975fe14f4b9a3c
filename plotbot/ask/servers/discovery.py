"""What a server says of itself, asked by GET only: its kind, its version, its models and their slots."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plotbot.ask.servers.model_listing import ModelFacts, from_openai, from_v0, from_v1, with_llama_props
from plotbot.ask.transport import open_session
from plotbot.ask.transport.auth import Auth
from plotbot.ask.transport.completions import parse
from plotbot.ask.transport.server_errors import SUCCESSES, classify
from plotbot.ask.transport.urls import base_url, same_model
from plotbot.errors import AskError, ServerProblem, SilentServerProblem
from plotbot.safe import one_line

if TYPE_CHECKING:
    from plotbot.ask.transport.http import HttpAnswer

LISTING_CAP_BYTES = 8 * 1024 * 1024
_LISTED_NAMES = 20
_KINDS = {"llamacpp": "llama-server", "vllm": "vllm", "library": "ollama"}
_VERSION_PATHS = {"vllm": "/version"}
_START = (
    "Is the server running? Start LM Studio's server (lms server start, or Developer, Start server), set "
    "LM_STUDIO_URL, or try plotbot without any server: --embedded."
)


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server says of itself. `kind` is `lmstudio`, `llama-server`, `ollama`, `vllm`, or `openai` for others."""

    url: str
    kind: str
    version: str | None
    models: tuple[ModelFacts, ...]
    engine: str | None = None
    """The embedded engine's name and version."""

    def model(self, name: str) -> ModelFacts | None:
        """The model of that name: the exact one, else the only one that the name can mean."""
        exact = [model for model in self.models if name in model.names]
        close = [model for model in self.models if any(same_model(name, known) for known in model.names)]
        return exact[0] if exact else close[0] if len(close) == 1 else None


def discover(
    url: str,
    *,
    token: str | None = None,
    timeout: float = 10.0,
    wait_seconds: float = 0.0,
    sleep: Callable[[float], None] = time.sleep,
    advise: bool = True,
) -> ServerFacts:
    """Ask a server what it is and which models it has. *timeout* is seconds for each of a few GET requests.

    *wait_seconds* is how long to wait for a llama-server that says it is loading its model. With *advise* an error also
    says how to start a server, which is no use once a run is under way.

    Raises ServerProblem where the server cannot be reached or used, SilentServerProblem where it does not
    answer in time and refuses no connection, SettingsError where *url* is not a URL.
    """
    probe = _Probe(base_url(url), Auth(token), timeout)
    try:
        if probe.look("/lmstudio-greeting").get("lmstudio") is True:
            return _lm_studio(probe)
        _wait_until_loaded(probe, wait_seconds, sleep)
        return _other(probe)
    except AskError as error:
        message = probe.auth.redact(error.message)
        if error.category == "timeout":
            raise SilentServerProblem(message) from None
        raise ServerProblem(f"{message} {_START}" if advise and error.category == "unreachable" else message) from None
    finally:
        probe.close()


def resolve_models(facts: ServerFacts, wanted: Sequence[str]) -> tuple[str, ...]:
    """The names under which to ask for the wanted models; with none wanted, for the one model that is loaded.

    Raises ServerProblem where the server lacks a model, or several are loaded and none is wanted.
    """
    if wanted:
        return tuple(dict.fromkeys(_resolved(facts, name) for name in wanted))
    chat = [model for model in facts.models if not model.is_embedding]
    loaded = [model for model in chat if model.loaded] or [model for model in chat if model.loaded is None]
    if len(loaded) != 1:
        raise ServerProblem(_choice(facts, loaded, chat))
    return (loaded[0].asked_as,)


class _Probe:
    """GET requests to one server."""

    def __init__(self, base: str, auth: Auth, timeout: float) -> None:
        self.base = base
        self.auth = auth
        self._timeout = timeout
        self._http = open_session()

    def get(self, path: str) -> HttpAnswer:
        """One GET request. Raises AskError where no answer comes."""
        return self._http.request(
            "GET",
            self.base + path,
            headers=self.auth.headers,
            deadline_seconds=self._timeout,
            cap_bytes=LISTING_CAP_BYTES,
        )

    def look(self, path: str) -> Mapping[str, Any]:
        """The JSON object at a path; empty where this kind of server does not have the path."""
        answer = self.get(path)
        try:
            data = parse(answer.body) if answer.status in SUCCESSES else None
        except AskError:
            return {}
        return data if isinstance(data, dict) and "error" not in data else {}

    def close(self) -> None:
        self._http.close()


def _wait_until_loaded(probe: _Probe, seconds: float, sleep: Callable[[float], None]) -> None:
    give_up = time.monotonic() + seconds
    while _is_loading(answer := probe.get("/health")):
        if time.monotonic() >= give_up:
            raise AskError("server_busy", classify(answer.status, answer.headers, answer.body).fault.message)
        sleep(0.25)


def _is_loading(answer: HttpAnswer) -> bool:
    return answer.status == 503 and b"Loading model" in answer.body


def _other(probe: _Probe) -> ServerFacts:
    props = probe.look("/props")
    models = _listed(probe)
    if "default_generation_settings" in props:
        served = tuple(with_llama_props(model, props) for model in models)
        return ServerFacts(probe.base, "llama-server", _version(props.get("build_info")), served)
    owners = {model.owned_by for model in models}
    kind = next((kind for owner, kind in _KINDS.items() if owner in owners), "openai")
    version = _version(probe.look(_VERSION_PATHS.get(kind, "/api/version")).get("version"))
    # An Ollama model from elsewhere than Ollama's library has another owner, but only Ollama has this version path.
    return ServerFacts(probe.base, "ollama" if version and kind == "openai" else kind, version, models)


def _lm_studio(probe: _Probe) -> ServerFacts:
    """The newest listing that this LM Studio has. LM Studio does not tell its version."""
    listings = (("/api/v1/models", "models", from_v1), ("/api/v0/models", "data", from_v0))
    for path, key, read in listings:
        entries = probe.look(path).get(key)
        if isinstance(entries, list):
            return ServerFacts(probe.base, "lmstudio", None, read(entries))
    return ServerFacts(probe.base, "lmstudio", None, _listed(probe))


def _listed(probe: _Probe) -> tuple[ModelFacts, ...]:
    """The listing that every server has. Raises AskError where the server refuses it."""
    answer = probe.get("/v1/models")
    data = parse(answer.body) if answer.status in SUCCESSES and answer.body.lstrip().startswith(b"{") else None
    if isinstance(data, dict) and isinstance(data.get("data"), list):
        return from_openai(data["data"])
    fault = classify(answer.status, answer.headers, answer.body).fault
    raise AskError(fault.category, f"{probe.base} does not list its models. {fault.message}")


def _version(value: object) -> str | None:
    return one_line(value, 120) if isinstance(value, str) and value else None


def _resolved(facts: ServerFacts, name: str) -> str:
    model = facts.model(name)
    if model is None:
        raise ServerProblem(_absent(facts, name))
    if model.is_embedding:
        raise ServerProblem(f"{one_line(name, 120)} is an embedding model: it cannot write. Choose another with MODEL.")
    return name if name in model.names else model.asked_as


def _absent(facts: ServerFacts, name: str) -> str:
    names = {known.lower(): known for model in facts.models if not model.is_embedding for known in model.names}
    near = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    hint = f"Nearest: {name_list(names[match] for match in near)}." if near else f"It has {name_list(names.values())}."
    return f"{facts.url} has no model {one_line(name, 120)}. {hint} Correct MODEL or --model, or load it (lms load)."


def _choice(facts: ServerFacts, loaded: Sequence[ModelFacts], chat: Sequence[ModelFacts]) -> str:
    if loaded:
        several = name_list(model.asked_as for model in loaded)
        return f"{facts.url} has several models: {several}. Choose with MODEL or --model."
    has = f"It has {name_list(model.id for model in chat)}." if chat else "It has none to chat with (lms get gets one)."
    return f"{facts.url} has no model loaded. {has} Load one (lms load), or choose one with MODEL or --model."


def name_list(names: Iterable[str]) -> str:
    """The names, each once, the first twenty of them: `a, b and 3 more`."""
    told = [one_line(name, 120) for name in dict.fromkeys(names)]
    more = f" and {len(told) - _LISTED_NAMES} more" if len(told) > _LISTED_NAMES else ""
    return (", ".join(told[:_LISTED_NAMES]) or "none") + more
