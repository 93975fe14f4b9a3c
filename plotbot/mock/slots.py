"""A loaded model's slots: so many predictions at once, the others wait in order of arrival."""

from __future__ import annotations

import asyncio
import time

from plotbot.mock.errors import OVERFLOWN
from plotbot.mock.stats import ModelStats
from plotbot.mock.wire import Refused


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

    def kill(self, refused: Refused) -> None:
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
