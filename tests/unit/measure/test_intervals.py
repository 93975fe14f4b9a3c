from __future__ import annotations

import math
import random

import pytest

from plotbot.measure.intervals import (
    Interval,
    clustered_interval,
    effective_answers,
    rated_to_settle,
    wilson_interval,
)

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


@pytest.mark.parametrize(
    ("rated", "rate", "coverage"),
    [
        # By SciPy's binomial and statsmodels' intervals. All are within 93 to 97 % but one: n = 50 at p = 0.9 covers
        # 97.03 %, a trifle more than the literature's 97.
        (50, 0.5, 0.9351),
        (50, 0.8, 0.9507),
        (50, 0.9, 0.9703),
        (200, 0.5, 0.9440),
        (200, 0.8, 0.9585),
        (200, 0.9, 0.9561),
    ],
)
def test_the_exact_coverage_of_the_interval(rated: int, rate: float, coverage: float) -> None:
    covered = [k for k in range(rated + 1) if _interval(k, rated).low <= rate <= _interval(k, rated).high]
    chances = [math.comb(rated, k) * rate**k * (1 - rate) ** (rated - k) for k in covered]
    assert math.fsum(chances) == pytest.approx(coverage, abs=5e-5)
    assert 0.93 <= coverage <= 0.9704


@pytest.mark.parametrize("titles", [[], [(0, 0)], [(0, 1)] * 3, [(1, 1)] * 9 + [(0, 1)], [(1, 1), (0, 0)]])
def test_titles_that_are_asked_once_have_the_plain_interval(titles: list[tuple[int, int]]) -> None:
    passed, rated = sum(one for one, _ in titles), sum(one for _, one in titles)
    assert clustered_interval(titles) == wilson_interval(passed, rated)


def test_repeats_that_are_all_alike_are_worth_one_answer_a_title() -> None:
    titles = [(5, 5)] * 8 + [(0, 5)] * 2
    assert effective_answers(titles) == pytest.approx(10)
    interval, plain = clustered_interval(titles), _interval(8, 10)
    assert interval is not None
    assert interval.low == pytest.approx(plain.low)
    assert interval.high == pytest.approx(plain.high)
    assert (interval.method, plain.method) == ("wilson_clustered", "wilson")


@pytest.mark.parametrize("titles", [[(3, 3)] * 10, [(0, 3)] * 10, [(2, 3)]])
def test_where_nothing_varies_the_cautious_end_is_taken(titles: list[tuple[int, int]]) -> None:
    assert effective_answers(titles) == pytest.approx(len(titles))


def test_repeats_as_different_as_titles_are_worth_nearly_all_answers_when_titles_are_many() -> None:
    titles = [(3, 6)] * 100
    assert effective_answers(titles) == pytest.approx(600 * 104 / 124)


def test_the_design_effect_is_that_of_rao_and_scott() -> None:
    titles = [(1, 4), (4, 4), (1, 5), (3, 3)]
    spread = sum((passed - 9 / 16 * rated) ** 2 for passed, rated in titles)
    seen = 4 / 3 * spread / (16 * 9 / 16 * 7 / 16)
    alike = (16 + 16 + 25 + 9) / 16
    assert 1 < seen < alike
    assert effective_answers(titles) == pytest.approx(16 / ((4 * seen + 4 * alike) / 8))


@pytest.mark.parametrize(
    ("count", "repeats", "rate", "alike"), [(10, 5, 0.8, 0.0), (10, 5, 0.8, 0.3), (20, 3, 0.9, 0.5), (20, 5, 0.7, 1.0)]
)
def test_the_clustered_interval_covers_the_truth(count: int, repeats: int, rate: float, alike: float) -> None:
    draw = random.Random(7)
    titles = ([_answers(draw, repeats, rate, alike) for _ in range(count)] for _ in range(1500))
    found = [clustered_interval(one) for one in titles]
    covered = sum(interval is not None and interval.low <= rate <= interval.high for interval in found)
    assert covered / 1500 >= 0.92


def _answers(draw: random.Random, repeats: int, rate: float, alike: float) -> tuple[int, int]:
    """A title's answers; *alike* is the correlation of two of them: 0 is independent, 1 is always the same."""
    if alike == 1:
        return (repeats if draw.random() < rate else 0), repeats
    weight = (1 - alike) / alike if alike else 0
    own = draw.betavariate(rate * weight, (1 - rate) * weight) if alike else rate
    return sum(draw.random() < own for _ in range(repeats)), repeats


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
