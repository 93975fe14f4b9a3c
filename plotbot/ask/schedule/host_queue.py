"""What the scheduler knows of one host and of one case, and how the host is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace

from plotbot.ask.servers.host import Host
from plotbot.ask.servers.host_client import TurnStart
from plotbot.ask.transport.retries import backoff_seconds
from plotbot.records import Case, Exchange

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
TRIES_UNTIL_GIVEN_UP = 4
"""A host that has failed so often in a row counts as gone: with the pauses between, after three to four seconds."""


_MAKING = threading.Lock()
_KEPT: Future[None] = Future()
_KEPT.set_result(None)


class HostLostError(Exception):
    """The process that asks a host is gone, and with it the cases that it had in hand."""


@dataclass(slots=True, eq=False)
class HostQueue:
    """One host's cases in hand, the model whose turn it is there, and whether the host answers.

    `executor` runs `start_turn`, which begins a model's turn, and `ask`, which gets an exchange; it may run them in
    another process or on another machine. Both raise for a fault of the harness only, and `HostLostError` when that
    process is gone; `start_turn` also raises `PlotbotError` when the model cannot be asked on this host.
    This process calls the other two: `probe` raises `ServerProblem` when the host does not answer or is not the same
    any more, `look` when it does not say what it serves now. `spare` is how many cases may be in hand beyond the slots,
    so that the next request is ready when a slot falls free. `unkept` counts answers that are not durable yet.
    `announced` says that the user knows it is set aside, `failures` counts those since its last usable answer.
    """

    host: Host
    executor: Executor
    ask: Callable[[Case], Exchange]
    start_turn: Callable[[str], TurnStart]
    probe: Callable[[], None]
    look: Callable[[], Host]
    spare: int = 0
    model: str | None = field(default=None, init=False)
    starting_turn: bool = field(default=False, init=False)
    in_hand: int = field(default=0, init=False)
    unkept: int = field(default=0, init=False)
    awaits_probe: bool = field(default=False, init=False)
    set_aside: str | None = field(default=None, init=False)
    announced: bool = field(default=False, init=False)
    failures: int = field(default=0, init=False)
    usual_seconds: float = field(default=0.0, init=False)

    @property
    def name(self) -> str:
        return self.host.name

    @property
    def window(self) -> int:
        """How many requests may be in flight on this host."""
        return self.host.window

    @property
    def open(self) -> bool:
        """Whether the host may be given something to do."""
        return self.set_aside is None and not self.awaits_probe and not self.starting_turn

    @property
    def serving(self) -> bool:
        """Whether the host asks cases, or will as soon as a probe has succeeded."""
        return self.set_aside is None and not self.starting_turn

    @property
    def gone(self) -> bool:
        """Whether the host is set aside and has been tried again in vain often enough."""
        return self.set_aside is not None and self.failures >= TRIES_UNTIL_GIVEN_UP

    @property
    def load(self) -> float:
        """The cases in hand, as a share of the slots."""
        return self.in_hand / self.window

    @property
    def pause_seconds(self) -> float:
        """Seconds until the next probe; they double with each failure."""
        return backoff_seconds(self.failures, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)

    def answered(self, seconds: float) -> None:
        """Learn from an answer. `usual_seconds` is a moving average, 0 before the first answer."""
        self.failures = 0
        self.usual_seconds += (seconds - self.usual_seconds) / 4 if self.usual_seconds else seconds

    def has_room(self, *, use_spare: bool) -> bool:
        """Whether the host can take another case, beyond its slots if *use_spare* allows that."""
        return self.open and self.in_hand < self.window + (self.spare if use_spare else 0)


@dataclass(slots=True, eq=False)
class ScheduledCase:
    """A case and how far it has come.

    `asked` is true while the case is in hand and afterwards, `fetched` once a test has taken its exchange. `kept`
    resolves when the exchange is durable, at `offset`. `failed_on` lists the hosts on which the case met a fault;
    `failure` is the last such exchange, with the attempts of all of them.
    """

    case: Case
    exchange: Exchange | None = None
    offset: int | None = None
    asked: bool = False
    fetched: bool = False
    failure: Exchange | None = None
    failed_on: tuple[HostQueue, ...] = ()
    _kept: Future[None] | None = None

    @property
    def kept(self) -> Future[None]:
        """Made when it is first needed, because a run may announce 100,000 cases."""
        if self._kept is None:
            with _MAKING:
                self._kept = self._kept or Future()
        return self._kept

    def settle(self) -> None:
        """Let go of what has been waited for: a future takes more room than all else of a case."""
        if self._kept is not None and self._kept.done() and self._kept.exception() is None:
            self._kept = _KEPT

    def with_all_attempts(self, exchange: Exchange) -> Exchange:
        """The last exchange of this case, with the attempts of those before it."""
        if self.failure is None or self.failure is exchange:
            return exchange
        return replace(exchange, attempts=(*self.failure.attempts, *exchange.attempts))

    def has_failed(self, host: HostQueue, exchange: Exchange) -> None:
        """Remember a fault and its host."""
        self.failure = self.with_all_attempts(exchange)
        self.failed_on = (*self.failed_on, host)

    def fail(self, error: BaseException) -> None:
        """End the case with an error for every test that waits for it, unless it has ended already."""
        if not self.kept.done():
            self.kept.set_exception(error)
