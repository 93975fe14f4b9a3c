"""Tests and intervals for two runs over the same titles: whether their pass rates differ, and by how much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import StatisticsError, correlation

from plotbot.measure.intervals import NEWCOMBE, Interval, clustered_interval


@dataclass(frozen=True, slots=True)
class Pair:
    """One title in both runs: how many of its answers passed, out of the `rated` answers that both runs have."""

    before: int
    after: int
    rated: int = 1


def mcnemar_exact(broken: int, fixed: int) -> float:
    """The two-sided exact p of McNemar's test on *broken* against *fixed* titles.

    Q. McNemar, Note on the sampling error of the difference between correlated proportions or percentages,
    Psychometrika 12 (1947) 153-157, with the exact binomial distribution. Unchanged titles do not enter it.
    """
    changed = broken + fixed
    tail = sum(math.comb(changed, count) for count in range(min(broken, fixed) + 1))
    return min(tail / (1 << max(changed - 1, 0)), 1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values corrected for their number, in their order.

    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979) 65-70.
    """
    corrected, greatest = [0.0] * len(p_values), 0.0
    for done, position in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        greatest = max(greatest, min((len(p_values) - done) * p_values[position], 1.0))
        corrected[position] = greatest
    return corrected


def difference_interval(pairs: Sequence[Pair]) -> Interval | None:
    """The 95 % interval of the pass rate after minus the pass rate before; None without pairs.

    R. G. Newcombe, Improved confidence intervals for the difference between binomial proportions based on paired data,
    Statistics in Medicine 17 (1998) 2635-2650, method 10: square and add the two Wilson intervals, less the
    correlation of the pairs. If titles were asked several times, the two intervals are clustered by title and the
    correlation is that of the titles' rates; with one answer a title it is exactly method 10.
    """
    before = clustered_interval([(pair.before, pair.rated) for pair in pairs])
    after = clustered_interval([(pair.after, pair.rated) for pair in pairs])
    if before is None or after is None:
        return None
    rate_before, rate_after = rates(pairs)
    alike, difference = _correlation(pairs), rate_after - rate_before
    low = _hypotenuse(rate_after - after.low, before.high - rate_before, alike)
    high = _hypotenuse(after.high - rate_after, rate_before - before.low, alike)
    return Interval(max(difference - low, -1.0), min(difference + high, 1.0), NEWCOMBE)


def rates(pairs: Sequence[Pair]) -> tuple[float, float]:
    """The pass rates before and after. Raises ZeroDivisionError without pairs."""
    rated = sum(pair.rated for pair in pairs)
    return sum(pair.before for pair in pairs) / rated, sum(pair.after for pair in pairs) / rated


def _hypotenuse(one: float, other: float, alike: float) -> float:
    # Rounding may leave a zero slightly below itself.
    return math.sqrt(max(one * one - 2 * alike * one * other + other * other, 0.0))


def _correlation(pairs: Sequence[Pair]) -> float:
    if all(pair.rated == 1 for pair in pairs):
        return _phi(pairs)
    try:
        return correlation([pair.before / pair.rated for pair in pairs], [pair.after / pair.rated for pair in pairs])
    except StatisticsError:
        # There is one title only, or one side does not vary.
        return 0.0


def _phi(pairs: Sequence[Pair]) -> float:
    """Newcombe's estimate of the correlation: reduced by half a pair if it is positive."""
    both = sum(pair.before and pair.after for pair in pairs)
    neither = sum(not pair.before and not pair.after for pair in pairs)
    broken = sum(pair.before > pair.after for pair in pairs)
    fixed = sum(pair.before < pair.after for pair in pairs)
    margins = (both + broken) * (fixed + neither) * (both + fixed) * (broken + neither)
    if margins == 0:
        return 0.0
    covariance = both * neither - broken * fixed
    corrected = max(covariance - len(pairs) / 2, 0) if covariance > 0 else covariance
    return corrected / math.sqrt(margins)
