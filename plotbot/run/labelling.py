"""Labelling a run's answers: which question is asked about which answer in which order, and putting labels together."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from plotbot.errors import InputError
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder
from plotbot.measure.agreement import Agreement, agreements
from plotbot.measure.judged import QUALITY
from plotbot.plan.criteria import Criterion
from plotbot.run.judged import read_judgements
from plotbot.run.labels import LABELS_VERSION, Label, Labels, counted, read_labels
from plotbot.safe import one_line

_BLOCK = 10
"""So many questions of one criterion are asked in a row, half of them about answers that the judge failed."""

Task = tuple[int, int]
"""The number of an answer and the number of a criterion that is asked about it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The labels of all files together, in the order of the file. `notes` say which of them do not count, and why."""

    labels: tuple[Label, ...]
    new: int
    changed: int
    agreements: tuple[Agreement, ...]
    notes: tuple[str, ...]


def failed_answers(folder: RunFolder, criteria: Sequence[Criterion], disk: Disk) -> dict[str, frozenset[str]]:
    """By criterion: the ids of the answers that the judge failed, of several verdicts by most.

    A criterion is left out if the judge was asked in other words; all are where the run was not judged. Raises
    `InputError` where the file of the judgements is damaged.
    """
    judgements = read_judgements(folder, disk)
    if judgements is None:
        return {}
    asked = {name: Criterion(name, wording).digest for name, wording in judgements.criteria.items()}
    return {
        one.name: frozenset(
            answer
            for answer, said in judgements.verdicts.get(f"{QUALITY}{one.name}", {}).items()
            if 2 * sum(said) < len(said)
        )
        for one in criteria
        if asked.get(one.name) == one.digest
    }


def label_tasks(
    answers: Sequence[str], criteria: Sequence[Criterion], failed: Mapping[str, frozenset[str]], run: str, most: int
) -> list[Task]:
    """What is asked in which order: blocks of each criterion in turn, at most *most* questions of each.

    Half of the answers in a block are ones that the judge failed, as far as there are any. Which answers are asked
    about depends on the verdict and on chance alone, as `corrected_rate` needs it; the chance is seeded by the run.
    """
    blocks = [
        list(_blocks(answers, number, failed.get(criterion.name, frozenset()), f"{run}\0{criterion.name}", most))
        for number, criterion in enumerate(criteria)
    ]
    return [task for turn in zip_longest(*blocks, fillvalue=()) for task in chain(*turn)]


def _blocks(
    answers: Sequence[str], criterion: int, failed: frozenset[str], seed: str, most: int
) -> Iterator[Sequence[Task]]:
    chance = random.Random(seed)  # noqa: S311  an order, not a secret
    numbers = list(range(len(answers)))
    chance.shuffle(numbers)
    bad = [number for number in numbers if answers[number] in failed]
    good = [number for number in numbers if answers[number] not in failed]
    for left in range(min(most, len(numbers)), 0, -_BLOCK):
        size = min(_BLOCK, left)
        # What one kind lacks, the other has more.
        half = max(min(size // 2, len(bad)), size - len(good))
        block = bad[:half] + good[: size - half]
        del bad[:half], good[: size - half]
        chance.shuffle(block)
        yield [(number, criterion) for number in block]


def take_labels(
    files: Sequence[Path], into: Path, run: str, criteria: Sequence[Criterion], answers: frozenset[str]
) -> Taken:
    """The labels of *files* put together with those of *into*, if it is there; the later label of a labeller counts.

    Raises `InputError` for a file that holds no labels, or labels of another run or of answers that it has not.
    """
    there = _by_key(_checked(into, run, answers)) if into.exists() else {}
    came = _by_key(label for file in files for label in _checked(file, run, answers))
    merged = _by_key([*there.values(), *came.values()])
    changed = sum(key in there and merged[key].label != there[key].label for key in came)
    labels = tuple(merged[key] for key in sorted(merged))
    wordings = {one.name: one.digest for one in criteria}
    told = {
        (one.criterion, one.answer, one.labeller): one.good
        for one in labels
        if wordings.get(one.criterion) == one.wording
    }
    notes = counted(labels, criteria, dict.fromkeys(answers)).notes
    return Taken(labels, len(came.keys() - there.keys()), changed, tuple(agreements(told)), notes)


def labels_json(run: str, labels: Sequence[Label]) -> dict[str, Any]:
    """The content of a file of labels."""
    entries = [{name: getattr(one, name) for name in Label.__slots__} for one in labels]
    return {"labels_version": LABELS_VERSION, "run": run, "labels": entries}


def _checked(path: Path, run: str, answers: frozenset[str]) -> Iterator[Label]:
    read: Labels = read_labels(path)
    if read.run != run:
        raise InputError(f"{path}: its labels are of run {one_line(repr(read.run), 60)}, not of {run}: name that run")
    for number, label in enumerate(read.labels, start=1):
        if label.answer not in answers:
            raise InputError(
                f"{path}: label {number} is of an answer that run {run} has not: {one_line(repr(label.answer), 40)}"
            )
        yield replace(label, at=_in_utc(path, number, label.at), labeller=label.labeller.strip())


def _in_utc(path: Path, number: int, at: str) -> str:
    try:
        time = datetime.fromisoformat(at)
        if time.tzinfo is not None:
            return time.astimezone(UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError):
        pass
    told = f"{path}: label {number}: its `at` is a time with its zone, such as 2026-11-29T10:00:00Z"
    raise InputError(f"{told}, not {one_line(repr(at), 40)}")


def _by_key(labels: Iterator[Label] | Sequence[Label]) -> dict[tuple[str, str, str, str], Label]:
    found: dict[tuple[str, str, str, str], Label] = {}
    for label in labels:
        key = (label.criterion, label.answer, label.labeller, label.wording)
        if key not in found or label.at >= found[key].at:
            found[key] = label
    return found
