"""The boundaries of the sequential gate, compared with another dynamic programme (binomial steps from scipy)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest

from plotbot.measure.sequential import ALPHA, Design, design, expectation, sequential_interval

Chances = tuple[float, float, float]


@pytest.fixture(scope="module")
def independent() -> Callable[[Design, float], Chances]:
    """Chances of PASS and FAIL and the mean number of titles, by whole arrays, look by look, without any cut-off."""
    numpy, stats = pytest.importorskip("numpy"), pytest.importorskip("scipy.stats")

    def chances(test: Design, rate: float) -> Chances:
        alive: Any = numpy.array([1.0])
        passed = failed = mean = 0.0
        before = 0
        for look, upper, lower in zip(test.looks, test.passes, test.fails, strict=True):
            step = look - before
            mean += float(alive.sum()) * step
            alive = numpy.convolve(alive, stats.binom.pmf(numpy.arange(step + 1), step, rate))
            count = numpy.arange(len(alive))
            passed += float(alive[count >= upper].sum())
            failed += float(alive[count <= lower].sum())
            alive, before = numpy.where((count < upper) & (count > lower), alive, 0.0), look
        return passed, failed, mean

    return chances


@pytest.mark.parametrize(("threshold", "titles"), [*itertools.product((0.5, 0.8, 0.9, 0.95), (20, 50, 200, 500, 1000))])
def test_each_error_is_at_most_five_percent_and_no_narrower_boundary_would_do(
    independent: Callable[[Design, float], Chances], threshold: float, titles: int
) -> None:
    test = design(threshold, titles, 20)
    passed, failed, _ = independent(test, threshold)
    assert passed <= ALPHA
    assert failed <= ALPHA
    for rate in (threshold, 0.4, 0.75, 0.9, 0.98):
        told = expectation(test, rate)
        assert (told.passed, told.failed, told.titles) == pytest.approx(independent(test, rate), abs=1e-9)
    # The next lower score that can occur, on either side, errs too often.
    for side, score in ((threshold, test.pass_score), (1 - threshold, test.fail_score)):
        spread = [(look, math.sqrt(look * side * (1 - side))) for look in test.looks]
        scores = {(one - look * side) / root for look, root in spread for one in range(look + 1)}
        below = max(one for one in scores if one < score - 1e-9)
        wider = [math.ceil(look * side + below * root - 1e-9) for look, root in spread]
        one_sided = Design(side, test.looks, tuple(wider), (-1,) * len(wider), below, below)
        assert independent(one_sided, side)[0] > ALPHA


@pytest.mark.parametrize(("rate", "titles"), [(0.98, 74), (0.8, 72), (0.7, 31), (0.95, 139), (0.5, 20)])
def test_the_titles_on_average_are_those_of_the_design(rate: float, titles: float) -> None:
    assert expectation(design(0.9, 200, 20), rate).titles == pytest.approx(titles, abs=1)


def test_the_interval_agrees_with_the_verdict_after_every_look() -> None:
    test = design(0.8, 60, 20)
    for position, look in enumerate(test.looks):
        for passed in range(look + 1):
            interval = sequential_interval(passed, test, position)
            assert interval.low <= passed / look <= interval.high
            assert (passed >= test.passes[position]) == (interval.low >= test.threshold)
            assert (passed <= test.fails[position]) == (interval.high <= test.threshold)


@pytest.mark.parametrize("rate", [0.5, 0.75, 0.8, 0.85, 0.95])
def test_each_end_of_the_interval_holds_with_ninety_five_percent_whenever_the_run_stops(rate: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    test = design(0.8, 100, 20)
    alive, too_high, too_low = {0: 1.0}, 0.0, 0.0
    for position, (look, upper, lower) in enumerate(zip(test.looks, test.passes, test.fails, strict=True)):
        stepped: dict[int, float] = {}
        for (passed, chance), more in itertools.product(alive.items(), range(21)):
            stepped[passed + more] = stepped.get(passed + more, 0.0) + chance * float(stats.binom.pmf(more, 20, rate))
        stops = {one for one in stepped if one >= upper or one <= lower or look == test.titles}
        for passed in stops:
            interval = sequential_interval(passed, test, position)
            too_high += stepped[passed] * (interval.low > rate)
            too_low += stepped[passed] * (interval.high < rate)
        alive = {passed: chance for passed, chance in stepped.items() if passed not in stops}
    assert too_high <= ALPHA
    assert too_low <= ALPHA
