from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from plotbot.measure.intervals import wilson_interval
from plotbot.measure.metrics import ModelMetrics, measure_run
from plotbot.measure.speed import Speed
from plotbot.records import RunRecords

MakeRun = Callable[..., RunRecords]


def _only(records: RunRecords) -> ModelMetrics:
    (metrics,) = measure_run(records)
    return metrics


def test_errors_and_skips_are_never_in_the_denominator(make_run: MakeRun) -> None:
    outcomes = ["passed"] * 3 + ["failed"] + ["error"] * 5 + ["skipped"] * 7
    metrics = _only(make_run(*({"model": "a", "outcome": outcome} for outcome in outcomes), {"model": "a"}))
    assert metrics.pass_rate == 0.75
    assert metrics.interval == wilson_interval(3, 4)
    assert metrics.tally.planned == 17
    assert metrics.not_run == ("test[16]",)


@pytest.mark.parametrize("outcomes", [[], ["error", "skipped"]])
def test_a_model_without_rated_items_has_no_rate(make_run: MakeRun, outcomes: list[str]) -> None:
    metrics = _only(make_run({"model": "a"}, *({"model": "a", "outcome": outcome} for outcome in outcomes)))
    assert (metrics.pass_rate, metrics.interval) == (None, None)


def test_an_empty_plan_has_no_models(make_run: MakeRun) -> None:
    assert measure_run(make_run()) == ()


def test_categories_are_counted_apart_and_the_most_frequent_comes_first(make_run: MakeRun) -> None:
    rows = [("failed", "schema")] + [("failed", "fenced")] * 2 + [("error", "timeout"), ("failed", "empty")]
    metrics = _only(make_run(*({"model": "a", "outcome": outcome, "category": name} for outcome, name in rows)))
    assert list(metrics.failures.items()) == [("fenced", 2), ("empty", 1), ("schema", 1)]
    assert metrics.errors == {"timeout": 1}


def test_a_tolerated_answer_passes_and_is_counted_as_tolerated(make_run: MakeRun) -> None:
    row = {"model": "a", "outcome": "passed", "category": "fenced", "tolerated": True}
    metrics = _only(make_run(row, {"model": "a", "outcome": "passed"}))
    assert (metrics.tolerated, metrics.pass_rate, metrics.failures) == (1, 1.0, {})


def test_seconds_are_those_of_the_attempts_that_brought_a_reply(make_run: MakeRun) -> None:
    times = [{"seconds": float(second)} for second in range(1, 21)]
    faulty = {"seconds": 900.0, "faulty": True}
    metrics = _only(make_run(*({"model": "a", "exchange": exchange} for exchange in [*times, faulty])))
    assert metrics.seconds_median == 10.5
    assert metrics.seconds_p95 == 19.0


def test_two_items_of_one_case_spend_its_tokens_once(make_run: MakeRun) -> None:
    exchange = {"attempts": 3, "prompt_tokens": 100, "completion_tokens": 40}
    metrics = _only(make_run(*[{"model": "a", "case": "shared", "exchange": exchange}] * 2))
    assert (metrics.prompt_tokens, metrics.completion_tokens, metrics.total_tokens) == (100, 40, 140)
    assert metrics.extra_attempts == 2


@pytest.mark.parametrize(
    ("exchanges", "source"),
    [
        ([{"tokens_per_second": 2.5}, {}], "server"),
        ([{"completion_tokens": 10, "seconds": 4.0}], "measured"),
        ([{"tokens_per_second": 2.5}, {"completion_tokens": 10, "seconds": 4.0}], "mixed"),
    ],
)
def test_the_models_speed_says_whose_figure_it_is(
    make_run: MakeRun, exchanges: list[dict[str, Any]], source: str
) -> None:
    metrics = _only(make_run(*({"model": "a", "exchange": exchange} for exchange in exchanges)))
    assert metrics.speed == Speed(2.5, source)


def test_a_model_without_replies_has_no_speed_and_no_seconds(make_run: MakeRun) -> None:
    metrics = _only(make_run({"model": "a", "exchange": {"faulty": True}}))
    assert (metrics.speed, metrics.seconds_median, metrics.seconds_p95) == (None, None, None)
