"""Folding what a dead run left in its journal: answers that an eval had kept and that are not yet in a title file.

Folding an answer again changes nothing, so this may be done by anybody, at any time, and as often as one likes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from plotbot.errors import InputError, KeepError, PlotbotError
from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import Journal
from plotbot.keep.locks import LOCKS_FOLDER, TitleLocks, never
from plotbot.keep.run_reading import RunOnDisk, read_run
from plotbot.keep.title_files import MovedAside, fold
from plotbot.keep.writer import Fold
from plotbot.records import Answer, Exchange, ItemResult, Question
from plotbot.settings import Settings

ValueOf = Callable[[Exchange, ItemResult, Question], Any]
"""The answer in a recorded reply; raises `ValueError` or a `PlotbotError` where there is none."""

# Answers in memory at a time: a night's worth of them is too heavy.
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of a run's left-over answers.

    `folded` is how many are in their title files now, `unfolded` why others are not, by case id, `damaged` what was
    moved aside on the way. `running` is empty, or says who still runs this run, which was then left alone.
    """

    folded: int = 0
    unfolded: Mapping[str, str] = field(default_factory=dict)
    damaged: tuple[MovedAside, ...] = ()
    running: str = ""


def fold_run(run: RunOnDisk, value_of: ValueOf, fold: Fold) -> Recovered:
    """Fold a run's left-over answers and tell its journal so. Raises `KeepError` where that cannot be written."""
    if not kept_results(run).keys() - run.folded:
        return Recovered()
    try:
        journal = Journal.open(run.folder.journal, run.disk)
    except InputError as error:
        return Recovered(running=str(error))
    try:
        # Read again now that nobody else can write: somebody may have folded since.
        return fold_into(journal, read_run(run.folder, run.disk), value_of, fold)
    finally:
        journal.close()


def fold_into(journal: Journal, run: RunOnDisk, value_of: ValueOf, fold: Fold) -> Recovered:
    """`fold_run` for who has the run's journal open already."""
    unfolded: dict[str, str] = {}
    damaged: list[MovedAside] = []
    count = 0
    answers = unfolded_answers(run, value_of, unfolded)
    while chunk := list(islice(answers, _AT_ONCE)):
        outcome = fold(chunk, never)
        unfolded |= {left.answer.case: str(left.error) for left in outcome.unfolded}
        damaged += outcome.damaged
        count += len(outcome.folded)
        cases = [answer.case for answer in outcome.folded]
        if cases:
            journal.append("folded", {"cases": cases}, durable=False).result()
    return Recovered(count, unfolded, tuple(damaged))


def unfolded_answers(run: RunOnDisk, value_of: ValueOf, unreadable: dict[str, str] | None = None) -> Iterator[Answer]:
    """The answers that an eval has kept and that no `folded` line names; see `kept_answers`."""
    return kept_answers(run, value_of, unreadable, but_not=run.folded)


def kept_answers(
    run: RunOnDisk,
    value_of: ValueOf,
    unreadable: dict[str, str] | None = None,
    but_not: Collection[str] = (),
) -> Iterator[Answer]:
    """The answers that an eval has kept, one at a time, without the cases *but_not*.

    One that the journal does not give back is passed over; *unreadable* is told why, by case id.
    """
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


def title_locks(settings: Settings, disk: Disk) -> TitleLocks:
    """The locks of the settings' title files."""
    return TitleLocks(
        settings.generated_dir / LOCKS_FOLDER,
        disk,
        timeout=settings.file_lock_timeout,
        poll_interval=settings.file_lock_poll_interval,
        stale_seconds=settings.file_lock_stale_seconds,
    )


def fold_as_set(settings: Settings, disk: Disk) -> Fold:
    """`plotbot.keep.title_files.fold` into the folder, and with the locks, that the settings name."""
    folder, locks = settings.generated_dir, title_locks(settings, disk)
    return lambda answers, give_up: fold(answers, folder, locks=locks, disk=disk, give_up=give_up)


def _answer(run: RunOnDisk, result: ItemResult, value_of: ValueOf) -> Answer:
    case = run.cases.get(result.case)
    question = None if case is None else run.questions.get(case.prompt_hash)
    exchange = run.exchange(result.case)
    if case is None or question is None:
        raise KeepError(f"{run.folder.plan}: case {result.case!r:.40} or its question is not in the plan")
    if exchange is None or exchange.reply is None:
        raise KeepError(f"{run.folder.journal}: the reply to case {case.id} is not there any more")
    return Answer.of(run.folder.run_id, case, exchange, value_of(exchange, result, question))
