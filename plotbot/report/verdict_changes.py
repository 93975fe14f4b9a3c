"""Which verdicts moved when a run's replies were judged again."""

from __future__ import annotations

from collections.abc import Mapping

from plotbot.records import ItemResult
from plotbot.safe import one_line

_MOST_LISTED = 20
_WIDTH = 80


def moved_lines(before: Mapping[str, ItemResult], after: Mapping[str, ItemResult]) -> list[str]:
    """How many verdicts are not what they were, then each with its item: the first 20. By item, in today's order."""
    both = [item for item in after if item in before]
    moved = [item for item in both if _said(before[item]) != _said(after[item])]
    lines = [f"{len(moved)} of {len(both)} verdicts moved"]
    for item in moved[:_MOST_LISTED]:
        change = f"{_said(before[item])} -> {_said(after[item])}"
        lines.append(f"  {one_line(item.rpartition('::')[2], _WIDTH - len(change) - 4)}: {change}")
    if len(moved) > _MOST_LISTED:
        lines.append(f"  … and {len(moved) - _MOST_LISTED} more")
    return [*lines, ""]


def _said(result: ItemResult) -> str:
    """An outcome with its category, where the category says more."""
    return result.outcome if result.category == "ok" else f"{result.outcome} ({result.category})"
