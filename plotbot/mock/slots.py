"""A loaded model's slots: a number of predictions at once, the others wait in order of arrival. And the statistics."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from plotbot.mock.errors import OVERFLOWN
from plotbot.mock.wire import Refused

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
        """The same until the last request got its slot: from there on slots run out of work under any client."""
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


class Slots:
    """The queue and the slots of one instance.

    With *unified_kv* all slots share *context* tokens, and overflowing them fails everything in flight (BT#1757).
    """

    def __init__(self, parallel: int, context: int, stats: ModelStats, *, unified_kv: bool) -> None:
        self._free = asyncio.Semaphore(parallel)
        self._context = context
        self._unified_kv = unified_kv
        self._stats = stats
        self._waiting: set[asyncio.Future[Refused | None]] = set()
        self._active: dict[asyncio.Future[Refused | None], int] = {}

    @property
    def in_use(self) -> bool:
        return bool(self._waiting or self._active)

    async def hold(self, seconds: float | None, tokens: int, *, counted: bool) -> None:
        """Wait for a slot and hold it for *seconds* (None: until the client goes away).

        Raises Refused when the model is taken away or overflows meanwhile. *counted*: as busy time.
        """
        end: asyncio.Future[Refused | None] = asyncio.get_running_loop().create_future()
        self._waiting.add(end)
        self._stats.peak_queued = max(self._stats.peak_queued, self._queued())
        try:
            async with self._free:
                self._waiting.discard(end)
                refused = await self._occupy(end, seconds, tokens, counted=counted)
        finally:
            self._waiting.discard(end)
        if refused is not None:
            raise refused

    def end_all(self, refused: Refused) -> None:
        """End every prediction, waiting or under way, with this response at once."""
        for end in (*self._active, *self._waiting):
            _finish(end, refused)

    def _queued(self) -> int:
        return 0 if not self._free.locked() else len(self._waiting)

    async def _occupy(
        self, end: asyncio.Future[Refused | None], seconds: float | None, tokens: int, *, counted: bool
    ) -> Refused | None:
        self._active[end] = tokens
        if self._unified_kv and sum(self._active.values()) > self._context:
            for active in list(self._active):
                _finish(active, OVERFLOWN)
        self._stats.slot_taken(time.monotonic(), counted=counted)
        timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, _finish, end, None)
        try:
            refused = await end
        finally:
            if timer is not None:
                timer.cancel()
            del self._active[end]
            self._stats.slot_freed(time.monotonic(), counted=counted)
        self._stats.killed += refused is not None
        return refused


def _finish(end: asyncio.Future[Refused | None], refused: Refused | None) -> None:
    if not end.done():
        end.set_result(refused)
