from __future__ import annotations

import pytest

from plotbot.measure.intervals import wilson_interval
from plotbot.measure.paired_tests import Pair, difference_interval, mcnemar_exact, rates


def _table(both: int, broken: int, fixed: int, neither: int) -> list[Pair]:
    return [Pair(1, 1)] * both + [Pair(1, 0)] * broken + [Pair(0, 1)] * fixed + [Pair(0, 0)] * neither


@pytest.mark.parametrize(
    ("broken", "fixed", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (0, 5, 0.0625), (1, 7, 0.0703125), (4, 4, 1.0), (600, 600, 1.0)],
)
def test_mcnemar_of_small_and_large_numbers(broken: int, fixed: int, p: float) -> None:
    assert mcnemar_exact(broken, fixed) == mcnemar_exact(fixed, broken) == p


@pytest.mark.parametrize(
    ("table", "low", "high", "digits"),
    [
        # Altman, Machin, Bryant, Gardner, Statistics with confidence (2000), table 6.2, the signs turned.
        ((14, 5, 0, 22), -0.226, -0.011, 3),
        # Bentur et al. 2009, in Fagerland, Lydersen, Laake, Statistical analysis of contingency tables (2017), 8.3.
        ((1, 1, 7, 12), 0.026, 0.507, 3),
    ],
)
def test_the_interval_of_the_difference_is_the_published_one(
    table: tuple[int, int, int, int], low: float, high: float, digits: int
) -> None:
    interval = difference_interval(_table(*table))
    assert interval is not None
    assert (round(interval.low, digits), round(interval.high, digits)) == (low, high)


@pytest.mark.parametrize("table", [(10, 15, 5, 20), (40, 3, 1, 6), (5, 20, 20, 5), (36, 0, 9, 5)])
def test_the_interval_of_the_difference_is_method_10_written_out(table: tuple[int, int, int, int]) -> None:
    a, b, c, d = table
    n = sum(table)
    first, second = wilson_interval(a + b, n), wilson_interval(a + c, n)
    assert first is not None
    assert second is not None
    p1, p2 = (a + b) / n, (a + c) / n
    product = (a + b) * (c + d) * (a + c) * (b + d)
    top = a * d - b * c
    phi = ((top - n / 2 if top > n / 2 else min(top, 0)) / product**0.5) if product else 0.0
    dl1, du1, dl2, du2 = p1 - first.low, first.high - p1, p2 - second.low, second.high - p2
    low = p1 - p2 - (dl1**2 - 2 * phi * dl1 * du2 + du2**2) ** 0.5
    high = p1 - p2 + (du1**2 - 2 * phi * du1 * dl2 + dl2**2) ** 0.5
    interval = difference_interval(_table(*table))
    assert interval is not None
    # The paper's difference is before minus after.
    assert -interval.high == pytest.approx(low, abs=1e-12)
    assert -interval.low == pytest.approx(high, abs=1e-12)


def test_the_difference_of_a_run_and_itself_is_none() -> None:
    interval = difference_interval(_table(40, 0, 0, 10))
    assert interval is not None
    assert interval.low < 0 < interval.high
    assert interval.high < 0.07


def test_repeats_that_are_all_alike_add_next_to_nothing_to_the_difference() -> None:
    once = _table(20, 6, 2, 12)
    often = [Pair(pair.before * 5, pair.after * 5, 5) for pair in once]
    few, many = difference_interval(once), difference_interval(often)
    assert few is not None
    assert many is not None
    assert rates(often) == rates(once)
    # All that is left is the correction of half a pair, which is for single answers.
    assert many.high - many.low == pytest.approx(few.high - few.low, abs=0.02)


@pytest.mark.parametrize("pairs", [[Pair(2, 3, 3)], [Pair(3, 3, 3), Pair(3, 0, 3)], [Pair(0, 1, 2)] * 4])
def test_pairs_without_variation_have_an_interval_all_the_same(pairs: list[Pair]) -> None:
    interval = difference_interval(pairs)
    before, after = rates(pairs)
    assert interval is not None
    assert -1 <= interval.low <= after - before <= interval.high <= 1


def test_without_pairs_there_is_no_difference() -> None:
    assert difference_interval([]) is None
