"""The session's `results`, which an eval's last line tells to keep its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import EllipsisType

from plotbot.errors import DiskError, KeepError
from plotbot.judge import StrictJsonError, parse_strict
from plotbot.keep.filesystem import Disk
from plotbot.keep.title_files import configured_fold, sweep_temps, title_locks
from plotbot.keep.writer import WritePolicy, Writer
from plotbot.records import Answer, Reply
from plotbot.run.process import Process
from plotbot.settings import Settings

HURRIED_SECONDS = 2.0


class Results:
    """Keeps good answers in title files. Every answer is in the run's journal before, so none is lost here."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._writer = make_writer(process.settings, self._folded)

    def keep(self, reply: Reply | EllipsisType = ...) -> None:
        """Keep the reply that this eval was given. It is an eval's last line, so that only a good answer gets here.

        *reply* need not be given. Raises `KeepError` for any other reply, for one judged bad, and for one that holds
        no JSON.
        """
        state = self._process.current
        exchange = None if state is None else state.exchange
        own = None if exchange is None else exchange.reply
        if state is None or exchange is None or own is None or (reply is not ... and reply is not own):
            raise KeepError("results.keep takes the very reply that the `reply` fixture gave to this eval")
        if state.verdict is not None and not state.verdict.ok:
            raise KeepError(f"results.keep takes good replies only, and this one was judged {state.verdict.category}")
        value = state.verdict.value if state.verdict is not None else _parsed(own)
        if state.failed:
            # A subtest of the eval has failed, and the item will.
            return
        state.kept = True
        # In a resumed run, an answer that was folded and is not in its title file any more was removed by the user.
        if self._process.keeps_answers and state.case.id not in self._process.folded:
            self._writer.keep(Answer.of(self._process.run_id, state.case, exchange, value))

    def close(self) -> None:
        """Fold the queued answers, and report those that cannot be folded to the main process.

        After an interrupt that takes two seconds at most; what is left then is in the journal.
        """
        unfolded = self._writer.close(HURRIED_SECONDS if self._process.hurried else None)
        if unfolded:
            reasons = {left.answer.case: str(left.error) for left in unfolded}
            disk_refused = any(isinstance(left.error, DiskError) for left in unfolded)
            self._process.run.fold_log.note_unfolded(reasons, disk_refused=disk_refused)

    def _folded(self, answers: Sequence[Answer]) -> None:
        self._process.run.fold_log.note_folded([answer.case for answer in answers])


def make_writer(settings: Settings, on_folded: Callable[[Sequence[Answer]], None]) -> Writer:
    """The writer that the settings describe. The temporary files of killed processes are swept first."""
    disk = Disk()
    locks = title_locks(settings, disk)
    sweep_temps(settings.generated_dir, settings.file_lock_stale_seconds, locks=locks, disk=disk)
    policy = WritePolicy(
        settings.write_strategy,
        settings.write_batch_size,
        settings.write_batch_seconds,
        settings.write_batch_retry_limit,
    )
    return Writer(configured_fold(settings, disk), policy, on_folded)


def _parsed(reply: Reply) -> object:
    try:
        return parse_strict(reply.content)
    except StrictJsonError as error:
        raise KeepError(f"results.keep: this reply is no JSON ({error}); judge it before it is kept") from None
