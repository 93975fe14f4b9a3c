"""The writer: takes answers one by one and folds them into title files, at once or in batches.

`immediate` folds on the caller's thread, because handing an answer to another thread and waiting for it would cost as
much as folding it. `batch` folds on the writer's thread, when enough answers wait or the oldest is old enough. An
answer that is refused, or whose folding was interrupted, is tried again on the writer's thread. What cannot be folded
is in the journal already, so a refusal never turns an eval that passed into one that failed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from plotbot.errors import KeepError, PlotbotError
from plotbot.keep.title_files import Fold, FoldOutcome, MovedAside, Unfolded
from plotbot.records import Answer

# Seconds before the first further try of a refused answer; each later try waits twice as long.
_BACKOFF_SECONDS = 0.05
# With so many batches waiting, `keep` blocks: tests can be quicker than the disk.
_MOST_BATCHES = 4
# Seconds beyond its timeout that closing may take: for the file that is being written just then.
_GRACE_SECONDS = 1.0

_log = logging.getLogger("plotbot.keep")


@dataclass(frozen=True, slots=True)
class WritePolicy:
    """WRITE_STRATEGY, WRITE_BATCH_SIZE, WRITE_BATCH_SECONDS and WRITE_BATCH_RETRY_LIMIT."""

    strategy: Literal["immediate", "batch"] = "immediate"
    batch_size: int = 25
    batch_seconds: float = 5.0
    retry_limit: int = 3


@dataclass(slots=True)
class Queued:
    """An answer that waits: when it is due (monotonic seconds), how often it was refused, and the last reason."""

    answer: Answer
    due: float
    refusals: int = 0
    reason: KeepError | None = None


@dataclass(slots=True)
class AnswerQueue:
    """Answers that wait to be folded. Every *now* is in monotonic seconds; not thread-safe.

    Fresh answers become due together, refused ones each by itself.
    """

    policy: WritePolicy
    _fresh: list[Queued] = field(default_factory=list)
    _refused: list[Queued] = field(default_factory=list)

    def __iter__(self) -> Iterator[Queued]:
        yield from self._refused
        yield from self._fresh

    @property
    def fresh(self) -> int:
        """The number of answers that have not been tried yet."""
        return len(self._fresh)

    def add(self, answer: Answer, now: float) -> Queued:
        wait = 0.0 if self.policy.strategy == "immediate" else self.policy.batch_seconds
        queued = Queued(answer, now + wait)
        self._fresh.append(queued)
        return queued

    def take(self, now: float, *, closing: bool = False) -> list[Queued]:
        """Take out the answers that are due, perhaps none. When *closing*, all fresh ones are due."""
        due = [queued for queued in self._refused if queued.due <= now]
        self._refused = [queued for queued in self._refused if queued.due > now]
        if self._fresh and (closing or len(self._fresh) >= self.policy.batch_size or self._fresh[0].due <= now):
            due += self._fresh
            self._fresh = []
        return due

    def refuse(self, queued: Queued, refusal: Unfolded, now: float) -> bool:
        """Queue a refused answer for another try; False if no try is left or none would help."""
        queued.refusals += 1
        queued.reason = refusal.error
        if not refusal.passing or queued.refusals > self.policy.retry_limit:
            return False
        queued.due = now + _BACKOFF_SECONDS * 2 ** (queued.refusals - 1)
        self._refused.append(queued)
        return True

    def seconds_left(self, now: float) -> float | None:
        """Seconds until the next answer is due by its age alone; None if no answer waits."""
        return min((max(queued.due - now, 0.0) for queued in self), default=None)


class Writer:
    """Folds the answers it is given and remembers those it could not fold. Thread-safe; call `close` at the end.

    *on_folded* is called, on the thread that folds, with answers that are durable in their title files. *clock* gives
    monotonic seconds.
    """

    def __init__(
        self,
        fold: Fold,
        policy: WritePolicy,
        on_folded: Callable[[Sequence[Answer]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fold = fold
        self._immediate = policy.strategy == "immediate"
        self._most_fresh = policy.batch_size * _MOST_BATCHES
        self._on_folded = on_folded
        self._clock = clock
        self._changed = threading.Condition()
        self._queue = AnswerQueue(policy)
        self._in_hand: list[Queued] = []
        self._unfolded: list[Unfolded] = []
        self._damaged: list[MovedAside] = []
        self._closing = False
        self._stopped = False
        self._deadline: float | None = None
        self._thread = threading.Thread(target=self._run, name="plotbot-writer", daemon=True)
        self._thread.start()

    @property
    def unfolded(self) -> tuple[Unfolded, ...]:
        """The answers that were given up, each with its reason."""
        with self._changed:
            return tuple(self._unfolded)

    @property
    def damaged(self) -> tuple[MovedAside, ...]:
        """The damaged title files that were moved aside."""
        with self._changed:
            return tuple(self._damaged)

    def keep(self, answer: Answer) -> None:
        """Take an answer. `immediate` returns once it is folded or refused; `batch` while fewer than 4 batches wait.

        A refused answer raises nothing: it is tried again in the background and, in the end, listed in `unfolded`.
        Raises `KeepError` after `close` only.
        """
        with self._changed:
            if self._closing:
                raise KeepError("the writer is closed; the answer stays in the journal")
            if not self._immediate:
                self._queue.add(answer, self._clock())
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._queue.fresh < self._most_fresh or self._stopped)
                return
        self._fold_here(answer)

    def close(self, timeout: float | None = None) -> tuple[Unfolded, ...]:
        """Fold the answers that wait; gives those that could not be folded, each with its reason.

        After *timeout* seconds the writer waits for no lock and begins no file; the rest counts as not folded.
        """
        with self._changed:
            self._closing = True
            self._deadline = None if timeout is None else self._clock() + timeout
            self._changed.notify_all()
        self._thread.join(None if timeout is None else timeout + _GRACE_SECONDS)
        with self._changed:
            return (*self._unfolded, *map(_out_of_time, self._in_hand), *map(_out_of_time, self._queue))

    def _fold_here(self, answer: Answer) -> None:
        outcome = None
        try:
            outcome = self._fold([answer], self._is_late)
        finally:
            if outcome is None:
                # An interrupt. Folding again changes nothing, so the writer's thread does it from the start.
                with self._changed:
                    self._queue.add(answer, self._clock())
                    self._changed.notify_all()
        self._settle([Queued(answer, self._clock())], outcome)

    def _run(self) -> None:
        try:
            while batch := self._next_batch():
                self._settle(batch, self._fold([queued.answer for queued in batch], self._is_late))
        finally:
            with self._changed:
                self._closing = self._stopped = True
                self._changed.notify_all()

    def _next_batch(self) -> list[Queued]:
        """Wait until answers are due; empty once the writer is closed and no answer is left, or its time is up."""
        with self._changed:
            while not (self._closing and (self._is_late() or not any(self._queue))):
                self._in_hand = self._queue.take(self._clock(), closing=self._closing)
                if self._in_hand:
                    return self._in_hand
                self._changed.wait(self._seconds_to_wait())
            return []

    def _settle(self, batch: Sequence[Queued], outcome: FoldOutcome) -> None:
        self._report(outcome)
        refusals = {id(unfolded.answer): unfolded for unfolded in outcome.unfolded}
        with self._changed:
            self._damaged += outcome.damaged
            for queued in batch:
                refusal = refusals.get(id(queued.answer))
                if refusal and not self._queue.refuse(queued, refusal, self._clock()):
                    self._unfolded.append(refusal)
            if batch is self._in_hand:
                self._in_hand = []
            # After an `immediate` fold no thread waits for this, and waking one costs as much as a fold.
            if refusals or not self._immediate:
                self._changed.notify_all()

    def _report(self, outcome: FoldOutcome) -> None:
        for moved in outcome.damaged:
            _log.warning("%s was damaged (%s) and is now %s", moved.path, moved.reason, moved.moved_to.name)
        if not outcome.folded:
            return
        try:
            self._on_folded(outcome.folded)
        except (PlotbotError, OSError) as error:
            # The files are right and folding again changes nothing: a lost message costs time at the next start only.
            _log.warning("%d answers are folded, but that could not be reported: %s", len(outcome.folded), error)

    def _is_late(self) -> bool:
        return self._deadline is not None and self._clock() >= self._deadline

    def _seconds_to_wait(self) -> float | None:
        now = self._clock()
        until_late = () if self._deadline is None else (max(self._deadline - now, 0.0),)
        until_due = self._queue.seconds_left(now)
        return min((*until_late, *(() if until_due is None else (until_due,))), default=None)


def _out_of_time(queued: Queued) -> Unfolded:
    error = queued.reason or KeepError(f"the run ended before title {queued.answer.title.id!r:.80} was folded")
    return Unfolded(queued.answer, error, passing=True)
