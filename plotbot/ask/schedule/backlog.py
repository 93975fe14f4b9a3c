"""What is still to be asked, and in which order: what somebody waits for first, the rest as pytest will walk it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from plotbot.ask.schedule.host_queue import HostQueue
from plotbot.records import Case, Exchange


@dataclass(slots=True, eq=False)
class Entry:
    """What the scheduler knows of one case.

    `asked` says that it is in hand or done, `claimed` that somebody has fetched it. `failed_on` are the host_queues on
    which it got a fault, `failed` is what came of the last of them, with all attempts.
    """

    case: Case
    answer: Future[None] = field(default_factory=Future)
    exchange: Exchange | None = None
    offset: int | None = None
    asked: bool = False
    claimed: bool = False
    failed: Exchange | None = None
    failed_on: list[HostQueue] = field(default_factory=list)

    def with_all_attempts(self, exchange: Exchange) -> Exchange:
        """An exchange of this case, as the last one of all that it took."""
        if self.failed is None or self.failed is exchange:
            return exchange
        return replace(exchange, attempts=(*self.failed.attempts, *exchange.attempts))

    def has_failed(self, host_queue: HostQueue, exchange: Exchange) -> None:
        """Remember a fault, and where it came about."""
        self.failed = self.with_all_attempts(exchange)
        self.failed_on.append(host_queue)


class Backlog:
    """The entries that wait. It has no lock of its own: the scheduler's guards it."""

    def __init__(self) -> None:
        self._awaited: deque[Entry] = deque()
        self._queues: dict[str, deque[Entry]] = {}

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for a case that has not been asked."""
        return bool(self._awaited)

    def append(self, entry: Entry) -> None:
        self._queues.setdefault(entry.case.model, deque()).append(entry)

    def wait_for(self, entry: Entry) -> None:
        """Somebody waits for this one now."""
        if entry not in self._awaited:
            self._awaited.append(entry)

    def put_back(self, entry: Entry) -> None:
        """It has to be asked again, and before the rest: its test may be the next one."""
        entry.asked = False
        self._awaited.appendleft(entry)

    def left(self, model: str | None) -> int:
        """About how many cases of a model wait; some of them may have been asked out of turn."""
        return len(self._queues.get(model, ())) if model is not None else 0

    def take(
        self, model: str | None, host_queue: HostQueue, host_queues: Sequence[HostQueue], *, look_ahead: bool
    ) -> Entry | None:
        """The next case of a model for a host_queue; nobody waits for it yet where *look_ahead* allows that."""
        for entry in self._awaited:
            if entry.case.model == model and not entry.asked and _fits(entry, host_queue, host_queues):
                self._awaited.remove(entry)
                return entry
        queue = self._queues.get(model) if model is not None else None
        while queue and not _is_new(queue[0]):
            queue.popleft()
        return queue.popleft() if queue and look_ahead else None

    def next_model(self, host_queue: HostQueue, host_queues: Sequence[HostQueue], *, look_ahead: bool) -> str | None:
        """Whose turn is next on a host_queue: a model that somebody waits for, else the first with cases left."""
        waiting = [
            entry.case.model for entry in self._awaited if not entry.asked and _fits(entry, host_queue, host_queues)
        ]
        if waiting or not look_ahead:
            return waiting[0] if waiting else None
        return next((model for model, queue in self._queues.items() if any(map(_is_new, queue))), None)


def _is_new(entry: Entry) -> bool:
    """Whether it has never been asked; what was put back stands among the awaited."""
    return not entry.asked and not entry.failed_on


def _fits(entry: Entry, host_queue: HostQueue, host_queues: Sequence[HostQueue]) -> bool:
    """A case goes back to a host_queue on which it has failed only where no other one is left for it."""
    return host_queue not in entry.failed_on or not any(
        other.set_aside is None and other not in entry.failed_on for other in host_queues
    )
