"""Two runs compared, in words: for `plotbot compare`, `pytest --baseline` and `pytest --replay`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plotbot.measure.comparison import Comparison
from plotbot.measure.paired_tests import holm
from plotbot.measure.pairing import Change, Contest, Paired, is_settled
from plotbot.records import NOT_NEEDED, ItemResult
from plotbot.report import formatting
from plotbot.report.formatting import as_text
from plotbot.report.rivals import chance_words, contest_sentence
from plotbot.report.terminal_lines import terminal_width, wrapped
from plotbot.safe import one_line, plural

_NAMED = 10
_LEAST_NAME = 12
_NAME_LIMIT = 200
_MOST_CHANGES = 20
_MOST_DIFF_LINES = 40
_HEADLINE_LIMIT = 90


def comparison_lines(before: str, after: str, comparisons: Sequence[Comparison]) -> list[str]:
    """The comparison of the runs *before* and *after*. Lines have at most 80 columns, unless a name is longer."""
    if not comparisons:
        return _wrapped("", f"{before} and {after} have no title in common")
    lines = _wrapped("compared: ", f"{before} -> {after}")
    for comparison in comparisons:
        lines += ["", *_part_lines(comparison)]
    return lines


def changed_verdict_lines(before: Mapping[str, ItemResult], after: Mapping[str, ItemResult]) -> list[str]:
    """How many verdicts a replay has changed, then the first 20 of them, in the order of *after*. Both are by item."""
    # What was not needed had no verdict of its own then.
    both = [item for item in after if item in before and before[item].outcome != NOT_NEEDED]
    changed = [item for item in both if _said(before[item]) != _said(after[item])]
    lines = [f"{len(changed)} of {plural(len(both), 'verdict')} changed"]
    for item in changed[:_MOST_CHANGES]:
        change = f"{_said(before[item])} -> {_said(after[item])}"
        room = max(terminal_width() - len(change) - 4, _LEAST_NAME)
        lines.append(f"  {one_line(item.rpartition('::')[2], room)}: {change}")
    if len(changed) > _MOST_CHANGES:
        lines.append(f"  … and {len(changed) - _MOST_CHANGES} more")
    return [*lines, ""]


def since_lines(run: str, comparisons: Sequence[Comparison]) -> list[str]:
    """What has moved since an earlier run of the same titles, a line for each row; *run* is its name.

    The p of several rows are corrected for their number (Holm).
    """
    rated = [one for one in comparisons if one.paired.p is not None]
    corrected = holm([one.paired.p for one in rated if one.paired.p is not None])
    lines = [
        f"since {one_line(run, _NAME_LIMIT)}{_row_named(one, rated)}, {_moved(one.paired, p)}"
        for one, p in zip(rated, corrected, strict=True)
    ]
    more = len(lines) - _NAMED
    return [*lines[:_NAMED], *([f"… and {plural(more, 'more row')}: plotbot compare shows all"] if more > 0 else [])]


def _row_named(comparison: Comparison, among: Sequence[Comparison]) -> str:
    """Which row it is, where there are several or the row was of another name; ` a -> b` for another model."""
    labels = dict.fromkeys((comparison.before.label, comparison.after.label))
    if len(among) == 1 and len(labels) == 1:
        return ""
    return f", {' -> '.join(one_line(label, _NAME_LIMIT) for label in labels)}"


def _moved(paired: Paired, p: float) -> str:
    titles = "title" if paired.titles == 1 else f"{paired.titles:,} titles"
    if not paired.broken and not paired.fixed:
        otherwise = f", {len(paired.drifted):,} failing otherwise" if paired.drifted else ""
        return f"same {titles}: nothing broken, nothing fixed{otherwise}"
    chance = "more than chance" if is_settled(p) else "not more than chance"
    moved = f"{len(paired.broken):,} broken, {len(paired.fixed):,} fixed"
    return f"same {titles}: {moved}: {chance}, {formatting.p_value(p)}"


def _part_lines(comparison: Comparison) -> list[str]:
    paired, labels = comparison.paired, dict.fromkeys((comparison.before.label, comparison.after.label))
    lines = _wrapped("", one_line(f"{comparison.eval}, {' -> '.join(labels)}", _NAME_LIMIT))
    if comparison.notes:
        lines += _wrapped("  note: ", "another server: " + "; ".join(comparison.notes))
    if comparison.differences:
        lines += _wrapped("  asked otherwise: ", "; ".join(comparison.differences))
    for diff in comparison.diffs:
        lines += _diff_lines(diff)
    if paired.rate_before is not None and paired.rate_after is not None:
        contest = Contest(comparison.before, comparison.after, paired, paired.p)
        lines += _wrapped("  ", as_text(contest_sentence(contest), _shown_name))
    for label, changes in (
        ("newly broken", paired.broken),
        ("newly fixed", paired.fixed),
        ("failing otherwise", paired.drifted),
    ):
        lines += _wrapped(f"  {label}: ", _changes(changes, comparison.headlines or {})) if changes else []
    return [*lines, *_left_out(paired), *_wrapped("  ", chance_words(paired))]


def _diff_lines(diff: Sequence[str]) -> list[str]:
    """A unified diff; of a long one the first lines. A long line is cut, so that the terminal keeps the columns."""
    shown = [f"    {one_line(line, terminal_width() - 4)}" if line else "" for line in diff[:_MOST_DIFF_LINES]]
    return [
        *shown,
        *([f"    … and {plural(len(diff) - _MOST_DIFF_LINES, 'more line')}"] if len(diff) > _MOST_DIFF_LINES else []),
    ]


def _shown_name(text: str) -> str:
    return one_line(text, _NAME_LIMIT)


def _changes(changes: Sequence[Change], headlines: Mapping[str, str]) -> str:
    named = [
        f"{one_line(headlines.get(change.title, change.title), _HEADLINE_LIMIT)} "
        f"({', '.join(change.before)} -> {', '.join(change.after)})"
        for change in changes[:_NAMED]
    ]
    more = [f"and {len(changes) - _NAMED} more"] if len(changes) > _NAMED else []
    return f"{len(changes)}: " + "; ".join(one_line(text, _NAME_LIMIT) for text in [*named, *more])


def _left_out(paired: Paired) -> list[str]:
    reasons = (
        (paired.alone, "in one run only, or with another headline"),
        (paired.unrated, "without a verdict on the model in both"),
    )
    told = [f"{count} {reason}" for count, reason in reasons if count]
    return _wrapped("  titles left out: ", ", ".join(told)) if told else []


def _wrapped(label: str, text: str) -> list[str]:
    return wrapped(label, one_line(text, len(text) * 10 + 1))


def _said(result: ItemResult) -> str:
    """An outcome, with its category if that says more."""
    return result.outcome if result.category == "ok" else f"{result.outcome} ({result.category})"
