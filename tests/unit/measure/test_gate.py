from __future__ import annotations

from collections.abc import Callable

import pytest

from plotbot.measure.gate import GateResult, judge_gate, judge_gates
from plotbot.measure.metrics import ModelMetrics, measure_run
from plotbot.records import RunRecords

MakeRun = Callable[..., RunRecords]


def _metrics(make_run: MakeRun, passed: int, failed: int, error: int = 0, model: str = "a") -> ModelMetrics:
    outcomes = ["passed"] * passed + ["failed"] * failed + ["error"] * error
    (metrics,) = measure_run(make_run(*({"model": model, "outcome": outcome} for outcome in outcomes)))
    return metrics


def _judge(metrics: ModelMetrics, threshold: float, how: str) -> GateResult:
    gate = judge_gate(metrics, {"*": threshold}, how)
    assert gate is not None
    return gate


@pytest.mark.parametrize(
    ("passed", "failed", "threshold", "how", "verdict"),
    [
        (9, 1, 0.9, "point", "PASS"),
        (89, 11, 0.9, "point", "FAIL"),
        (10, 0, 1.0, "point", "PASS"),
        (0, 10, 0.0, "point", "PASS"),
        (9, 1, 0.9, "interval", "INCONCLUSIVE"),
        (180, 20, 0.85, "interval", "PASS"),
        (180, 20, 0.95, "interval", "FAIL"),
        (0, 10, 0.0, "interval", "PASS"),
        (10, 0, 1.0, "interval", "INCONCLUSIVE"),
        (9, 1, 1.0, "interval", "FAIL"),
    ],
)
def test_the_verdict_of_a_gate(
    make_run: MakeRun, passed: int, failed: int, threshold: float, how: str, verdict: str
) -> None:
    assert _judge(_metrics(make_run, passed, failed), threshold, how).verdict == verdict


@pytest.mark.parametrize("how", ["point", "interval"])
def test_without_a_rated_case_a_gate_is_inconclusive(make_run: MakeRun, how: str) -> None:
    gate = _judge(_metrics(make_run, 0, 0, error=3), 0.9, how)
    assert (gate.verdict, gate.rate, gate.needed) == ("INCONCLUSIVE", None, None)


def test_an_inconclusive_gate_says_how_many_cases_would_settle_it(make_run: MakeRun) -> None:
    gate = _judge(_metrics(make_run, 47, 3), 0.9, "interval")
    assert (gate.verdict, gate.needed) == ("INCONCLUSIVE", 217)
    settled = _judge(_metrics(make_run, 204, 13), 0.9, "interval")
    assert (settled.verdict, settled.needed) == ("PASS", None)


def test_no_number_settles_a_rate_on_the_threshold(make_run: MakeRun) -> None:
    assert _judge(_metrics(make_run, 9, 1), 0.9, "interval").needed is None


def test_a_models_own_threshold_goes_before_the_common_one(make_run: MakeRun) -> None:
    metrics = [_metrics(make_run, 8, 2, model=model) for model in ("a", "b")]
    gates = judge_gates(metrics, {"*": 0.9, "b": 0.5})
    assert [(gate.model, gate.threshold, gate.verdict) for gate in gates] == [("a", 0.9, "FAIL"), ("b", 0.5, "PASS")]


def test_a_model_without_a_threshold_has_no_gate(make_run: MakeRun) -> None:
    assert judge_gates([_metrics(make_run, 1, 0)], {"other": 0.5}) == ()
