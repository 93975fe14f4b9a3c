"""How busy a mock's slots were, and what became of the requests; written by the mock's thread, readable from any."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_CLOCK_READINGS = frozenset({"last_taken", "busy_as_of"})


@dataclass(slots=True)
class ModelStats:
    """One model's figures, over all its instances. Times are `time.monotonic()` seconds, which compare on one
    machine.

    Handshakes are counted apart and touch nothing else but loads: they would hide how busy the slots were afterwards.
    `busy_seconds` is summed over slots, as of the last time a slot was taken or freed; `last_taken` and
    `busy_until_last` are the time and the sum when the last request got its slot. `cancelled`: the client went away;
    `killed`: unloaded, crashed or overflown in mid answer. `copies`: instances `:2` and further (BT#1751).
    """

    slots: int
    requests: int = 0
    handshakes: int = 0
    replies: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    peak_queued: int = 0
    busy_slots: int = 0
    busy_seconds: float = 0.0
    busy_as_of: float = 0.0
    last_taken: float | None = None
    busy_until_last: float = 0.0
    first_in: float | None = None
    last_out: float | None = None
    loads: int = 0
    copies: int = 0
    evictions: int = 0
    cancelled: int = 0
    killed: int = 0

    @property
    def utilisation(self) -> float:
        """Busy slot seconds over all slot seconds from the first request in to the last reply out; 0 to 1."""
        if self.first_in is None or self.last_out is None or self.last_out <= self.first_in:
            return 0.0
        return self.busy_seconds / (self.slots * (self.last_out - self.first_in))

    @property
    def utilisation_until_last(self) -> float:
        """The same until the last request got its slot: from there on slots run out of work, whoever asks."""
        if self.first_in is None or self.last_taken is None or self.last_taken <= self.first_in:
            return 0.0
        return self.busy_until_last / (self.slots * (self.last_taken - self.first_in))

    def slot_taken(self, at: float, *, counted: bool) -> None:
        self._add_busy(at)
        if counted:
            self.busy_slots += 1
            self.last_taken, self.busy_until_last = at, self.busy_seconds

    def slot_freed(self, at: float, *, counted: bool) -> None:
        self._add_busy(at)
        self.busy_slots -= counted

    def _add_busy(self, at: float) -> None:
        self.busy_seconds += self.busy_slots * (at - self.busy_as_of)
        self.busy_as_of = at

    def to_json(self) -> dict[str, Any]:
        names = [name for name in self.__slots__ if name not in _CLOCK_READINGS]
        span = 0.0 if self.first_in is None or self.last_out is None else self.last_out - self.first_in
        figures = {name: getattr(self, name) for name in names}
        shares = {"utilisation": self.utilisation, "utilisation_until_last": self.utilisation_until_last}
        return {**figures, "span_seconds": span, **shares}


@dataclass(slots=True)
class Stats:
    """All models' figures. `peak_models_in_flight` tells whether two models were ever asked at once.

    `received` counts every request of every route; `faults` how often each named fault was played.
    """

    models: dict[str, ModelStats] = field(default_factory=dict)
    received: int = 0
    refused: int = 0
    peak_models_in_flight: int = 0
    faults: dict[str, int] = field(default_factory=dict)

    def arrived(self, key: str, at: float, *, handshake: bool) -> None:
        model = self.models[key]
        model.in_flight += 1
        model.peak_in_flight = max(model.peak_in_flight, model.in_flight)
        busy = sum(other.in_flight > 0 for other in self.models.values())
        self.peak_models_in_flight = max(self.peak_models_in_flight, busy)
        if handshake:
            model.handshakes += 1
            return
        model.requests += 1
        model.first_in = at if model.first_in is None else model.first_in

    def left(self, key: str, at: float, *, handshake: bool, replied: bool) -> None:
        model = self.models[key]
        model.in_flight -= 1
        if replied and not handshake:
            model.replies += 1
            model.last_out = at

    def played(self, fault: str) -> None:
        self.faults[fault] = self.faults.get(fault, 0) + 1

    def to_json(self) -> dict[str, Any]:
        return {
            "received": self.received,
            "refused": self.refused,
            "peak_models_in_flight": self.peak_models_in_flight,
            "faults": dict(self.faults),
            "models": {key: model.to_json() for key, model in list(self.models.items())},
        }
