from __future__ import annotations

import dataclasses
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable

import pytest

from plotbot.measure.exit_status import ExitReasons, exit_status
from plotbot.measure.gate import GateResult, judge_gate, judge_gates
from plotbot.measure.intervals import clustered_interval, effective_answers
from plotbot.measure.metrics import ModelMetrics, measure_run
from plotbot.measure.repeats import Repeats
from plotbot.measure.tally import Tally
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


OUTCOMES = {
    "all good": (50, 0, 0, 0), "above": (48, 2, 0, 0), "close": (46, 4, 0, 0), "below": (30, 20, 0, 0),
    "all bad": (0, 50, 0, 0), "good, with errors": (48, 0, 2, 0), "good, not all run": (48, 0, 0, 2),
    "only errors": (0, 0, 50, 0), "nothing run": (0, 0, 0, 50), "no cases": (0, 0, 0, 0),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "point", "interval", "status_point", "status_interval", "status_without"),
    [
        ("all good", "PASS", "PASS", 0, 0, 0),
        ("above", "PASS", "INCONCLUSIVE", 0, 1, 1),
        ("close", "PASS", "INCONCLUSIVE", 0, 1, 1),
        ("below", "FAIL", "FAIL", 1, 1, 1),
        ("all bad", "FAIL", "FAIL", 1, 1, 1),
        ("good, with errors", "PASS", "PASS", 10, 10, 10),
        ("good, not all run", "PASS", "PASS", 10, 10, 10),
        ("only errors", "INCONCLUSIVE", "INCONCLUSIVE", 10, 10, 10),
        ("nothing run", "INCONCLUSIVE", "INCONCLUSIVE", 10, 10, 10),
        ("no cases", None, None, 5, 5, 5),
    ],
)
def test_verdicts_and_exit_statuses(
    make_run: MakeRun,
    name: str,
    point: str | None,
    interval: str | None,
    status_point: int,
    status_interval: int,
    status_without: int,
) -> None:
    passed, failed, error, not_run = OUTCOMES[name]
    rows = [{"model": "a", "outcome": outcome} for outcome in _outcomes(passed, failed, error)]
    metrics = measure_run(make_run(*rows, *[{"model": "a"}] * not_run))
    expected = {"point": (point, status_point), "interval": (interval, status_interval)}
    for how, (verdict, status) in expected.items():
        gates = judge_gates(metrics, {"*": 0.9}, how)
        assert [gate.verdict for gate in gates] == ([] if verdict is None else [verdict])
        assert exit_status(_end(metrics, gates)) == status
    assert exit_status(_end(metrics, ())) == status_without


def _outcomes(passed: int, failed: int, error: int) -> list[str]:
    return ["passed"] * passed + ["failed"] * failed + ["error"] * error


def _end(metrics: Iterable[ModelMetrics], gates: Iterable[GateResult]) -> ExitReasons:
    tallies = [one.tally for one in metrics]
    return ExitReasons(
        planned=sum(tally.planned for tally in tallies),
        errors=sum(tally.error for tally in tallies),
        not_run=sum(tally.not_run for tally in tallies),
        failures={tally.row: tally.failed for tally in tallies},
        gates=tuple(gates),
    )


def test_with_repeats_the_number_that_settles_is_one_of_titles(make_run: MakeRun) -> None:
    metrics = _metrics(make_run, 94, 6)
    alike = Repeats(titles=20, most=5, effective=20.0, pass_at={}, pass_all={}, flip_rate=0.0)
    interval = clustered_interval([(5, 5)] * 19 + [(0, 5)])
    repeated = dataclasses.replace(metrics, repeats=alike, interval=interval)
    assert _judge(repeated, 0.9, "interval").needed == 217
    worth_all = dataclasses.replace(repeated, repeats=dataclasses.replace(alike, effective=100.0))
    assert _judge(worth_all, 0.9, "interval").needed == 44


@pytest.mark.parametrize(
    ("rated", "threshold"),
    [(rated, t) for rated in (10, 25, 50, 100, 200, 400) for t in (0.5, 0.8, 0.9, 0.95) if rated * (1 - t) > 4.999],
)
def test_the_interval_gate_is_on_the_wrong_side_in_at_most_one_run_of_twenty(rated: int, threshold: float) -> None:
    # Exact, over all counts. The truths nearest to the threshold are the worst.
    verdicts = [_verdict_of([(1, 1)] * passed + [(0, 1)] * (rated - passed), threshold) for passed in range(rated + 1)]
    for truth in (threshold - 0.1, threshold - 0.02, threshold - 1e-9, threshold, threshold + 0.02):
        wrong = "PASS" if truth < threshold else "FAIL"
        chances = [math.comb(rated, k) * truth**k * (1 - truth) ** (rated - k) for k in range(rated + 1)]
        called_wrong = [chance for chance, verdict in zip(chances, verdicts, strict=True) if verdict == wrong]
        assert math.fsum(called_wrong) <= 0.05


@pytest.mark.parametrize("alike", [0.1, 0.4, 0.7])
@pytest.mark.parametrize(("count", "repeats"), [(50, 1), (50, 3), (20, 5)])
def test_of_ten_thousand_runs_with_known_truths_at_most_one_of_twenty_is_called_wrongly(
    count: int, repeats: int, alike: float
) -> None:
    # 9 times 1,112 runs, each a sample of titles whose answers are correlated by *alike*.
    draw, calls = random.Random(1), Counter[str]()
    for threshold, distance in itertools.product((0.7, 0.8, 0.9), (-0.1, -0.02, 0.02, 0.08)):
        truth = threshold + distance
        weights = _chances(repeats, truth, alike)
        for _ in range(93):
            titles = [(passed, repeats) for passed in draw.choices(range(repeats + 1), weights, k=count)]
            verdict = _verdict_of(titles, threshold)
            calls["wrong" if verdict == ("PASS" if distance < 0 else "FAIL") else verdict] += 1
    assert calls["wrong"] <= 0.05 * calls.total()
    assert calls["PASS"] > 0, "a gate that never decides is never wrong"
    assert calls["FAIL"] > 0


def _chances(repeats: int, rate: float, alike: float) -> list[float]:
    """The beta-binomial: the chances of 0 to *repeats* good answers to a title, any two correlated by *alike*."""
    good, bad = rate * (1 - alike) / alike, (1 - rate) * (1 - alike) / alike
    return [math.comb(repeats, k) * _beta(k + good, repeats - k + bad) / _beta(good, bad) for k in range(repeats + 1)]


def _beta(one: float, other: float) -> float:
    return math.exp(math.lgamma(one) + math.lgamma(other) - math.lgamma(one + other))


def _verdict_of(titles: list[tuple[int, int]], threshold: float) -> str:
    passed, rated = sum(one for one, _ in titles), sum(one for _, one in titles)
    often = any(one > 1 for _, one in titles)
    metrics = ModelMetrics(
        tally=Tally("a", passed=passed, failed=rated - passed),
        pass_rate=passed / rated,
        interval=clustered_interval(titles),
        failures={}, errors={}, tolerated=0, seconds_median=None, seconds_p95=None, speed=None, extra_attempts=0,
        prompt_tokens=0, completion_tokens=0, not_run=(),
        repeats=Repeats(len(titles), 2, effective_answers(titles), {}, {}, 0.0) if often else None,
    )  # fmt: skip
    return _judge(metrics, threshold, "interval").verdict
