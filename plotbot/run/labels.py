"""People's labels of a run's answers: reading the file that `plotbot label` makes, and which of its labels still count.

A label says whether an answer meets a criterion. It is one of the criterion's wording, and void for another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plotbot.errors import InputError
from plotbot.plan.criteria import Criterion
from plotbot.plan.inputs import kind_of, parse_json
from plotbot.safe import one_line, plural

LABELS_VERSION = 1
PASS, FAIL = "pass", "fail"
_TEXTS = ("answer", "criterion", "wording", "label", "labeller", "at")


@dataclass(frozen=True, slots=True)
class Label:
    """What a person says of an answer. `answer` is the id of its title, `wording` the digest of the question."""

    answer: str
    criterion: str
    wording: str
    label: str
    labeller: str
    at: str

    @property
    def good(self) -> bool:
        return self.label == PASS


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels in a file, and the id of the run whose answers they are about."""

    run: str
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """The labels that count: by criterion, then by answer. `notes` say in sentences which do not, and why."""

    good: Mapping[str, Mapping[str, bool]]
    notes: tuple[str, ...] = ()


def read_labels(path: Path) -> Labels:
    """The labels in a file. Raises `InputError`, with the place, for anything that is no file of labels."""
    data = parse_json(path, "labels")
    if not isinstance(data, Mapping) or data.get("labels_version") != LABELS_VERSION:
        raise InputError(
            f'{path}: this is no file of labels: {{"labels_version": {LABELS_VERSION}, "run": …, "labels": […]}}'
        )
    run, entries = data.get("run"), data.get("labels")
    if not isinstance(run, str) or not run or not isinstance(entries, list):
        raise InputError(f"{path}: `run` is the id of the run whose answers are labelled, and `labels` is a list")
    return Labels(run, tuple(_label(path, number, entry) for number, entry in enumerate(entries, start=1)))


def counted(labels: Iterable[Label], criteria: Iterable[Criterion], answers: Mapping[str, object]) -> Counted:
    """The labels of these answers in today's wordings: the last of each labeller, and of several labellers most.

    An answer on which as many say one thing as the other has no label.
    """
    wordings = {one.name: one.digest for one in criteria}
    reworded, unknown, strangers = Counter[str](), Counter[str](), 0
    latest: dict[tuple[str, str, str], Label] = {}
    for label in sorted(labels, key=lambda one: one.at):
        if label.criterion not in wordings:
            unknown[label.criterion] += 1
        elif label.wording != wordings[label.criterion]:
            reworded[label.criterion] += 1
        elif label.answer not in answers:
            strangers += 1
        else:
            latest[label.criterion, label.answer, label.labeller] = label
    votes: dict[tuple[str, str], int] = {}
    for (criterion, answer, _), label in latest.items():
        votes[criterion, answer] = votes.get((criterion, answer), 0) + (1 if label.good else -1)
    good: dict[str, dict[str, bool]] = {}
    for (criterion, answer), balance in votes.items():
        if balance:
            good.setdefault(criterion, {})[answer] = balance > 0
    tied = sum(balance == 0 for balance in votes.values())
    return Counted(good, tuple(_notes(reworded, unknown, strangers, tied)))


def _notes(reworded: Counter[str], unknown: Counter[str], strangers: int, tied: int) -> Iterable[str]:
    for criterion, count in reworded.items():
        yield f"{plural(count, 'label')} of {one_line(criterion, 60)} void: its wording has changed since"
    for criterion, count in unknown.items():
        yield f"{plural(count, 'label')} of {one_line(criterion, 60)} void: there is no such criterion any more"
    if strangers:
        yield f"{plural(strangers, 'label')} of answers that were not judged left out"
    if tied:
        yield f"{plural(tied, 'answer')} without a label: as many labellers say pass as fail"


def _label(path: Path, number: int, entry: Any) -> Label:
    if not isinstance(entry, Mapping):
        raise InputError(f"{path}: label {number} is {kind_of(entry)}, not an object")
    for name in _TEXTS:
        if not isinstance(entry.get(name), str) or not entry[name].strip():
            raise InputError(f"{path}: label {number} has no {name!r}, which is a text")
    if entry["label"] not in {PASS, FAIL}:
        raise InputError(f"{path}: label {number}: its label is {PASS!r} or {FAIL!r}, not {entry['label']!r:.40}")
    return Label(*(entry[name] for name in _TEXTS))
