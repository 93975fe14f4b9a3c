"""Keeps the slots of all hosts busy: asks ahead of pytest's walk over the items, on each host one model at a time.

The rules, in the order in which they decide what is asked next:

1. Never two models in flight on one host. A model's turn there ends when it has no case left to ask and none in flight,
   and all its answers are durable: a run that is killed in the next turn does not load this model again.
2. A case goes to the host with the most room; a case that has failed on a host goes to another if it can.
3. A case that a test waits for goes before those that no test waits for yet.
4. The rest goes in the order in which pytest will walk the items, as far ahead as `ahead` allows.

A host may have more cases in hand than slots: the next request is then written while the slots are busy. A run
that stops at its first failure does without, and so does every run towards its end: a case that waits for one host
could have been asked on another.

An exchange is durable before a test gets it, and the next case is asked before that, so that no slot waits for the
disk. `plotbot.ask.schedule.failover` decides what to do about a host that fails.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import Any, Protocol

from plotbot.ask.schedule.case_queue import CaseQueue
from plotbot.ask.schedule.failover import Decision, Failover
from plotbot.ask.schedule.host_queue import HostLostError, HostQueue, ScheduledCase
from plotbot.ask.servers.host_client import TurnStart
from plotbot.errors import AskError, NotNeededError, PlotbotError
from plotbot.records import Case, Exchange

HELD_BYTES = 64_000_000
"""So many bytes of exchanges that no test has fetched stay in memory; the rest is read back from the store."""


class Stopped(RuntimeError):  # noqa: N818  the run stopped, nothing is wrong with it
    """The scheduler asks no more: the run was stopped before this case had its turn."""


class ExchangeStore(Protocol):
    """Where the scheduler keeps exchanges; a run's recorder is one."""

    def keep(self, exchange: Exchange, /) -> Future[int]:
        """Make it durable; the future gives the offset from which `recall` reads it back. Raises `PlotbotError`."""

    def recall(self, offset: int, /) -> Exchange:
        """Read a kept exchange back."""


def call_later(seconds: float, call: Callable[[], None]) -> None:
    """Call *call* after so many seconds, from a daemon thread, which does not delay the end of the process."""
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()


HELD_SECONDS = 5.0
"""How long nothing happens before tests stop waiting for cases that are held back. From then on every case is asked
that a test waits for: tests whose verdicts would release it may be queued behind it, after the crash of a worker."""


class Scheduler:
    """Asks cases on its hosts, keeps the exchanges in *store* and hands them out. Any thread may call it.

    `on_turn_start` is called when a model's turn has started on a host and may raise a `PlotbotError` to refuse the
    turn; if no other host may serve the model, its cases raise that error. `tell` takes sentences about failing hosts.
    *ahead* caps the cases that are asked before a test fetches them, *max_in_flight* the cases in hand over all hosts;
    *retry_limit* is how often a case may be tried again on hosts that answer. `later` calls back after some seconds.
    """

    def __init__(
        self,
        hosts: Sequence[HostQueue],
        store: ExchangeStore,
        *,
        on_turn_start: Callable[[HostQueue, str, TurnStart], None],
        tell: Callable[[str], None],
        ahead: int | None = None,
        max_in_flight: int | None = None,
        retry_limit: int = 0,
        later: Callable[[float, Callable[[], None]], None] = call_later,
    ) -> None:
        self._hosts = list(hosts)
        self._store = store
        self._on_turn_start = on_turn_start
        self._tell = tell
        self._ahead = ahead
        self._max_in_flight = max_in_flight
        self._later = later
        self._lock = threading.Lock()
        self._cases: dict[str, ScheduledCase] = {}
        self._queue = CaseQueue(self._hosts)
        self._failover = Failover(self._hosts, retry_limit)
        self._in_hand = 0
        self._unfetched = 0
        self._held = 0
        self._stopped = False
        self._gone: str | None = None
        self._moved = time.monotonic()
        self._more_to_come: Callable[[], bool] = lambda: False

    @property
    def in_flight(self) -> int:
        return self._in_hand

    @property
    def gone(self) -> str | None:
        """Why nothing is asked any more, once no host answers."""
        return self._gone

    def look_ahead(self, cases: Iterable[Case]) -> None:
        """Announce cases in the order of their items, and begin to ask them."""
        with self._lock:
            for case in cases:
                if case.id not in self._cases:
                    self._cases[case.id] = scheduled = ScheduledCase(case)
                    self._queue.append(scheduled)
        self._fill()

    def already_answered(self, case: Case, offset: int) -> None:
        """Announce a case whose exchange the store has at *offset*: it is not asked again."""
        scheduled = self._cases[case.id] = ScheduledCase(case, offset=offset, asked=True, fetched=True)
        scheduled.kept.set_result(None)
        scheduled.settle()

    def add(self, host: HostQueue) -> None:
        """Ask on one more host from now on."""
        with self._lock:
            self._hosts.append(host)
        self._fill()

    def await_turn(self, host: HostQueue, model: str, start: Future[TurnStart]) -> None:
        """Take over a model's turn that is starting on a host; until then the host is asked nothing."""
        host.starting_turn = True
        start.add_done_callback(partial(self._turn_started, host, model))

    def take_over(self, host: HostQueue, case: Case, asked: Future[Exchange]) -> None:
        """Take over a case that is being asked on a host already."""
        with self._lock:
            scheduled = self._cases[case.id] = ScheduledCase(case)
            self._count(host, scheduled)
        asked.add_done_callback(partial(self._arrived, host, scheduled))

    def exchange(self, case: Case) -> Exchange:
        """Block until the case's exchange is kept. Raises the error that prevented that, or `Stopped`."""
        with self._lock:
            scheduled = self._cases.setdefault(case.id, ScheduledCase(case))
            if not scheduled.asked:
                if self._stopped:
                    raise self._why_not_asked(scheduled)
                self._queue.expedite(scheduled)
        self._fill()
        try:
            self._wait_for(scheduled)
        finally:
            exchange = self._fetch(scheduled)
            self._fill()
        return exchange or self._read_back(scheduled)

    def hold_back(self, may_ask: Callable[[Case], bool], more_to_come: Callable[[], bool] = lambda: False) -> None:
        """Ask only cases for which *may_ask* is true; call `refill` when that may have changed.

        *more_to_come* says that a worker is starting, which may run the tests that the others wait for.
        """
        self._queue.hold_back(may_ask)
        self._more_to_come = more_to_come

    def refill(self) -> None:
        """Ask what is held back no longer."""
        self._moved = time.monotonic()
        self._fill()

    def leave_out(self, case_ids: Iterable[str], why: str) -> None:
        """Do not ask these cases; what is in flight is kept. Tests that wait for another get `NotNeededError`."""
        with self._lock:
            left_out = [case for id_ in case_ids if (case := self._cases.get(id_)) is not None and not case.asked]
            for case in left_out:
                case.asked = True
                self._queue.forget(case)
            self._unfetched += len(left_out)
        for case in left_out:
            case.fail(NotNeededError(why))
        self._fill()

    def _wait_for(self, case: ScheduledCase) -> None:
        while True:
            patience = HELD_SECONDS if self._queue.may_hold and not case.asked else None
            try:
                return case.kept.result(patience)
            except TimeoutError:
                with self._lock:
                    if not case.asked and self._stands_still():
                        self._queue.let_awaited_go()
                self._fill()

    def _stands_still(self) -> bool:
        """Whether nothing has happened for so long that nothing will."""
        still = self._in_hand == 0 and not self._more_to_come()
        return still and time.monotonic() - self._moved >= HELD_SECONDS

    def stop(self) -> None:
        """Ask nothing more. What is in flight may still be kept; a test that waits for another case gets `Stopped`."""
        with self._lock:
            self._stopped = True
            waiting = [case for case in self._cases.values() if not case.asked]
        for case in waiting:
            case.fail(self._why_not_asked(case))

    def _why_not_asked(self, case: ScheduledCase) -> Exception:
        if self._gone is not None:
            return AskError("unreachable", self._gone)
        return Stopped(f"the run stopped before {case.case.slug} was asked")

    def _fetch(self, case: ScheduledCase) -> Exchange | None:
        with self._lock:
            if not case.fetched:
                case.fetched = True
                self._unfetched -= 1
            case.settle()
            exchange, case.exchange = case.exchange, None
            self._held -= exchange.size if exchange else 0
        return exchange

    def _read_back(self, case: ScheduledCase) -> Exchange:
        """For a second test of the same case, a re-queued item, or an exchange beyond what memory may hold."""
        assert case.offset is not None, "a case that ended without an error has been kept"
        return self._store.recall(case.offset)

    def _fill(self) -> None:
        """Give the hosts all that they have room for. Call it without the lock: a job may be done at once."""
        while (job := self._next_job()) is not None:
            host, what = job
            if isinstance(what, str):
                turn = host.executor.submit(host.start_turn, what)
                turn.add_done_callback(partial(self._turn_started, host, what))
            else:
                asked = host.executor.submit(host.ask, what.case)
                asked.add_done_callback(partial(self._arrived, host, what))

    def _next_job(self) -> tuple[HostQueue, ScheduledCase | str] | None:
        """The next job and its host: a case to ask, a model whose turn starts, or None for now."""
        with self._lock:
            if self._stopped or (self._max_in_flight is not None and self._in_hand >= self._max_in_flight):
                return None
            for host in sorted(self._with_room(), key=lambda host: host.load):
                if (job := self._job_for(host)) is not None:
                    return host, job
            return None

    def _with_room(self) -> list[HostQueue]:
        slots = sum(host.window for host in self._hosts)
        per_second = sum(host.window / host.usual_seconds for host in self._hosts if host.usual_seconds)
        return [host for host in self._hosts if host.has_room(use_spare=self._has_plenty(host, slots, per_second))]

    def _has_plenty(self, host: HostQueue, slots: int, per_second: float) -> bool:
        """Whether enough cases are left to keep all hosts busy until this one has given its next answer."""
        left = self._queue.remaining(host.model)
        return host.usual_seconds > 0 and left > slots and left > per_second * host.usual_seconds

    def _job_for(self, host: HostQueue) -> ScheduledCase | str | None:
        look_ahead = self._may_look_ahead()
        case = self._queue.take(host, look_ahead=look_ahead)
        if case is not None:
            self._count(host, case)
            return case
        model = None if host.in_hand or host.unkept else self._queue.next_model(host, look_ahead=look_ahead)
        host.starting_turn = model is not None
        return model

    def _count(self, host: HostQueue, case: ScheduledCase) -> None:
        """Count a case that is being asked on a host."""
        case.asked = True
        host.in_hand += 1
        self._in_hand += 1
        self._unfetched += 1

    def _may_look_ahead(self) -> bool:
        # A test that waits for the next model gets its reply soonest if the present model's cases are asked unfetched.
        return self._ahead is None or self._unfetched < self._ahead or self._queue.awaited

    def _turn_started(self, host: HostQueue, model: str, done: Future[TurnStart]) -> None:
        error = _error_of(done) or self._refusal(host, model, done.result())
        with self._lock:
            host.starting_turn = False
            host.model = model if error is None else None
            decision = None if error is None else self._failover.after_refused_turn(host, error)
        if decision is not None:
            self._carry_out(decision)
        elif error is not None:
            self._fail_model(model, error)
        self._fill()

    def _refusal(self, host: HostQueue, model: str, start: TurnStart) -> PlotbotError | None:
        try:
            self._on_turn_start(host, model, start)
        except PlotbotError as why:
            return why
        return None

    def _fail_model(self, model: str, error: BaseException) -> None:
        with self._lock:
            lost = [case for case in self._cases.values() if case.case.model == model and not case.asked]
            for case in lost:
                case.asked = True
            self._unfetched += len(lost)
        for case in lost:
            case.fail(error)

    def _arrived(self, host: HostQueue, case: ScheduledCase, done: Future[Exchange]) -> None:
        error = _error_of(done)
        with self._lock:
            host.in_hand -= 1
            self._in_hand -= 1
            self._moved = time.monotonic()
            decision = None
            if error is not None:
                decision = self._failover.after_error(host, case, error)
            elif (exchange := done.result()).fault is not None:
                decision = self._failover.after_fault(host, case, exchange, exchange.fault)
            else:
                host.answered(exchange.seconds)
            host.unkept += decision is None and error is None
        if decision is not None:
            self._carry_out(decision)
            return
        self._fill()
        if error is not None:
            case.fail(error)
        else:
            self._settle(case, done.result(), host)

    def _carry_out(self, decision: Decision) -> None:
        """Do what the failover decided. Call it without the lock: each step may call back or ask more."""
        if decision.tell is not None:
            self._tell(decision.tell)
        for case, failure in decision.settle:
            self._settle(case, failure)
        self._ask_again(decision.ask_again)
        if decision.give_up is not None:
            self._give_up(decision.give_up)
        if decision.probe is not None:
            self._later(decision.probe_after, partial(self._probe, decision.probe))

    def _probe(self, host: HostQueue) -> None:
        if self._stopped:
            return
        problem: Exception | None = None
        try:
            host.probe()
        except (PlotbotError, HostLostError) as why:
            problem = why
        with self._lock:
            decision = self._failover.after_probe(host, problem)
        self._carry_out(decision)

    def _ask_again(self, cases: Sequence[ScheduledCase]) -> None:
        with self._lock:
            for case in reversed(cases):
                self._queue.put_back(case)
                self._unfetched -= 1
            stopped = self._stopped
        for case in cases if stopped else ():
            case.fail(self._why_not_asked(case))
        self._fill()

    def _settle(self, case: ScheduledCase, exchange: Exchange, host: HostQueue | None = None) -> None:
        """End a case, be it with a reply or a fault: keep its exchange, then hand it out. *host* waits for that."""
        whole = case.with_all_attempts(exchange)
        try:
            kept = self._store.keep(whole)
        except PlotbotError as error:
            # This runs as a callback, which has no caller to raise to.
            case.fail(error)
        else:
            kept.add_done_callback(partial(self._hand_out, case, whole))
            if host is not None:
                kept.add_done_callback(partial(self._end_turn, host))

    def _hand_out(self, case: ScheduledCase, exchange: Exchange, kept: Future[int]) -> None:
        error = _error_of(kept)
        if error is not None:
            case.fail(error)
            return
        with self._lock:
            case.offset = kept.result()
            if self._held < HELD_BYTES:
                case.exchange = exchange
                self._held += exchange.size
        case.kept.set_result(None)

    def _end_turn(self, host: HostQueue, _: Future[int]) -> None:
        """Let the next model have its turn on a host, if this was its last answer that was not durable."""
        with self._lock:
            host.unkept -= 1
            is_over = not host.unkept and not host.in_hand
        if is_over:
            self._fill()

    def _give_up(self, why: str) -> None:
        """No host is left: keep the failures of the cases that were tried, and leave the rest for another run."""
        with self._lock:
            self._gone = why
            tried = [
                (case, case.failure) for case in self._cases.values() if not case.asked and case.failure is not None
            ]
            for case, _ in tried:
                case.asked = True
            self._unfetched += len(tried)
        for case, failure in tried:
            self._settle(case, failure)
        self.stop()


def _error_of(done: Future[Any]) -> BaseException | None:
    """What a future raises, or None. A future that was cancelled before its turn has no `exception` to read."""
    return CancelledError() if done.cancelled() else done.exception()
