from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from statistics import fmean

import pytest

from plotbot.measure.intervals import clustered_interval
from plotbot.measure.metrics import ModelMetrics, measure_run
from plotbot.measure.repeats import Repeats, pass_all_k, pass_at_k
from plotbot.records import RunRecords

MakeRun = Callable[..., RunRecords]


def _metrics(make_run: MakeRun, *titles: Sequence[str]) -> ModelMetrics:
    """One model's numbers; each title is the outcomes of its repeats."""
    rows = [
        {
            "model": "a", "title": f"t{number}", "repeat": repeat, "outcome": outcome,
            "case": f"c{number}-{repeat}", "item": f"test[c{number}-{repeat}]",
        }
        for number, outcomes in enumerate(titles)
        for repeat, outcome in enumerate(outcomes, start=1)
    ]  # fmt: skip
    (metrics,) = measure_run(make_run(*rows))
    return metrics


def _repeats(metrics: ModelMetrics) -> Repeats:
    assert metrics.repeats is not None
    return metrics.repeats


P, F, E = "passed", "failed", "error"


@pytest.mark.parametrize("rated", [1, 2, 5, 8])
def test_pass_at_k_and_pass_all_k_are_means_over_all_draws_of_k_answers(rated: int) -> None:
    for passed, k in itertools.product(range(rated + 1), range(1, rated + 1)):
        answers = [True] * passed + [False] * (rated - passed)
        draws = list(itertools.combinations(answers, k))
        assert pass_at_k(rated, passed, k) == pytest.approx(fmean(map(any, draws)), abs=1e-12)
        assert pass_all_k(rated, passed, k) == pytest.approx(fmean(map(all, draws)), abs=1e-12)


def test_a_title_with_both_verdicts_has_flipped(make_run: MakeRun) -> None:
    metrics = _metrics(make_run, [P, P, P], [P, F, P], [F, F, F], [F, P, F])
    repeats = _repeats(metrics)
    assert (repeats.titles, repeats.most, repeats.flip_rate) == (4, 3, 0.5)
    assert repeats.pass_at == {1: pytest.approx(0.5), 2: pytest.approx((1 + 1 + 0 + 2 / 3) / 4), 3: 0.75}
    assert repeats.pass_all == {1: pytest.approx(0.5), 2: pytest.approx((1 + 1 / 3) / 4), 3: 0.25}
    assert metrics.pass_rate == 0.5
    assert metrics.interval == clustered_interval([(3, 3), (2, 3), (0, 3), (1, 3)])


def test_errors_are_no_repeats(make_run: MakeRun) -> None:
    repeats = _repeats(_metrics(make_run, [P, P, P], [P, E, F], [P, E, E]))
    assert repeats.flip_rate == 0.5
    assert repeats.pass_at[1] == pytest.approx((1 + 0.5 + 1) / 3)
    assert repeats.pass_at[3] == 1.0, "one case alone was rated three times"


@pytest.mark.parametrize("titles", [[[P], [F]], [[P, E], [E, F]], [[E, E]], []])
def test_without_a_second_rated_answer_there_are_no_repeats(make_run: MakeRun, titles: list[list[str]]) -> None:
    rows = _metrics(make_run, *titles, [P])
    assert rows.repeats is None
    assert rows.interval is not None
    assert rows.interval.method == "wilson"


def test_the_same_title_in_two_formats_is_no_repeat_but_one_cluster(make_run: MakeRun) -> None:
    rows = [
        {
            "model": "a", "title": title, "format": form, "outcome": outcome,
            "case": f"{title}-{form}", "item": f"test[{title}-{form}]",
        }
        for title, outcome in (("t1", P), ("t2", F))
        for form in ("none", "json_schema")
    ]  # fmt: skip
    (metrics,) = measure_run(make_run(*rows))
    assert metrics.repeats is None
    assert metrics.interval == clustered_interval([(2, 2), (0, 2)])


def test_many_repeats_are_shown_at_powers_of_two_and_at_the_last(make_run: MakeRun) -> None:
    repeats = _repeats(_metrics(make_run, [P, F] * 5))
    assert list(repeats.pass_at) == list(repeats.pass_all) == [1, 2, 4, 8, 10]


def test_variants_are_measured_apart(make_run: MakeRun) -> None:
    rows = [
        {"model": "a", "variant": name, "title": f"t{n}", "outcome": outcome, "exchange": {"seconds": seconds}}
        for name, outcome, seconds in (("free", F, 1.0), ("json", P, 3.0))
        for n in range(4)
    ]
    free, constrained = measure_run(make_run(*rows, {**rows[0], "outcome": E}))
    assert (free.label, free.pass_rate, free.tally.error, free.seconds_median) == ("a free", 0.0, 1, 1.0)
    assert (constrained.pass_rate, constrained.tally.passed, constrained.seconds_median) == (1.0, 4, 3.0)
