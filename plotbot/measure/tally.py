"""Nothing is forgotten: every planned item is in exactly one box."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from plotbot.records import Case, PlannedItem, RunRecords

UNKNOWN_MODEL = "(unknown model)"
BOXES = ("passed", "failed", "error", "skipped", "not_run")


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of a model's planned items, in numbers of items."""

    model: str
    passed: int = 0
    failed: int = 0
    error: int = 0
    skipped: int = 0
    not_run: int = 0

    @property
    def planned(self) -> int:
        """The sum of all boxes: it cannot disagree with them."""
        return self.passed + self.failed + self.error + self.skipped + self.not_run

    @property
    def counts(self) -> dict[str, int]:
        """The planned items and every box by name, as summaries and tables show them."""
        return {"planned": self.planned, **{box: getattr(self, box) for box in BOXES}}

    @property
    def rated(self) -> int:
        """The items that say something about the model: errors and skips do not."""
        return self.passed + self.failed


def items_by_model(records: RunRecords) -> dict[str, list[PlannedItem]]:
    """The planned items of each model, models and items in plan order, each item once.

    An item whose case the run's files do not hold still counts, under `UNKNOWN_MODEL`.
    """
    grouped: dict[str, list[PlannedItem]] = {}
    for planned in {planned.item: planned for planned in records.items}.values():
        case = records.cases.get(planned.case)
        grouped.setdefault(UNKNOWN_MODEL if case is None else case.model, []).append(planned)
    return grouped


def missing_parts(header: Mapping[str, Any]) -> tuple[str, ...]:
    """The parts (`2/3`) that a merged run has not got; how many cases they have is not known. Empty for any other."""
    merged = header.get("merged")
    if not isinstance(merged, Mapping):
        return ()
    return tuple(f"{part}/{merged['of']}" for part in range(1, merged["of"] + 1) if part not in merged["parts"])


def eval_of(item: str, case: Case) -> str:
    """The eval that an item belongs to: its node id with a star for the case's own name.

    >>> eval_of("evals/test_a.py::test_a[m-t01-r1]", Case("id", "m-t01-r1", "m", Title("t01", "…"), "h", "none", 1, 7))
    'evals/test_a.py::test_a[*]'
    """
    head, found, tail = item.rpartition(case.slug)
    return f"{head}*{tail}" if found else item


def tally_of(model: str, items: Iterable[PlannedItem], records: RunRecords) -> Tally:
    """Count *items* by their results; one without a result was not run."""
    boxes = Counter(_box(planned, records) for planned in items)
    return Tally(model, **boxes)


def total_tally(tallies: Iterable[Tally]) -> Tally:
    """All models' tallies in one, under an empty model name."""
    boxes: Counter[str] = Counter()
    for tally in tallies:
        boxes.update({box: getattr(tally, box) for box in BOXES})
    return Tally("", **boxes)


def _box(planned: PlannedItem, records: RunRecords) -> str:
    result = records.results.get(planned.item)
    if result is None:
        return "not_run"
    # An outcome of a later version must not fall out of the sum, nor count for or against the model.
    return result.outcome if result.outcome in {"passed", "failed", "skipped"} else "error"
