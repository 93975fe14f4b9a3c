"""Recovery: folding the answers that dead runs have left in their journals and not in title files.

An answer is recovered if an eval has kept it and no `folded` line of its journal names it. Folding an answer again
changes nothing, so recovery may run at any time and any number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from plotbot.errors import InputError, KeepError, PlotbotError
from plotbot.judge import kept_values
from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import Journal
from plotbot.keep.locks import never
from plotbot.keep.run_folder import RunFolder, list_runs
from plotbot.keep.run_reading import RunOnDisk, read_run
from plotbot.keep.title_files import MovedAside, configured_fold, title_locks, title_path, withdraw
from plotbot.records import Answer, Exchange, ItemResult, Question
from plotbot.run.recorder import Recorder
from plotbot.safe import plural
from plotbot.settings import Settings

_ValueOf = Callable[[Exchange, ItemResult, Question], Any]
# Answers in memory at a time: 10,000 of them are too much.
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Recovered:
    """The result of recovering a run.

    `folded` counts the answers that are in their title files now, `unfolded` gives for each other case the reason, and
    `damaged` lists the title files that were moved aside. If a process still runs the run, `running` names it and
    nothing was done.
    """

    folded: int = 0
    unfolded: Mapping[str, str] = field(default_factory=dict)
    damaged: tuple[MovedAside, ...] = ()
    running: str = ""


def recover_dead_runs(settings: Settings, disk: Disk, warn: Callable[[str], None]) -> None:
    """Recover every run of the project that did not end with all its answers folded, and tell *warn* about it.

    A run whose summary says that nothing is unfolded is not read. A run that still runs is left alone.
    """
    for folder in list_runs(settings.runs_dir):
        if not _is_settled(folder, disk):
            _recover_and_warn(folder, settings, disk, warn)


def recover_held(recorder: Recorder, settings: Settings, disk: Disk) -> None:
    """At the end of a run, with its journal closed: fold the answers that its killed workers had still to fold.

    The reasons why some stay unfolded go into the recorder.
    """
    held = recorder.held
    if not held:
        return
    try:
        recovered = recover_run(read_run(recorder.folder, disk), settings)
        recorder.unfolded = dict.fromkeys(held, recovered.running) if recovered.running else dict(recovered.unfolded)
    except PlotbotError as error:
        recorder.unfolded |= dict.fromkeys(held, str(error))


def note_deleted(recorder: Recorder, settings: Settings) -> None:
    """At the end of a run: note the folded answers whose title files were deleted while the run was on.

    That is the disk's doing as much as a title file that it refuses: which of the two happens is a matter of moments.
    """
    folder = settings.generated_dir
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    files = {case_id: title_path(folder, recorder.cases[case_id].title.id) for case_id in recorder.folded}
    gone = {
        case_id: f"{path}: deleted while the run was on; plotbot export --all still has it"
        for case_id, path in files.items()
        if path.name not in there
    }
    recorder.note_unfolded(gone, disk_refused=bool(gone))


def withdraw_suspect(recorder: Recorder, settings: Settings, disk: Disk) -> str:
    """Take answers of another model than the pinned one out of their title files; a fault in words if that fails.

    They stand there under the pinned model's name. The journal has them still.
    """
    suspect = recorder.suspect
    try:
        if suspect:
            locks = title_locks(settings, disk)
            withdraw(recorder.folder.run_id, suspect, settings.generated_dir, locks=locks, disk=disk)
    except (KeepError, OSError) as error:
        return f"answers of another model than the pinned one are still in their title files: {error}"
    return ""


def recover_run(run: RunOnDisk, settings: Settings, *, judge_again: bool = False) -> Recovered:
    """Recover one run into the title files of *settings*. Raises `KeepError` if its journal cannot be written.

    With *judge_again* an answer that was judged good and breaks the schema of its question is not folded: its journal
    is another machine's, and says what its author wants.
    """
    if not kept_results(run).keys() - run.folded:
        return Recovered()
    try:
        journal = Journal.open(run.folder.journal, run.disk)
    except InputError as error:
        return Recovered(running=str(error))
    try:
        # Read again now that no other process can write: another one may have recovered the run meanwhile.
        return _recover_into(journal, read_run(run.folder, run.disk), settings, judge_again=judge_again)
    finally:
        journal.close()


def kept_answers(
    run: RunOnDisk,
    unreadable: dict[str, str] | None = None,
    but_not: Collection[str] = (),
    *,
    judge_again: bool = False,
) -> Iterator[Answer]:
    """The answers that evals have kept, one at a time, without those to the cases *but_not*.

    An answer that the journal does not give back is left out; *unreadable* gets the reason by case id.
    """
    value_of = kept_values(judge_again=judge_again)
    for case_id, result in kept_results(run).items():
        if case_id in but_not:
            continue
        try:
            yield _answer(run, result, value_of)
        except (ValueError, PlotbotError) as error:
            if unreadable is not None:
                unreadable[case_id] = str(error)


def kept_results(run: RunOnDisk) -> dict[str, ItemResult]:
    """By case: the result of the item that kept its answer."""
    return {result.case: result for result in run.results.values() if result.kept}


def _recover_into(journal: Journal, run: RunOnDisk, settings: Settings, *, judge_again: bool) -> Recovered:
    fold = configured_fold(settings, run.disk)
    unfolded: dict[str, str] = {}
    damaged: list[MovedAside] = []
    count = 0
    answers = kept_answers(run, unfolded, run.folded, judge_again=judge_again)
    while chunk := list(islice(answers, _AT_ONCE)):
        outcome = fold(chunk, never)
        unfolded |= {refused.answer.case: str(refused.error) for refused in outcome.unfolded}
        damaged += outcome.damaged
        count += len(outcome.folded)
        cases = [answer.case for answer in outcome.folded]
        if cases:
            journal.append("folded", {"cases": cases}, durable=False).result()
    return Recovered(count, unfolded, tuple(damaged))


def _answer(run: RunOnDisk, result: ItemResult, value_of: _ValueOf) -> Answer:
    case = run.cases.get(result.case)
    question = None if case is None else run.questions.get(case.prompt_hash)
    exchange = run.exchange(result.case)
    if case is None or question is None:
        raise KeepError(f"{run.folder.plan}: case {result.case!r:.40} or its question is not in the plan")
    if exchange is None or exchange.reply is None:
        raise KeepError(f"{run.folder.journal}: the reply to case {case.id} is not there any more")
    return Answer.of(run.folder.run_id, case, exchange, value_of(exchange, result, question))


def _recover_and_warn(folder: RunFolder, settings: Settings, disk: Disk, warn: Callable[[str], None]) -> None:
    run_id = folder.run_id
    try:
        recovered = recover_run(read_run(folder, disk), settings)
    except PlotbotError as error:
        warn(f"run {run_id} could not be searched for answers to fold: {error}")
        return
    if recovered.folded:
        left = plural(recovered.folded, "answer")
        warn(f"run {run_id} had left {left} in its journal: now in the title files")
    for reason in recovered.unfolded.values():
        warn(f"run {run_id}: an answer stays in its journal: {reason}")


def _is_settled(folder: RunFolder, disk: Disk) -> bool:
    try:
        summary = folder.read_json(folder.summary, disk)
    except PlotbotError:
        return False
    # `plotbot report` writes a summary without an exit status: the run may have gone on after it and been killed.
    return isinstance(summary, dict) and summary.get("unfolded") == {} and summary.get("exit_status") is not None
