"""What a run knows of one server: what it says of itself and of the run's models, and whether that is what is pinned.

It is knowledge alone and can be sent to another process; who asks the server is a
`plotbot.ask.servers.host_client.HostClient`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from plotbot.ask.servers.discovery import ServerFacts, discover, resolve_models
from plotbot.ask.servers.model_listing import ModelFacts
from plotbot.ask.servers.pin import Pin
from plotbot.records import Fingerprint
from plotbot.safe import one_line
from plotbot.settings import Settings

DEFAULT_SLOTS = 4
DISCOVERY_SECONDS = 10.0


def find_server(url: str, settings: Settings, token: str | None, *, advise: bool = True) -> ServerFacts:
    """What a server says of itself. Raises ServerProblem where it cannot be reached or used; see `discover`."""
    return discover(url, token=token, timeout=min(settings.request_timeout, DISCOVERY_SECONDS), advise=advise)


def fingerprint(facts: ServerFacts, model: str, *, sha256: str | None = None, engine: str | None = None) -> Fingerprint:
    """The fingerprint of *model* as a server tells it now.

    *sha256* is the model file's and *engine* what runs it, which only the embedded engine tells.
    """
    served = Fingerprint(server=facts.kind, server_version=facts.version, engine=engine, model=model, sha256=sha256)
    told = facts.model(model)
    if told is None:
        return served
    return replace(
        served,
        key=told.id,
        publisher=told.publisher,
        quantization=told.quantization,
        format=told.format,
        architecture=told.architecture,
        size_bytes=told.size_bytes,
        variant=told.variant,
        context_length=told.context_length,
        slots=told.slots,
    )


class Host:
    """A server with all of a run's models on it.

    *name* is how reports call it. *most* is MAX_IN_FLIGHT, *limit* how many requests at once whoever asks can do;
    *embedded* is what is known of the embedded engine, where this is its server. Raises ServerProblem where a model is
    missing.
    """

    def __init__(
        self,
        name: str,
        url: str,
        facts: ServerFacts,
        models: Sequence[str],
        *,
        most: int | None = None,
        limit: int | None = None,
        embedded: Mapping[str, str | None] | None = None,
    ) -> None:
        self.name = name
        self.url = url
        self.models = tuple(models)
        self.fingerprints: dict[str, Fingerprint] = {}
        self._most = most
        self._limit = limit
        self._embedded = dict(embedded or {})
        self.learn(facts)
        self.check_models()
        for model in models:
            self.identify(model)

    def learn(self, facts: ServerFacts) -> None:
        """Take what the server says of itself now.

        `slots` are those that a model of this run has here; None where none of them is loaded, or nobody says.
        """
        self.facts = facts
        known = [slots for model in self.models if (slots := self.told(model).slots) is not None]
        self.slots = min(known) if known else None

    def check_models(self) -> None:
        """Raise ServerProblem where the server does not have one of the models."""
        resolve_models(self.facts, self.models)

    def identify(self, model: str) -> None:
        """Take what is known of a model now for its fingerprint; one that is unloaded later keeps it."""
        self.fingerprints[model] = self._served(model)

    def told(self, model: str) -> ModelFacts:
        """What the server said of a model; next to nothing where it lists it no more."""
        return self.facts.model(model) or ModelFacts(model)

    @property
    def wanted(self) -> int:
        """How many requests this host could answer at once: MAX_IN_FLIGHT, else its slots."""
        return self._most or self.slots or DEFAULT_SLOTS

    @property
    def window(self) -> int:
        """How many requests may be in flight here: what is wanted, as far as whoever asks can do that."""
        return self.wanted if self._limit is None else min(self.wanted, self._limit)

    @property
    def may_queue(self) -> bool:
        """Whether a request may wait in the server's own queue: where MAX_IN_FLIGHT is set, it is kept to."""
        return self._most is None

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

    def _served(self, model: str) -> Fingerprint:
        return fingerprint(self.facts, model, **self._embedded)
