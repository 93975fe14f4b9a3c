"""Two runs compared, in words: for `plotbot compare`, `pytest --baseline` and `pytest --replay`."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from plotbot.measure.comparison import Change, Comparison
from plotbot.measure.intervals import Interval
from plotbot.records import ItemResult
from plotbot.report import formatting
from plotbot.safe import one_line

WIDTH = 80
_NAMED = 10
_NAME_LIMIT = 200
_MOST_CHANGES = 20


def comparison_lines(before: str, after: str, comparisons: Sequence[Comparison]) -> list[str]:
    """The comparison of the runs *before* and *after*. Lines have at most 80 columns, unless a name is longer."""
    if not comparisons:
        return _wrapped("", f"{before} and {after} have no eval, model and response format in common")
    lines = _wrapped("compared: ", f"{before} -> {after}")
    for comparison in comparisons:
        lines += ["", *_part_lines(comparison)]
    return lines


def changed_verdict_lines(before: Mapping[str, ItemResult], after: Mapping[str, ItemResult]) -> list[str]:
    """How many verdicts a replay has changed, then the first 20 of them, in the order of *after*. Both are by item."""
    both = [item for item in after if item in before]
    changed = [item for item in both if _said(before[item]) != _said(after[item])]
    lines = [f"{len(changed)} of {len(both)} verdicts changed"]
    for item in changed[:_MOST_CHANGES]:
        change = f"{_said(before[item])} -> {_said(after[item])}"
        lines.append(f"  {one_line(item.rpartition('::')[2], WIDTH - len(change) - 4)}: {change}")
    if len(changed) > _MOST_CHANGES:
        lines.append(f"  … and {len(changed) - _MOST_CHANGES} more")
    return [*lines, ""]


def _part_lines(comparison: Comparison) -> list[str]:
    name = f"{comparison.eval}, {comparison.model}, {comparison.response_format}"
    lines = _wrapped("", one_line(name, _NAME_LIMIT))
    if comparison.notes:
        lines += _wrapped("  note: ", "another server: " + "; ".join(comparison.notes))
    if comparison.refused:
        return lines + _wrapped("  not compared, asked otherwise: ", "; ".join(comparison.differences))
    if comparison.differences:
        lines += _wrapped("  compared although asked otherwise: ", "; ".join(comparison.differences))
    lines += _wrapped("  ", _verdict(comparison))
    for label, changes in (
        ("newly broken", comparison.broken),
        ("newly fixed", comparison.fixed),
        ("failing otherwise", comparison.drifted),
    ):
        lines += _wrapped(f"  {label}: ", _changes(changes)) if changes else []
    return lines + _left_out(comparison)


def _verdict(comparison: Comparison) -> str:
    if comparison.rate_before is None or comparison.rate_after is None or comparison.p is None:
        return "no title is rated in both"
    if not (comparison.broken or comparison.fixed or comparison.drifted):
        return f"no change in {comparison.pairs} titles, pass rate {formatting.percent(comparison.rate_after)}"
    rates = f"{formatting.percent(comparison.rate_before)} -> {formatting.percent(comparison.rate_after)}"
    difference = f"{(comparison.rate_after - comparison.rate_before) * 100:+.1f} points"
    chance = f"p {comparison.p:.2g} (exact McNemar)"
    return f"pass rate {rates} over {comparison.pairs} titles: {difference} [{_points(comparison.interval)}], {chance}"


def _points(interval: Interval | None) -> str:
    """Both ends in whole percentage points, rounded outwards."""
    if interval is None:
        return formatting.NONE
    low, high = formatting.outwards(interval, 100)
    return f"{low:+d} to {high:+d}"


def _changes(changes: Sequence[Change]) -> str:
    named = [f"{change.title} ({', '.join(change.before)} -> {', '.join(change.after)})" for change in changes[:_NAMED]]
    more = [f"and {len(changes) - _NAMED} more"] if len(changes) > _NAMED else []
    return f"{len(changes)}: " + "; ".join(one_line(text, _NAME_LIMIT) for text in [*named, *more])


def _left_out(comparison: Comparison) -> list[str]:
    reasons = (
        (comparison.alone, "in one run only, or with another headline"),
        (comparison.unrated, "without a verdict on the model in both"),
    )
    told = [f"{count} {reason}" for count, reason in reasons if count]
    return _wrapped("  titles left out: ", ", ".join(told)) if told else []


def _wrapped(label: str, text: str) -> list[str]:
    indent = " " * min(len(label), 4)
    flat = one_line(text, len(text) * 10 + 1)
    return textwrap.wrap(flat, WIDTH, initial_indent=label, subsequent_indent=indent, break_on_hyphens=False)


def _said(result: ItemResult) -> str:
    """An outcome, with its category if that says more."""
    return result.outcome if result.category == "ok" else f"{result.outcome} ({result.category})"
