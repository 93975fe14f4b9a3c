"""The writer: answers come in one by one and are folded at once, by who brings them, or in batches on a thread.

A batch grows old, and is folded also when no further answer comes. To hand an answer over to the thread and wait for it
would cost as much as folding it, so `immediate` folds on the spot; an interrupt in the midst of that leaves the answer
to the thread, which it does not reach. What cannot be folded is in the journal already, so it never turns an eval that
passed into one that failed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from plotbot.errors import KeepError, PlotbotError
from plotbot.keep.answer_queue import AnswerQueue, Queued, WritePolicy
from plotbot.keep.title_files import FoldOutcome, MovedAside, Unfolded
from plotbot.records import Answer

Fold = Callable[[Sequence[Answer], Callable[[], bool]], FoldOutcome]
"""`plotbot.keep.title_files.fold` with its folder, locks and disk filled in; the second argument is its *give_up*."""

# How many batches may wait before whoever brings the next answer waits, too: tests can be quicker than the disk.
_MOST_BATCHES = 4
# What a closing writer may take over its timeout: the file that is being written just then.
_GRACE_SECONDS = 1.0

_log = logging.getLogger("plotbot.keep")


class Writer:
    """Folds what it is given and remembers what it could not. Use it from any thread; `close` it.

    *on_folded* is called on the thread that folds, with answers that are durable in their title files. *clock* gives
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
        """What was given up, each with its reason; the rest is folded or still to come."""
        with self._changed:
            return tuple(self._unfolded)

    @property
    def damaged(self) -> tuple[MovedAside, ...]:
        """The damaged title files that were moved aside on the way."""
        with self._changed:
            return tuple(self._damaged)

    def keep(self, answer: Answer) -> None:
        """Take an answer. `immediate` returns when it is folded or was refused once; `batch` at once, or when fewer
        than four batches wait.

        A refusal is no exception: the answer is tried again in the background and, at last, listed in `unfolded`.
        Raises `KeepError` only after `close`.
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
        """Fold everything that waits and give what could not be folded, each with its reason.

        After *timeout* seconds no lock is waited for and no file begun any more; what is left is in the result.
        """
        with self._changed:
            self._closing = True
            self._deadline = None if timeout is None else self._clock() + timeout
            self._changed.notify_all()
        self._thread.join(None if timeout is None else timeout + _GRACE_SECONDS)
        with self._changed:
            return (*self._unfolded, *map(_left_over, self._in_hand), *map(_left_over, self._queue))

    def _fold_here(self, answer: Answer) -> None:
        outcome = None
        try:
            outcome = self._fold([answer], self._is_late)
        finally:
            if outcome is None:
                # An interrupt: folding again changes nothing, so the thread does it from the start.
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
        """Wait until answers fall due; empty when the writer is closed and none is left, or time is up."""
        with self._changed:
            while not (self._closing and (self._is_late() or not any(self._queue))):
                self._in_hand = self._queue.take(self._clock(), closing=self._closing)
                if self._in_hand:
                    return self._in_hand
                self._changed.wait(self._seconds_to_wait())
            return []

    def _settle(self, batch: Sequence[Queued], outcome: FoldOutcome) -> None:
        self._tell(outcome)
        refusals = {id(unfolded.answer): unfolded for unfolded in outcome.unfolded}
        with self._changed:
            self._damaged += outcome.damaged
            for queued in batch:
                refusal = refusals.get(id(queued.answer))
                if refusal and not self._queue.refuse(queued, refusal, self._clock()):
                    self._unfolded.append(refusal)
            if batch is self._in_hand:
                self._in_hand = []
            # Nobody waits for an answer that was folded on the spot; to wake the thread would cost as much again.
            if refusals or not self._immediate:
                self._changed.notify_all()

    def _tell(self, outcome: FoldOutcome) -> None:
        for moved in outcome.damaged:
            _log.warning("%s was damaged (%s) and is now %s", moved.path, moved.reason, moved.moved_to.name)
        if not outcome.folded:
            return
        try:
            self._on_folded(outcome.folded)
        except (PlotbotError, OSError) as error:
            # The files are right and folding again changes nothing, so a lost message only costs the next start time.
            _log.warning("%d answers are folded, but that could not be reported: %s", len(outcome.folded), error)

    def _is_late(self) -> bool:
        return self._deadline is not None and self._clock() >= self._deadline

    def _seconds_to_wait(self) -> float | None:
        now = self._clock()
        until_late = () if self._deadline is None else (max(self._deadline - now, 0.0),)
        until_due = self._queue.seconds_left(now)
        return min((*until_late, *(() if until_due is None else (until_due,))), default=None)


def _left_over(queued: Queued) -> Unfolded:
    error = queued.reason or KeepError(f"the run ended before title {queued.answer.title.id!r:.80} was folded")
    return Unfolded(queued.answer, error, passing=True)
