"""Counts of a run's planned items. Every item is in exactly one box, so nothing is forgotten."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

from plotbot.records import NOT_NEEDED, Case, PlannedItem, RunRecords

UNKNOWN_MODEL = "(unknown model)"
BOXES = ("passed", "failed", "error", "skipped", "not_run", NOT_NEEDED)
Counts = tuple[int, int]
"""How many answers passed, and how many were rated."""


class ModelVariant(NamedTuple):
    """What a row of a report is about: a model in one variant, whose name is empty if the run has one variant only."""

    model: str
    variant: str = ""

    @property
    def label(self) -> str:
        """The name of the row: `qwen3-4b`, or `qwen3-4b short.txt`."""
        return f"{self.model} {self.variant}" if self.variant else self.model


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the planned items of a model in one variant, in numbers of items."""

    model: str
    passed: int = 0
    failed: int = 0
    error: int = 0
    skipped: int = 0
    not_run: int = 0
    not_needed: int = 0
    variant: str = ""

    @property
    def row(self) -> ModelVariant:
        """The row that it counts the items of."""
        return ModelVariant(self.model, self.variant)

    @property
    def planned(self) -> int:
        """The sum of all boxes, so that it cannot disagree with them."""
        return self.passed + self.failed + self.error + self.skipped + self.not_run + self.not_needed

    @property
    def rated(self) -> int:
        """The items that say something about the model: errors and skips do not."""
        return self.passed + self.failed

    @property
    def pass_rate(self) -> float | None:
        """Passed / rated; None if nothing was rated."""
        return self.passed / self.rated if self.rated else None

    @property
    def counts(self) -> dict[str, int]:
        """The planned items and each box by name, in the order in which summaries and tables show them."""
        return {"planned": self.planned, **{box: getattr(self, box) for box in BOXES}}


def items_by_row(records: RunRecords) -> dict[ModelVariant, list[PlannedItem]]:
    """The planned items of each model and variant, each item once.

    Models come in plan order, variants in the header's: the first of a model's variants is the one that its others are
    compared with. An item whose case the run's files do not hold still counts, under `UNKNOWN_MODEL`.
    """
    grouped: dict[ModelVariant, list[PlannedItem]] = {}
    for planned in {planned.item: planned for planned in records.items}.values():
        grouped.setdefault(row_of(records.cases.get(planned.case)), []).append(planned)
    models = {row.model: number for number, row in reversed(list(enumerate(grouped)))}
    turns = {name: number for number, name in enumerate(variant_names(records.header))}
    ordered = sorted(grouped, key=lambda row: (models[row.model], turns.get(row.variant, 0)))
    return {row: grouped[row] for row in ordered}


def variant_names(header: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of a run's variants, its first one first; empty if it has one only."""
    told = header.get("variants")
    variants = [one for one in told if isinstance(one, Mapping)] if isinstance(told, list) else []
    return tuple(dict.fromkeys(str(one.get("name", "")) for one in variants))


def row_of(case: Case | None) -> ModelVariant:
    """The row that a case counts in."""
    return ModelVariant(UNKNOWN_MODEL) if case is None else ModelVariant(case.model, case.variant)


def missing_parts(header: Mapping[str, Any]) -> tuple[str, ...]:
    """The shards (`2/3`) that a merged run lacks; empty for any other run. Their number of cases is unknown."""
    merged = header.get("merged")
    if not isinstance(merged, Mapping):
        return ()
    # A part beyond the number of titles drawn has none, and leaves no run.
    last = min(merged["of"], header.get("drawn") or merged["of"])
    return tuple(f"{part}/{merged['of']}" for part in range(1, last + 1) if part not in merged["parts"])


def eval_of(item: str, case: Case) -> str:
    """The eval that an item belongs to: its node id with a star for the case's own name.

    >>> eval_of("evals/test_a.py::test_a[m-t01-r1]", Case("id", "m-t01-r1", "m", Title("t01", "…"), "h", "none", 1, 7))
    'evals/test_a.py::test_a[*]'
    """
    head, found, tail = item.rpartition(case.slug)
    return f"{head}*{tail}" if found else item


def tally_of(row: ModelVariant, items: Iterable[PlannedItem], records: RunRecords) -> Tally:
    """Count *items* by their results; one without a result was not run."""
    boxes: Mapping[str, Any] = Counter(_box(planned, records) for planned in items)
    return Tally(row.model, variant=row.variant, **boxes)


def total_tally(tallies: Iterable[Tally]) -> Tally:
    """The sum of all rows' tallies, under an empty model name."""
    all_of_them = tuple(tallies)
    return Tally("", **{box: sum(getattr(tally, box) for tally in all_of_them) for box in BOXES})


def rated_by_title(items: Iterable[PlannedItem], records: RunRecords) -> list[Counts]:
    """The rated answers of each title, whatever was asked about it: answers to one title are not independent."""
    return rated_by(items, records, lambda _, case: case.title)


def rated_by(items: Iterable[PlannedItem], records: RunRecords, key: Callable[[str, Case], Hashable]) -> list[Counts]:
    """The rated answers of each group of items. *key* gives the group of an item and its case."""
    passed: defaultdict[Hashable, list[bool]] = defaultdict(list)
    for planned in items:
        result, case = records.results.get(planned.item), records.cases.get(planned.case)
        if result is not None and result.outcome in {"passed", "failed"}:
            passed[planned.case if case is None else key(planned.item, case)].append(result.outcome == "passed")
    return [(sum(answers), len(answers)) for answers in passed.values()]


def most_rated(counts: Sequence[Counts]) -> int:
    """How many rated answers the largest group has."""
    return max(map(itemgetter(1), counts), default=0)


def _box(planned: PlannedItem, records: RunRecords) -> str:
    result = records.results.get(planned.item)
    if result is None:
        return "not_run"
    # An outcome that a later version wrote must stay in the sum, and count neither for nor against the model.
    return result.outcome if result.outcome in BOXES else "error"
