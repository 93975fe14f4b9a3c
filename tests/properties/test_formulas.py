"""The formulas of plotbot/measure, compared with independent implementations."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from plotbot.measure.intervals import Interval, wilson_interval
from plotbot.measure.paired_tests import Pair, difference_interval, holm, mcnemar_exact
from plotbot.measure.pairing import pair_titles
from plotbot.measure.repeats import pass_at_k
from plotbot.measure.verdict_sheet import TitleVerdicts


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


def test_holm_is_that_of_statsmodels() -> None:
    multitest, draw = pytest.importorskip("statsmodels.stats.multitest"), random.Random(5)
    for size in [1, 2, 3, 9, 30]:
        # Some of them are equal, as p values of few titles often are.
        p_values = [draw.choice([draw.random(), 0.03, 0.5]) for _ in range(size)]
        expected = multitest.multipletests(p_values, method="holm")[1]
        assert holm(p_values) == pytest.approx(list(expected), abs=1e-12)


def test_the_interval_of_a_difference_is_newcombes_method_10_from_the_intervals_of_statsmodels() -> None:
    proportion, draw = pytest.importorskip("statsmodels.stats.proportion"), random.Random(6)
    for _ in range(50):
        both, broken, fixed, neither = (draw.randrange(1, 40) for _ in range(4))
        n = both + broken + fixed + neither
        pairs = [Pair(1, 1)] * both + [Pair(1, 0)] * broken + [Pair(0, 1)] * fixed + [Pair(0, 0)] * neither
        before, after = (both + broken) / n, (both + fixed) / n
        margins = (both + broken) * (fixed + neither) * (both + fixed) * (broken + neither)
        covariance = both * neither - broken * fixed
        phi = (max(covariance - n / 2, 0) if covariance > 0 else covariance) / math.sqrt(margins)
        low_b, high_b = proportion.proportion_confint(both + broken, n, 0.05, "wilson")
        low_a, high_a = proportion.proportion_confint(both + fixed, n, 0.05, "wilson")
        lower = (after - low_a) ** 2 - 2 * phi * (after - low_a) * (high_b - before) + (high_b - before) ** 2
        upper = (high_a - after) ** 2 - 2 * phi * (high_a - after) * (before - low_b) + (before - low_b) ** 2
        found = difference_interval(pairs)
        assert found is not None
        expected = (after - before - math.sqrt(lower), after - before + math.sqrt(upper))
        assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)


def test_the_test_of_titles_with_repeats_is_scipys_sign_test() -> None:
    stats, draw = pytest.importorskip("scipy.stats"), random.Random(7)
    for _ in range(60):
        before = {f"t{n}": _verdicts(draw) for n in range(draw.randrange(1, 60))}
        after = {title: _verdicts(draw) for title in before}
        paired = pair_titles(before, after)
        goods = [
            [verdicts.count("ok") for verdicts in (one[title][""].verdicts for one in (before, after))]
            for title in before
        ]
        worse, better = (sum(then > now for then, now in goods), sum(then < now for then, now in goods))
        expected = stats.binomtest(worse, worse + better).pvalue if worse + better else 1.0
        assert paired.p == pytest.approx(float(expected), abs=1e-12)
        answers = 3 * len(before)
        assert paired.rate_before == pytest.approx(sum(then for then, _ in goods) / answers)
        assert paired.rate_after == pytest.approx(sum(now for _, now in goods) / answers)


def _verdicts(draw: random.Random) -> dict[str, TitleVerdicts]:
    return {"": TitleVerdicts("headline", tuple(draw.choices(["ok", "schema"], [3, 1], k=3)))}
