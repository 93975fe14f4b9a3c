"""The formulas of plotbot/measure, compared with independent implementations."""

from __future__ import annotations

import itertools

import pytest

from plotbot.measure.intervals import Interval, wilson_interval
from plotbot.measure.paired_tests import mcnemar_exact
from plotbot.measure.repeats import pass_at_k


def _interval(passed: int, rated: int) -> Interval:
    interval = wilson_interval(passed, rated)
    assert interval is not None
    return interval


@pytest.mark.parametrize("rated", [1, 2, 7, 50, 333, 10_000])
def test_the_interval_is_that_of_statsmodels_for_every_count(rated: int) -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    for passed in range(0, rated + 1, max(rated // 50, 1)):
        low, high = proportion.proportion_confint(passed, rated, 0.05, "wilson")
        assert _interval(passed, rated).low == pytest.approx(low, abs=1e-9)
        assert _interval(passed, rated).high == pytest.approx(high, abs=1e-9)


@pytest.mark.parametrize(("rated", "passed", "k"), [(200, 3, 100), (200, 150, 10), (1000, 1, 1), (10_000, 5000, 7)])
def test_pass_at_k_is_the_stable_product_of_the_paper(rated: int, passed: int, k: int) -> None:
    numpy = pytest.importorskip("numpy")
    # Chen et al. 2021, figure 3.
    paper = 1.0 - numpy.prod(1.0 - k / numpy.arange(rated - passed + 1, rated + 1))
    assert pass_at_k(rated, passed, k) == pytest.approx(float(paper), abs=1e-9)


def test_mcnemar_is_that_of_statsmodels() -> None:
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    for broken, fixed in itertools.product(range(0, 30, 3), range(25)):
        expected = tables.mcnemar([[5, broken], [fixed, 7]], exact=True).pvalue
        assert mcnemar_exact(broken, fixed) == pytest.approx(expected, abs=1e-9)
