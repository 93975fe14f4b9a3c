"""One server that a run asks: its client, what it says of itself and its models, and whether that is what is pinned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plotbot.ask.client import Client
from plotbot.ask.embedded import EmbeddedEngine
from plotbot.ask.fingerprint import fingerprint
from plotbot.ask.listing import ModelFacts
from plotbot.ask.loading import DEFAULT_SLOTS, Loader, is_loaded
from plotbot.ask.pin import Pin
from plotbot.ask.server import ServerFacts, discover, resolve_models
from plotbot.ask.slots import Slots
from plotbot.safe import one_line
from plotbot.settings import Settings

DISCOVERY_SECONDS = 10.0
QUICK_SECONDS = 0.2
"""Up to here an answer is so quick that what passes between two of them shows: a few thousandths of a second."""


def find_server(url: str, settings: Settings, token: str | None) -> ServerFacts:
    """What a server says of itself. Raises ServerProblem where it cannot be reached or used."""
    return discover(url, token=token, timeout=min(settings.request_timeout, DISCOVERY_SECONDS))


class Host:
    """A server with all of a run's models on it. `in_flight` counts this run's requests to it.

    *engine* is the embedded one, where this is its server. Raises ServerProblem where a model is missing.
    """

    def __init__(
        self,
        url: str,
        facts: ServerFacts,
        models: Sequence[str],
        settings: Settings,
        *,
        token: str | None,
        engine: EmbeddedEngine | None = None,
    ) -> None:
        resolve_models(facts, models)
        self.url = url
        self.facts = facts
        self.fingerprints: dict[str, dict[str, Any]] = {}
        self.in_flight = 0
        self._usual_seconds = QUICK_SECONDS * 2
        self._models = models
        self._settings = settings
        self.client = Client(
            url,
            params=settings.params,
            token=token,
            request_timeout=settings.request_timeout,
            retry_limit=settings.request_retry_limit,
            known_as={model.id: model.instance_ids for model in facts.models if model.id in models},
            slot=Slots(lambda: self._at_once),
        )
        self._token = token
        self._embedded = {} if engine is None else {"sha256": engine.sha256, "engine": engine.version}
        self._loader = Loader(url, token=token, timeout=settings.load_timeout)
        self._loaded_here: list[str] = []
        for model in models:
            self.identify(model)

    def look_again(self) -> None:
        """Ask the server what it serves now. Raises ServerProblem where it does not say."""
        self.facts = find_server(self.url, self._settings, self._token)

    def identify(self, model: str) -> None:
        """Take what is known of a model now for its fingerprint; one that is unloaded later keeps it."""
        self.fingerprints[model] = self._served(model)

    def told(self, model: str) -> ModelFacts:
        """What the server said of a model; next to nothing where it lists it no more."""
        return self.facts.model(model) or ModelFacts(model)

    @property
    def slots(self) -> int | None:
        """The slots that a model of this run has here; None where none of them is loaded, or nobody says."""
        known = [slots for model in self._models if (slots := self.told(model).slots) is not None]
        return min(known) if known else None

    @property
    def window(self) -> int:
        return self.slots or DEFAULT_SLOTS

    @property
    def _at_once(self) -> int:
        """How many requests are let through to the server: MAX_IN_FLIGHT, else its slots.

        A server that answers in no time gets one more, which waits in its queue for the next slot, so that no slot is
        idle while an answer and a request are on their way. With longer answers that gains nothing and would cost:
        the wait is part of the seconds that are measured, and of REQUEST_TIMEOUT.
        """
        return self._settings.max_in_flight or self.window + (self._usual_seconds < QUICK_SECONDS)

    def took(self, seconds: float) -> None:
        """Learn how long an exchange took; the last few decide what is usual."""
        self._usual_seconds += (seconds - self._usual_seconds) / 8

    def have_loaded(self, model: str, context_length: int | None) -> str | None:
        """Have LM Studio load a model, unless it is loaded so; what was loaded here before makes room for it.

        Gives a sentence where a load of somebody else's had to go for it. Raises AskError where it cannot be loaded,
        ServerProblem where the server does not say what is.
        """
        self.look_again()
        told = self.told(model)
        if is_loaded(told, context_length):
            return None
        # LM Studio evicts what was loaded on demand, but never what was loaded by name.
        for earlier in self._loaded_here:
            self._loader.unload(self.told(earlier))
        self._loaded_here = [model]
        self._loader.load(told, model, context_length)
        self.look_again()
        if not told.loaded:
            return None
        return (
            f"{one_line(model, 120)} was loaded with a context of {told.context_length} tokens; it was unloaded and "
            f"loaded with {context_length}."
        )

    def otherwise(self, pin: Pin, model: str, *, loaded: bool) -> str | None:
        """In what a model is not the pinned one; None where it is. See `Pin.differences` for *loaded*."""
        differences = pin.differences(self._served(model), loaded=loaded)
        if not differences:
            return None
        absent = self.told(model).loaded is False
        hint = "It is not loaded: load it first (lms load, or --load)." if absent else "Serve what is pinned."
        return (
            f"{one_line(model, 120)} at {self.facts.url} is not what {pin.path} pins: "
            f"{'; '.join(map(str, differences))}. {hint} To pin what is served instead: plotbot pin."
        )

    def _served(self, model: str) -> dict[str, Any]:
        return fingerprint(self.facts, model, **self._embedded)
