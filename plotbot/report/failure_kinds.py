"""What did not pass, by kind: a line for each kind of failure or error, with its counts and an example."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from plotbot.measure.tally import row_of
from plotbot.records import ItemResult, RunRecords, Violation
from plotbot.safe import one_line, plural

KindKey = tuple[str, str, str]
"""The outcome, the category and the detail of a kind."""
MOST_KINDS = 50
"""Kinds that get a line. A model makes up field names as it likes, so there may be as many kinds as failures."""
_WHOLE, _ENTRY = "(whole answer)", "(entry)"
_BAD = frozenset({"failed", "error"})
_DETAIL, _NAME, _FIELD = 40, 30, 60
_LEAST_HEADLINE, _HEADLINE = 16, 60
_INDEX = re.compile(r"\[\d+\]")
_MISSING = re.compile(r"'([^']+)' is a required property")


@dataclass(slots=True)
class FailureKind:
    """Items that did not pass for the same reason.

    `detail` is the first violation's field and keyword, or the first finding's check, where `category` has such. `rows`
    counts the items by model and variant. `headline` is that of the first item, in plan order.
    """

    outcome: str
    category: str
    detail: str
    headline: str
    rows: Counter[str] = field(default_factory=Counter)

    @property
    def key(self) -> KindKey:
        return self.outcome, self.category, self.detail

    @property
    def count(self) -> int:
        return self.rows.total()

    @property
    def label(self) -> str:
        return f"{self.category}: {self.detail}" if self.detail else self.category


def failure_kinds(records: RunRecords) -> list[FailureKind]:
    """The kinds of all failures and errors of a run, the most frequent first. Each item is in one kind."""
    kinds: dict[KindKey, FailureKind] = {}
    for planned in dict.fromkeys(records.items):
        result = records.results.get(planned.item)
        if result is None or result.outcome not in _BAD:
            continue
        case, key = records.cases.get(planned.case), kind_of(result)
        if key not in kinds:
            headline = "" if case is None else one_line(case.title.text, _HEADLINE)
            kinds[key] = FailureKind(*key, headline)
        kinds[key].rows[row_of(case).label] += 1
    return sorted(kinds.values(), key=lambda kind: -kind.count)


def kind_of(result: ItemResult) -> KindKey:
    """What an item that did not pass has in common with others: its outcome, its category, and a detail of that."""
    category, detail = one_line(result.category, _DETAIL), ""
    if result.category == "schema" and result.violations:
        first = result.violations[0]
        detail = f"{field_of(first)} {one_line(first.keyword, _DETAIL)}"
    elif result.category == "content" and result.findings:
        detail = one_line(result.findings[0].check, _DETAIL)
    return result.outcome, category, detail


def field_of(violation: Violation) -> str:
    """The field without indices: `themes[]` for `$[0].themes[2]`. For `required` it is the field that is missing."""
    field = _field(violation.path)
    missing = _MISSING.match(violation.message) if violation.keyword == "required" else None
    if missing is None:
        return one_line(field, _FIELD)
    parent = "" if field in {_WHOLE, _ENTRY} else f"{field}."
    return one_line(parent + missing[1], _FIELD)


def kind_lines(kinds: Sequence[FailureKind], width: int) -> list[str]:
    """The kinds as lines of about *width* columns: count, kind, counts by model and variant if several, an example."""
    total = sum(kind.count for kind in kinds)
    shown = kinds[:MOST_KINDS]
    digits = len(str(total))
    several = len({row for kind in kinds for row in kind.rows}) > 1
    label_width = max((len(kind.label) for kind in shown), default=0)
    lines = [_line(kind, digits, label_width, several=several, width=width) for kind in shown]
    if len(kinds) > len(shown):
        rest = sum(kind.count for kind in kinds[MOST_KINDS:])
        lines.append(f"{rest:>{digits}} of {plural(len(kinds) - len(shown), 'more kind')}")
    return lines


def counts_by_row(counts: Mapping[str, int]) -> str:
    """`qwen3-4b 200, ministral 212`."""
    return ", ".join(f"{one_line(row, _NAME)} {count}" for row, count in counts.items())


def _line(kind: FailureKind, digits: int, label_width: int, *, several: bool, width: int) -> str:
    start = f"{kind.count:>{digits}} {kind.label:<{label_width}}"
    if several:
        start += f"  ({counts_by_row(kind.rows)})"
    room = max(width - len(start) - len("  e.g. "), _LEAST_HEADLINE)
    return f"{start}  e.g. {one_line(kind.headline, room)}".rstrip() if kind.headline else start.rstrip()


def _field(path: str) -> str:
    if path in {"$", ""}:
        return _WHOLE
    inside = re.sub(r"^\$(\[\d+\])?\.?", "", path)
    return _INDEX.sub("[]", inside) or _ENTRY
