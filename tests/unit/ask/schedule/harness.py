"""A scheduler whose jobs a test runs by hand, one by one, with everything around it that the test looks at."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any

from plotbot.ask.schedule.host_queue import HostQueue
from plotbot.ask.schedule.scheduler import Scheduler
from plotbot.ask.servers.discovery import ServerFacts
from plotbot.ask.servers.host import Host
from plotbot.ask.servers.host_client import TurnStart
from plotbot.ask.servers.model_listing import ModelFacts
from plotbot.records import Case, Exchange, Reply, Title

PATIENCE = 10.0


def case(name: str) -> Case:
    """`a1` is a case of model `a`."""
    return Case(name, name, name[0], Title(name, name), "hash", "none", 1, 1)


def cases(*names: str) -> list[Case]:
    return [case(name) for name in names]


def exchange_of(asked: Case) -> Exchange:
    return Exchange(asked.id, asked.model, "now", 0.1, (), reply=Reply(f"reply to {asked.id}"))


def host(slots: int) -> Host:
    facts = ServerFacts("http://h", "lmstudio", None, (ModelFacts("a", slots=slots),))
    return Host("h", "http://h", facts, ["a"])


def never(*_: object) -> Any:
    raise AssertionError("not wanted here")


def accept(*_: object) -> None:
    """Accept every model's turn."""


class ManualExecutor(Executor):
    """Runs nothing by itself: the test says which job is done. A job is named by its case, or `start` and its model."""

    def __init__(self) -> None:
        self.jobs: dict[str, tuple[Future[Any], Callable[[], Any]]] = {}
        self.submitted: list[str] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        name = args[0].id if isinstance(args[0], Case) else f"start {args[0]}"
        future: Future[Any] = Future()
        self.jobs[name] = future, lambda: fn(*args, **kwargs)
        self.submitted.append(name)
        return future

    @property
    def waiting(self) -> list[str]:
        return list(self.jobs)

    def run(self, *names: str) -> None:
        """Run these jobs, or all that wait now."""
        for name in names or self.waiting:
            future, job = self.jobs.pop(name)
            try:
                result = job()
            except Exception as error:  # noqa: BLE001  as an executor does
                future.set_exception(error)
            else:
                future.set_result(result)

    def submitted_in_time(self, name: str) -> None:
        """Wait until a job is submitted by another thread. Raises AssertionError if it never is."""
        end = time.monotonic() + PATIENCE
        while name not in self.jobs:
            assert time.monotonic() < end, name
            time.sleep(0.001)

    def cancel(self, name: str) -> None:
        future, _ = self.jobs.pop(name)
        future.cancel()


class FakeStore:
    """Keeps exchanges in memory; the test may keep a case waiting, or refuse it."""

    def __init__(self) -> None:
        self.kept: list[Exchange] = []
        self.held: dict[str, Future[int]] = {}
        self.hold: set[str] = set()
        self.refuse: dict[str, Exception] = {}
        self.recalled: list[int] = []

    def keep(self, exchange: Exchange) -> Future[int]:
        if exchange.case in self.refuse:
            raise self.refuse[exchange.case]
        future: Future[int] = Future()
        self.kept.append(exchange)
        if exchange.case in self.hold:
            self.held[exchange.case] = future
        else:
            future.set_result(len(self.kept) - 1)
        return future

    def recall(self, offset: int) -> Exchange:
        self.recalled.append(offset)
        return self.kept[offset]


class Harness:
    """A scheduler with one host and everything around it that a test looks at."""

    def __init__(self, window: int, ahead: int | None = None, spare: int = 0) -> None:
        self.executor, self.store = ManualExecutor(), FakeStore()
        self.turns: list[str] = []
        self.refusing: dict[str, Exception] = {}
        self.broken: dict[str, Exception] = {}
        self.host = host(window)
        queue = HostQueue(self.host, self.executor, self.ask, self.start_turn, never, never, spare)
        self.scheduler = Scheduler([queue], self.store, on_turn_start=accept, tell=never, ahead=ahead)

    def ask(self, asked: Case) -> Exchange:
        if asked.id in self.broken:
            raise self.broken[asked.id]
        return exchange_of(asked)

    def start_turn(self, model: str) -> TurnStart:
        self.turns.append(model)
        if model in self.refusing:
            raise self.refusing[model]
        return TurnStart(self.host, None, ())

    def look_ahead(self, *names: str) -> None:
        self.scheduler.look_ahead(cases(*names))

    def fetch(self, name: str) -> str:
        reply = self.scheduler.exchange(case(name)).reply
        assert reply is not None
        return reply.content

    @contextmanager
    def awaiting(self, name: str) -> Iterator[Future[Exchange]]:
        """As `fetching`, but inside the block the scheduler knows that a test waits."""
        registered = threading.Event()
        queue = self.scheduler._queue
        queue._awaited = _Listening(queue._awaited, registered)
        with fetching(self, name) as outcome:
            assert registered.wait(PATIENCE)
            yield outcome


@contextmanager
def fetching(harness: Harness, name: str) -> Iterator[Future[Exchange]]:
    """A thread that fetches the case; it is over when the block is."""
    outcome: Future[Exchange] = Future()
    thread = threading.Thread(target=_fetch_into, args=(harness, name, outcome), daemon=True)
    thread.start()
    yield outcome
    thread.join(PATIENCE)
    assert not thread.is_alive(), f"{name} is waited for in vain"


def _fetch_into(harness: Harness, name: str, outcome: Future[Exchange]) -> None:
    try:
        outcome.set_result(harness.scheduler.exchange(case(name)))
    except Exception as error:  # noqa: BLE001  whatever it is, the test looks at it
        outcome.set_exception(error)


class _Listening(deque[Any]):
    """The scheduler's own list of awaited cases, which says when one has joined it."""

    def __init__(self, others: Sequence[Any], registered: threading.Event) -> None:
        super().__init__(others)
        self._registered = registered

    def append(self, entry: Any) -> None:
        super().append(entry)
        self._registered.set()
