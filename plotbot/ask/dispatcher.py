"""What keeps the server's slots busy: it asks ahead of pytest's walk, one model at a time.

The rules, in the order in which they decide what is asked next:

1. Never two models in flight on one server. A model's turn ends when nothing of it is left to ask and in flight.
2. What somebody waits for goes before what nobody waits for yet.
3. The rest goes in the order in which pytest will walk the items, as far ahead as `ahead` allows.

`window` counts the cases in hand, which may be one more than the server's slots: the next request is then written while
the slots are busy, and the client holds it back until one falls free (only a server that answers in a fraction of a
second gets it at once; see `plotbot.ask.host`). A run that stops at its first failure takes no case more in hand than
there are slots.

An exchange is kept (durably) before anybody gets to see it, and the next case is asked before it is kept, so that the
disk's time is not the slots' time. Answers that nobody has fetched yet are held in memory up to `HELD_CHARACTERS`;
beyond that they are read back from where they are kept.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from plotbot.errors import PlotbotError
from plotbot.records import Case, Exchange

HELD_CHARACTERS = 64_000_000


class Stopped(RuntimeError):  # noqa: N818  the run stopped, nothing is wrong with it
    """The dispatcher asks no more: the run was stopped before this case had its turn."""


@dataclass(slots=True, eq=False)
class _Entry:
    """What the dispatcher knows of one case."""

    case: Case
    answer: Future[None] = field(default_factory=Future)
    exchange: Exchange | None = None
    offset: int | None = None
    asked: bool = False
    claimed: bool = False


class Dispatcher:
    """Asks cases through an executor and hands out their exchanges.

    `ask` gets an exchange and raises only for a fault of the harness. `keep` makes it durable and gives the offset
    from which `recall` reads it back. `enter` is called once whenever a model's turn begins (it shakes hands); an
    exception of `enter` is what everybody who waits for that model gets.
    """

    def __init__(
        self,
        executor: Executor,
        window: int,
        *,
        ask: Callable[[Case], Exchange],
        keep: Callable[[Exchange], Future[int]],
        recall: Callable[[int], Exchange],
        enter: Callable[[str], None],
        ahead: int | None = None,
    ) -> None:
        self._executor = executor
        self._window = window
        self._ahead = ahead
        self._ask, self._keep, self._recall, self._enter = ask, keep, recall, enter
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._awaited: deque[_Entry] = deque()
        self._queues: dict[str, deque[_Entry]] = {}
        self._model: str | None = None
        self._entering = False
        self._in_flight = 0
        self._unclaimed = 0
        self._held = 0
        self._stopped = False

    @property
    def in_flight(self) -> int:
        return self._in_flight

    def look_ahead(self, cases: Iterable[Case]) -> None:
        """Say what will be wanted, in the order of the items; begins to ask."""
        with self._lock:
            for case in cases:
                if case.id not in self._entries:
                    entry = self._entries[case.id] = _Entry(case)
                    self._queues.setdefault(case.model, deque()).append(entry)
        self._fill()

    def already(self, case: Case, offset: int) -> None:
        """Say that a case has been answered before, and where its exchange is kept: it is not asked again."""
        entry = self._entries[case.id] = _Entry(case, offset=offset, asked=True, claimed=True)
        entry.answer.set_result(None)

    def exchange(self, case: Case) -> Exchange:
        """Block until the case is answered and kept. Raises what went wrong in the harness, or `Stopped`."""
        with self._lock:
            entry = self._entries.setdefault(case.id, _Entry(case))
            if not entry.asked:
                if self._stopped:
                    raise Stopped(f"the run stopped before {case.slug} was asked")
                if entry not in self._awaited:
                    self._awaited.append(entry)
        self._fill()
        try:
            entry.answer.result()
        finally:
            exchange = self._claim(entry)
            self._fill()
        return exchange or self._read_back(entry)

    def stop(self) -> None:
        """Ask nothing more. What is in flight may still arrive and be kept; whoever waits for the rest is told."""
        with self._lock:
            self._stopped = True
            waiting = [entry for entry in self._entries.values() if not entry.asked]
        for entry in waiting:
            _fail(entry, Stopped(f"the run stopped before {entry.case.slug} was asked"))

    def _claim(self, entry: _Entry) -> Exchange | None:
        with self._lock:
            if not entry.claimed:
                entry.claimed = True
                self._unclaimed -= 1
            exchange, entry.exchange = entry.exchange, None
            self._held -= _size(exchange) if exchange else 0
        return exchange

    def _read_back(self, entry: _Entry) -> Exchange:
        """For another test of the same case, a re-queued item, or an answer too many to hold in memory."""
        assert entry.offset is not None, "an answer without an error has been kept"
        return self._recall(entry.offset)

    def _fill(self) -> None:
        while (job := self._take()) is not None:
            if isinstance(job, str):
                self._executor.submit(self._enter, job).add_done_callback(partial(self._entered, job))
            else:
                self._executor.submit(self._ask, job.case).add_done_callback(partial(self._arrived, job))

    def _take(self) -> _Entry | str | None:
        """The next thing to do: a case to ask, a model to enter, or nothing now."""
        with self._lock:
            if self._stopped or self._entering or self._in_flight >= self._window:
                return None
            entry = self._next_of(self._model)
            if entry is not None:
                entry.asked = True
                self._in_flight += 1
                self._unclaimed += 1
                return entry
            model = self._next_model()
            if model is None or self._in_flight:
                return None
            self._entering = True
            return model

    def _next_of(self, model: str | None) -> _Entry | None:
        for entry in self._awaited:
            if entry.case.model == model and not entry.asked:
                self._awaited.remove(entry)
                return entry
        queue = self._queues.get(model) if model is not None else None
        while queue and queue[0].asked:
            queue.popleft()
        return queue.popleft() if queue and self._may_look_ahead() else None

    def _next_model(self) -> str | None:
        """Whose turn is next: a model that somebody waits for, else the first with cases left."""
        waiting = [entry.case.model for entry in self._awaited if not entry.asked]
        if waiting or not self._may_look_ahead():
            return waiting[0] if waiting else None
        return next((model for model, queue in self._queues.items() if any(not entry.asked for entry in queue)), None)

    def _may_look_ahead(self) -> bool:
        # Somebody who waits for the next model gets it soonest when this one's cases are asked whether wanted or not.
        return self._ahead is None or self._unclaimed < self._ahead or bool(self._awaited)

    def _entered(self, model: str, done: Future[None]) -> None:
        error = _error_of(done)
        with self._lock:
            self._entering = False
            self._model = model
            lost = [] if error is None else self._give_up(model)
        for entry in lost:
            assert error is not None
            _fail(entry, error)
        self._fill()

    def _give_up(self, model: str) -> list[_Entry]:
        lost = [entry for entry in self._entries.values() if entry.case.model == model and not entry.asked]
        for entry in lost:
            entry.asked = True
        self._unclaimed += len(lost)
        return lost

    def _arrived(self, entry: _Entry, done: Future[Exchange]) -> None:
        with self._lock:
            self._in_flight -= 1
        self._fill()
        error = _error_of(done)
        if error is not None:
            _fail(entry, error)
            return
        exchange = done.result()
        try:
            kept = self._keep(exchange)
        except PlotbotError as unkept:
            # Nobody is above this callback to hear of it but the one who waits.
            _fail(entry, unkept)
        else:
            kept.add_done_callback(partial(self._kept, entry, exchange))

    def _kept(self, entry: _Entry, exchange: Exchange, kept: Future[int]) -> None:
        error = _error_of(kept)
        if error is not None:
            _fail(entry, error)
            return
        with self._lock:
            entry.offset = kept.result()
            if self._held < HELD_CHARACTERS:
                entry.exchange = exchange
                self._held += _size(exchange)
        entry.answer.set_result(None)


def _error_of(done: Future[Any]) -> BaseException | None:
    """What went wrong; a future that was cancelled before its turn raises instead of telling."""
    return CancelledError() if done.cancelled() else done.exception()


def _fail(entry: _Entry, error: BaseException) -> None:
    if not entry.answer.done():
        entry.answer.set_exception(error)


def _size(exchange: Exchange) -> int:
    reply = exchange.reply
    return len(exchange.raw) + (len(reply.content) + len(reply.reasoning) if reply else 0)
