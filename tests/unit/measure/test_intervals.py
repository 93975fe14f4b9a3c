from __future__ import annotations

import math

import pytest

from plotbot.measure.intervals import Interval, rated_to_settle, wilson_interval

# statsmodels 0.15: proportion_confint(passed, rated, 0.05, "wilson")
STATSMODELS = [
    (0, 1, 0.0, 0.7934506856227627),
    (1, 1, 0.2065493143772374, 1.0),
    (1, 2, 0.09453120573423068, 0.9054687942657693),
    (0, 10, 0.0, 0.27753279986288926),
    (8, 10, 0.49016247153664183, 0.9433178485456247),
    (10, 10, 0.7224672001371106, 1.0),
    (47, 50, 0.8378290831116182, 0.979385029651026),
    (180, 200, 0.8505941875672826, 0.9343295513309041),
    (9999, 10000, 0.9994337311025987, 0.9999823473263989),
]


def _interval(passed: int, rated: int) -> Interval:
    interval = wilson_interval(passed, rated)
    assert interval is not None
    return interval


@pytest.mark.parametrize(("passed", "rated", "low", "high"), STATSMODELS)
def test_the_interval_is_that_of_an_independent_implementation(
    passed: int, rated: int, low: float, high: float
) -> None:
    interval = _interval(passed, rated)
    assert interval.low == pytest.approx(low, abs=1e-9)
    assert interval.high == pytest.approx(high, abs=1e-9)


def test_nothing_rated_has_no_interval() -> None:
    assert wilson_interval(0, 0) is None


def test_the_ends_are_exact_where_all_passed_or_none_did() -> None:
    for rated in range(1, 2000):
        assert _interval(rated, rated).high == 1.0
        assert _interval(0, rated).low == 0.0


@pytest.mark.parametrize("rate", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("rated", [50, 200])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(rate: float, rated: int) -> None:
    covered = [k for k in range(rated + 1) if _interval(k, rated).low <= rate <= _interval(k, rated).high]
    coverage = sum(math.comb(rated, k) * rate**k * (1 - rate) ** (rated - k) for k in covered)
    assert 0.93 <= round(coverage, 2) <= 0.97


@pytest.mark.parametrize(("rate", "threshold"), [(0.94, 0.9), (0.8, 0.9), (0.5, 0.52), (0.99, 0.95)])
def test_the_number_that_settles_is_the_smallest_one(rate: float, threshold: float) -> None:
    needed = rated_to_settle(rate, threshold)
    assert needed is not None
    # Score intervals with a fractional number of passes, so that the rate stays exactly as it is.
    assert _excludes(rate, needed, threshold)
    assert not _excludes(rate, needed - 1, threshold)


@pytest.mark.parametrize("rate", [0.0, 0.9, 1.0])
def test_no_number_settles_a_rate_that_is_the_threshold(rate: float) -> None:
    assert rated_to_settle(rate, rate) is None


def _excludes(rate: float, rated: int, threshold: float) -> bool:
    z = 1.959963984540054
    middle = (rate + z * z / (2 * rated)) / (1 + z * z / rated)
    half = z / (1 + z * z / rated) * math.sqrt(rate * (1 - rate) / rated + z * z / (4 * rated * rated))
    return not middle - half < threshold < middle + half
