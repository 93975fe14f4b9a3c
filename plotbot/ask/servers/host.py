"""What a run knows of one server, which can be sent to another process. Asking it is `HostClient`'s part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from plotbot.ask.servers.discovery import ServerFacts, discover, resolve_models
from plotbot.ask.servers.model_listing import ModelFacts
from plotbot.ask.servers.pin import Pin
from plotbot.errors import ServerProblem
from plotbot.fingerprint import Fingerprint
from plotbot.safe import one_line
from plotbot.settings import Settings

DEFAULT_SLOTS = 4
"""Requests in flight on a server that does not say how many slots it has."""
DISCOVERY_SECONDS = 10.0


def find_server(url: str, settings: Settings, token: str | None, *, advise: bool = True) -> ServerFacts:
    """What a server says of itself. Raises ServerProblem where it cannot be reached or used; see `discover`."""
    return discover(url, token=token, timeout=min(settings.request_timeout, DISCOVERY_SECONDS), advise=advise)


def fingerprint(facts: ServerFacts, model: str) -> Fingerprint:
    """The fingerprint of *model* as a server lists it now."""
    served = Fingerprint(server=facts.kind, server_version=facts.version, engine=facts.engine, model=model)
    listed = facts.model(model)
    if listed is None:
        return served
    return replace(
        served,
        sha256=listed.sha256,
        parameters=listed.parameters,
        chat_template=listed.chat_template,
        key=listed.id,
        publisher=listed.publisher,
        quantization=listed.quantization,
        format=listed.format,
        architecture=listed.architecture,
        size_bytes=listed.size_bytes,
        variant=listed.variant,
        context_length=listed.context_length,
        slots=listed.slots,
    )


class Host:
    """A server that has all of a run's models; ServerProblem is raised where it lacks one.

    *name* is how reports call it. *max_in_flight* is MAX_IN_FLIGHT where that is for this host alone, *client_limit*
    how many requests at once the process that asks it can make.
    """

    def __init__(
        self,
        name: str,
        url: str,
        facts: ServerFacts,
        models: Sequence[str],
        *,
        max_in_flight: int | None = None,
        client_limit: int | None = None,
    ) -> None:
        self.name = name
        self.url = url
        self.models = tuple(models)
        self.fingerprints: dict[str, Fingerprint] = {}
        self._max_in_flight = max_in_flight
        self._client_limit = client_limit
        self.update(facts)
        self.check_models()
        for model in models:
            self.identify(model)

    def update(self, facts: ServerFacts) -> None:
        """Take what the server says of itself now.

        `slots` is the smallest number that it tells for a model of the run; None where it tells none, as for models
        that are not loaded.
        """
        self.facts = facts
        known = [slots for model in self.models if (slots := self.listed(model).slots) is not None]
        self.slots = min(known) if known else None

    def check_models(self) -> None:
        """Raise ServerProblem where the server lacks one of the models."""
        resolve_models(self.facts, self.models)

    def identify(self, model: str) -> None:
        """Take the model's fingerprint from what is known now. It stays when the model is unloaded later."""
        self.fingerprints[model] = self._fingerprint(model)

    def listed(self, model: str) -> ModelFacts:
        """A model as the server lists it; with nothing but its name where it is not listed any more."""
        return self.facts.model(model) or ModelFacts(model)

    @property
    def wanted(self) -> int:
        """How many requests this host could answer at once: MAX_IN_FLIGHT, else its slots."""
        return self._max_in_flight or self.slots or DEFAULT_SLOTS

    @property
    def window(self) -> int:
        """How many requests may be in flight here: `wanted`, as far as the process that asks can make them."""
        return self.wanted if self._client_limit is None else min(self.wanted, self._client_limit)

    @property
    def may_queue(self) -> bool:
        """Whether a request may wait in the server's own queue: not where MAX_IN_FLIGHT sets the limit."""
        return self._max_in_flight is None

    def check_pin(self, pin: Pin, model: str, *, loaded: bool | None = None) -> None:
        """Raise ServerProblem where the served model differs from the pin; see `pin_difference`."""
        if problem := self.pin_difference(pin, model, loaded=loaded):
            raise ServerProblem(problem)

    def pin_difference(self, pin: Pin, model: str, *, loaded: bool | None = None) -> str | None:
        """How the served model differs from the pin, or None.

        *loaded* says whether to compare what only a loaded model has; by default it is compared unless the server says
        that the model is not loaded.
        """
        absent = self.listed(model).loaded is False
        differences = pin.differences(self._fingerprint(model), loaded=not absent if loaded is None else loaded)
        if not differences:
            return None
        hint = "It is not loaded: load it first (lms load, or --load)." if absent else "Serve what is pinned."
        return (
            f"{one_line(model, 120)} at {self.facts.url} is not what {pin.path} pins: "
            f"{'; '.join(map(str, differences))}. {hint} To pin what is served instead: plotbot pin."
        )

    def _fingerprint(self, model: str) -> Fingerprint:
        return fingerprint(self.facts, model)
