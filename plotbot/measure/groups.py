"""The pass rates of groups of titles, and which of them are worse than the rest beyond chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from plotbot.measure.intervals import CONFIDENCE, Interval, clustered_interval
from plotbot.measure.paired_tests import holm
from plotbot.measure.tally import Counts, ModelVariant, Tally, rated_by_title, tally_of
from plotbot.records import PlannedItem, RunRecords


@dataclass(frozen=True, slots=True)
class GroupMetrics:
    """One group's numbers: by what the eval groups its titles, and the value that this group has.

    `p` is that of the group's rate being no lower than the rest's, corrected by Holm for the number of groups; None if
    the group or the rest has no rated answer. `worse` says that it is below 0.05.
    """

    by: str
    group: str
    tally: Tally
    pass_rate: float | None
    interval: Interval | None
    p: float | None = None

    @property
    def worse(self) -> bool:
        return self.p is not None and self.p < 1 - CONFIDENCE


def measure_groups(row: ModelVariant, items: Sequence[PlannedItem], records: RunRecords) -> tuple[GroupMetrics, ...]:
    """The groups of a model's items, the lowest rate first; empty if no eval of the run groups its titles."""
    grouped: dict[str, dict[str, list[PlannedItem]]] = {}
    for item in items:
        if item.by:
            grouped.setdefault(item.by, {}).setdefault(item.group, []).append(item)
    return tuple(one for by, groups in grouped.items() for one in _compared(by, groups, row, records))


def lower_tail(passed: int, rated: int, passed_in_all: int, in_all: int) -> float:
    """The chance that a group of *rated* answers has at most *passed* good ones, if it is like the rest.

    The hypergeometric distribution, which is R. A. Fisher's exact test in one direction (Statistical Methods for
    Research Workers, 5th edition, 1934, section 21.02).
    """
    lowest = max(0, rated - (in_all - passed_in_all))
    logs = [
        _log_choose(passed_in_all, count) + _log_choose(in_all - passed_in_all, rated - count)
        for count in range(lowest, passed + 1)
    ]
    whole = _log_choose(in_all, rated)
    return min(math.fsum(math.exp(one - whole) for one in logs), 1.0)


def _compared(
    by: str, groups: dict[str, list[PlannedItem]], row: ModelVariant, records: RunRecords
) -> list[GroupMetrics]:
    titles = {group: rated_by_title(items, records) for group, items in groups.items()}
    measured = [_group(by, group, items, titles[group], row, records) for group, items in groups.items()]
    p_values = [_p(titles, group) for group in groups]
    told = [(place, p) for place, p in enumerate(p_values) if p is not None]
    for (place, _), p in zip(told, holm([p for _, p in told]), strict=True):
        measured[place] = replace(measured[place], p=p)
    return sorted(measured, key=lambda one: (2.0 if one.pass_rate is None else one.pass_rate, one.group))


def _group(
    by: str,
    group: str,
    items: Sequence[PlannedItem],
    titles: Sequence[Counts],
    row: ModelVariant,
    records: RunRecords,
) -> GroupMetrics:
    tally = tally_of(row, items, records)
    return GroupMetrics(by, group, tally, tally.pass_rate, clustered_interval(titles))


def _p(titles: dict[str, list[Counts]], group: str) -> float | None:
    rest = [counts for other, some in titles.items() if other != group for counts in some]
    (passed, rated), (rest_passed, rest_rated) = _independent(titles[group]), _independent(rest)
    if not rated or not rest_rated:
        return None
    return lower_tail(passed, rated, passed + rest_passed, rated + rest_rated)


def _independent(titles: Sequence[Counts]) -> Counts:
    """Good answers and all, one for each title: several answers to one title are not independent of each other.

    A title that was asked several times counts by its share of good answers, and their sum is rounded.
    """
    shares = [passed / rated for passed, rated in titles if rated]
    return round(math.fsum(shares)), len(shares)


def _log_choose(among: int, chosen: int) -> float:
    return math.lgamma(among + 1) - math.lgamma(chosen + 1) - math.lgamma(among - chosen + 1)
