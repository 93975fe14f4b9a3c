"""What keeps the hosts' slots busy: it asks ahead of pytest's walk, on every host one model at a time.

The rules, in the order in which they decide what is asked next:

1. Never two models in flight on one host. A model's turn there ends when nothing of it is left to ask, nor in flight.
2. A case goes to the host with the most room, one that has failed on a host elsewhere if it can.
3. What somebody waits for goes before what nobody waits for yet.
4. The rest goes in the order in which pytest will walk the items, as far ahead as `ahead` allows.

A host_queue may hold a case more than its host has slots: the next request is then written while the slots are busy. A
run that stops at its first failure takes no case more in hand than there are slots, and towards the end nobody does:
what waits for one host could have been asked on another.

An exchange is kept (durably) before anybody gets to see it, and the next case is asked before it is kept, so that the
disk's time is not the slots' time. Answers that nobody has fetched yet are held in memory up to `HELD_CHARACTERS`;
beyond that they are read back from where they are kept.

What is done about a host that fails stands in `plotbot.ask.schedule.failover`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import Any, Protocol

from plotbot.ask.schedule.backlog import Backlog, Entry
from plotbot.ask.schedule.failover import Failover, Later, later_in_a_thread
from plotbot.ask.schedule.host_queue import HostLostError, HostQueue
from plotbot.ask.servers.host_client import TurnStart
from plotbot.errors import AskError, PlotbotError
from plotbot.records import Case, Exchange

HELD_CHARACTERS = 64_000_000


class Stopped(RuntimeError):  # noqa: N818  the run stopped, nothing is wrong with it
    """The scheduler asks no more: the run was stopped before this case had its turn."""


class ExchangeStore(Protocol):
    """Where exchanges are kept."""

    def keep(self, exchange: Exchange, /) -> Future[int]:
        """Make it durable; the future gives the offset from which `recall` reads it back. Raises `PlotbotError`."""

    def recall(self, offset: int, /) -> Exchange:
        """Read a kept exchange back."""


class Scheduler:
    """Asks cases on its host_queues and hands out their exchanges.

    `welcome` is told whenever a model's turn has begun on a host_queue, and may raise why it shall not; where that
    leaves no host_queue for the model, the exception is what everybody who waits for it gets. `tell` takes sentences
    about hosts that fail. *most* caps the cases in hand over all host_queues; *retry_limit* the further tries of a
    case on hosts that do answer. `later` calls back after so many seconds.
    """

    def __init__(
        self,
        host_queues: Sequence[HostQueue],
        recorder: ExchangeStore,
        *,
        welcome: Callable[[HostQueue, str, TurnStart], None],
        tell: Callable[[str], None],
        ahead: int | None = None,
        most: int | None = None,
        retry_limit: int = 0,
        later: Later = later_in_a_thread,
    ) -> None:
        self._host_queues = list(host_queues)
        self._books = recorder
        self._welcome = welcome
        self._ahead = ahead
        self._most = most
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._backlog = Backlog()
        self._in_hand = 0
        self._unclaimed = 0
        self._held = 0
        self._stopped = False
        self._gone: str | None = None
        self._failover = Failover(
            self._host_queues,
            self._lock,
            retry_limit,
            ask_again=self._ask_again,
            settle=self._settle,
            give_up=self._give_up_all,
            tell=tell,
            later=later,
        )

    @property
    def in_flight(self) -> int:
        return self._in_hand

    @property
    def gone(self) -> str | None:
        """Why nothing is asked any more, once no host answers."""
        return self._gone

    def look_ahead(self, cases: Iterable[Case]) -> None:
        """Say what will be wanted, in the order of the items; begins to ask."""
        with self._lock:
            for case in cases:
                if case.id not in self._entries:
                    entry = self._entries[case.id] = Entry(case)
                    self._backlog.append(entry)
        self._fill()

    def already(self, case: Case, offset: int) -> None:
        """Say that a case has been answered before, and where its exchange is kept: it is not asked again."""
        entry = self._entries[case.id] = Entry(case, offset=offset, asked=True, claimed=True)
        entry.answer.set_result(None)

    def add(self, host_queue: HostQueue) -> None:
        """Ask on one more host_queue from now on."""
        with self._lock:
            self._host_queues.append(host_queue)
        self._fill()

    def exchange(self, case: Case) -> Exchange:
        """Block until the case is answered and kept. Raises what went wrong in the harness, or `Stopped`."""
        with self._lock:
            entry = self._entries.setdefault(case.id, Entry(case))
            if not entry.asked:
                if self._stopped:
                    raise self._why_not(entry)
                self._backlog.wait_for(entry)
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
        self._failover.stop()
        for entry in waiting:
            _fail(entry, self._why_not(entry))

    def _why_not(self, entry: Entry) -> Exception:
        if self._gone is not None:
            return AskError("unreachable", self._gone)
        return Stopped(f"the run stopped before {entry.case.slug} was asked")

    def _claim(self, entry: Entry) -> Exchange | None:
        with self._lock:
            if not entry.claimed:
                entry.claimed = True
                self._unclaimed -= 1
            exchange, entry.exchange = entry.exchange, None
            self._held -= exchange.size if exchange else 0
        return exchange

    def _read_back(self, entry: Entry) -> Exchange:
        """For another test of the same case, a re-queued item, or an answer too many to hold in memory."""
        assert entry.offset is not None, "an answer without an error has been kept"
        return self._books.recall(entry.offset)

    def _fill(self) -> None:
        while (job := self._take()) is not None:
            host_queue, what = job
            if isinstance(what, str):
                host_queue.executor.submit(host_queue.enter, what).add_done_callback(
                    partial(self._entered, host_queue, what)
                )
            else:
                host_queue.executor.submit(host_queue.ask, what.case).add_done_callback(
                    partial(self._arrived, host_queue, what)
                )

    def _take(self) -> tuple[HostQueue, Entry | str] | None:
        """The next thing to do and where: a case to ask, a model to enter, or nothing now."""
        with self._lock:
            if self._stopped or (self._most is not None and self._in_hand >= self._most):
                return None
            for host_queue in sorted(self._with_room(), key=lambda host_queue: host_queue.load):
                if (job := self._job_for(host_queue)) is not None:
                    return host_queue, job
            return None

    def _with_room(self) -> list[HostQueue]:
        width = sum(host_queue.host.window for host_queue in self._host_queues)
        a_second = sum(
            host_queue.host.window / host_queue.usual_seconds
            for host_queue in self._host_queues
            if host_queue.usual_seconds
        )
        return [
            host_queue
            for host_queue in self._host_queues
            if host_queue.room(plenty=self._has_plenty(host_queue, width, a_second))
        ]

    def _has_plenty(self, host_queue: HostQueue, width: int, a_second: float) -> bool:
        """Whether all host_queues have something to do until this one has given an answer, however long it takes."""
        left = self._backlog.left(host_queue.model)
        return host_queue.usual_seconds > 0 and left > width and left > a_second * host_queue.usual_seconds

    def _job_for(self, host_queue: HostQueue) -> Entry | str | None:
        look_ahead = self._may_look_ahead()
        entry = self._backlog.take(host_queue.model, host_queue, self._host_queues, look_ahead=look_ahead)
        if entry is not None:
            entry.asked = True
            host_queue.in_hand += 1
            self._in_hand += 1
            self._unclaimed += 1
            return entry
        model = (
            None
            if host_queue.in_hand
            else self._backlog.next_model(host_queue, self._host_queues, look_ahead=look_ahead)
        )
        host_queue.entering = model is not None
        return model

    def _may_look_ahead(self) -> bool:
        # Somebody who waits for the next model gets it soonest when this one's cases are asked whether wanted or not.
        return self._ahead is None or self._unclaimed < self._ahead or self._backlog.awaited

    def _entered(self, host_queue: HostQueue, model: str, done: Future[TurnStart]) -> None:
        error = _error_of(done) or self._unwelcome(host_queue, model, done.result())
        with self._lock:
            host_queue.entering = False
            host_queue.model = model if error is None else None
        if error is not None and not self._failover.takes_refusal(host_queue, error):
            for entry in self._give_up(model):
                _fail(entry, error)
        self._fill()

    def _unwelcome(self, host_queue: HostQueue, model: str, welcome: TurnStart) -> PlotbotError | None:
        try:
            self._welcome(host_queue, model, welcome)
        except PlotbotError as why:
            return why
        return None

    def _give_up(self, model: str) -> list[Entry]:
        with self._lock:
            lost = [entry for entry in self._entries.values() if entry.case.model == model and not entry.asked]
            for entry in lost:
                entry.asked = True
            self._unclaimed += len(lost)
        return lost

    def _arrived(self, host_queue: HostQueue, entry: Entry, done: Future[Exchange]) -> None:
        with self._lock:
            host_queue.in_hand -= 1
            self._in_hand -= 1
        error = _error_of(done)
        if isinstance(error, HostLostError):
            self._failover.take_loss(host_queue, entry, str(error))
        elif error is not None:
            self._fill()
            _fail(entry, error)
        elif not self._failover.takes(host_queue, entry, exchange := done.result()):
            self._fill()
            self._settle(entry, exchange)

    def _ask_again(self, entries: Sequence[Entry]) -> None:
        with self._lock:
            for entry in reversed(entries):
                self._backlog.put_back(entry)
                self._unclaimed -= 1
            stopped = self._stopped
        for entry in entries if stopped else ():
            _fail(entry, self._why_not(entry))
        self._fill()

    def _settle(self, entry: Entry, exchange: Exchange) -> None:
        """This is the end of it, be it a reply or a fault: keep it, then hand it out."""
        whole = entry.with_all_attempts(exchange)
        try:
            kept = self._books.keep(whole)
        except PlotbotError as unkept:
            # Nobody is above this callback to hear of it but the one who waits.
            _fail(entry, unkept)
        else:
            kept.add_done_callback(partial(self._kept, entry, whole))

    def _kept(self, entry: Entry, exchange: Exchange, kept: Future[int]) -> None:
        error = _error_of(kept)
        if error is not None:
            _fail(entry, error)
            return
        with self._lock:
            entry.offset = kept.result()
            if self._held < HELD_CHARACTERS:
                entry.exchange = exchange
                self._held += exchange.size
        entry.answer.set_result(None)

    def _give_up_all(self, why: str) -> None:
        """No host is left: what was tried in vain is kept as it failed, the rest stays to be asked another time."""
        with self._lock:
            self._gone = why
            tried = [entry for entry in self._entries.values() if not entry.asked and entry.failed is not None]
            for entry in tried:
                entry.asked = True
            self._unclaimed += len(tried)
        for entry in tried:
            assert entry.failed is not None
            self._settle(entry, entry.failed)
        self.stop()


def _error_of(done: Future[Any]) -> BaseException | None:
    """What went wrong; a future that was cancelled before its turn raises instead of telling."""
    return CancelledError() if done.cancelled() else done.exception()


def _fail(entry: Entry, error: BaseException) -> None:
    if not entry.answer.done():
        entry.answer.set_exception(error)
