"""When the batched writer folds what: a queue that knows the time only as it is told.

Fresh answers go out together when enough of them wait or the oldest is old enough; a refused one goes out again by
itself, each time after twice as long, until its tries are used up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from plotbot.errors import KeepError
from plotbot.keep.title_files import Unfolded
from plotbot.records import Answer

# Seconds before the first further try of a refused answer.
_BACKOFF_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class WritePolicy:
    """WRITE_STRATEGY, WRITE_BATCH_SIZE, WRITE_BATCH_SECONDS and WRITE_BATCH_RETRY_LIMIT."""

    strategy: Literal["immediate", "batch"] = "immediate"
    batch_size: int = 25
    batch_seconds: float = 5.0
    retry_limit: int = 3


@dataclass(slots=True)
class Queued:
    """An answer on its way: when its turn is (monotonic seconds), how often it was refused, and why the last time."""

    answer: Answer
    due: float
    refusals: int = 0
    reason: KeepError | None = None


@dataclass(slots=True)
class AnswerQueue:
    """Answers that wait to be folded. Every *now* is in monotonic seconds; not thread-safe."""

    policy: WritePolicy
    _fresh: list[Queued] = field(default_factory=list)
    _refused: list[Queued] = field(default_factory=list)

    def __iter__(self) -> Iterator[Queued]:
        yield from self._refused
        yield from self._fresh

    @property
    def fresh(self) -> int:
        """How many have not had their first turn."""
        return len(self._fresh)

    def add(self, answer: Answer, now: float) -> Queued:
        wait = 0.0 if self.policy.strategy == "immediate" else self.policy.batch_seconds
        queued = Queued(answer, now + wait)
        self._fresh.append(queued)
        return queued

    def take(self, now: float, *, closing: bool = False) -> list[Queued]:
        """What is to be folded now, perhaps nothing; when *closing*, nothing fresh waits any longer."""
        ready = [queued for queued in self._refused if queued.due <= now]
        self._refused = [queued for queued in self._refused if queued.due > now]
        if self._fresh and (closing or len(self._fresh) >= self.policy.batch_size or self._fresh[0].due <= now):
            ready += self._fresh
            self._fresh = []
        return ready

    def refuse(self, queued: Queued, refusal: Unfolded, now: float) -> bool:
        """Queue a refused answer for another try; False where there is none left or none would help."""
        queued.refusals += 1
        queued.reason = refusal.error
        if not refusal.passing or queued.refusals > self.policy.retry_limit:
            return False
        queued.due = now + _BACKOFF_SECONDS * 2 ** (queued.refusals - 1)
        self._refused.append(queued)
        return True

    def seconds_left(self, now: float) -> float | None:
        """How long until something falls due by age alone; None where nothing waits."""
        return min((max(queued.due - now, 0.0) for queued in self), default=None)
