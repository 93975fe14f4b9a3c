from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from plotbot.measure.exit_status import ExitReasons, exit_status
from plotbot.measure.gate import GateResult, GateVerdict
from plotbot.measure.tally import ModelVariant


def _gate(model: str, verdict: GateVerdict) -> GateResult:
    return GateResult(model, verdict, "point", 0.9, 0.95, None)


TABLE: list[tuple[dict[str, Any], int]] = [
    ({}, 0),
    ({"failures": {"a": 0}}, 0),
    ({"failures": {"a": 1}}, 1),
    ({"failures": {"a": 1}, "gates": [_gate("a", "PASS")]}, 0),
    ({"failures": {"a": 0}, "gates": [_gate("a", "PASS")]}, 0),
    ({"failures": {"a": 1}, "gates": [_gate("a", "FAIL")]}, 1),
    ({"gates": [_gate("a", "FAIL")]}, 1),
    ({"gates": [_gate("a", "INCONCLUSIVE")]}, 1),
    ({"failures": {"a": 1, "b": 1}, "gates": [_gate("a", "PASS"), _gate("b", "FAIL")]}, 1),
    ({"failures": {"a": 1, "b": 1}, "gates": [_gate("a", "PASS"), _gate("b", "PASS")]}, 0),
    ({"failures": {"a": 1, "b": 1}, "gates": [_gate("a", "PASS")]}, 1),
    ({"failures": {"a": 1, "b": 0}, "gates": [_gate("a", "PASS")]}, 0),
    ({"errors": 1}, 10),
    ({"errors": 1, "failures": {"a": 1}}, 10),
    ({"errors": 1, "gates": [_gate("a", "FAIL")]}, 10),
    ({"not_run": 1}, 10),
    ({"not_run": 1, "gates": [_gate("a", "PASS")]}, 10),
    ({"not_run": 3, "stopped_by_maxfail": True, "failures": {"a": 1}}, 1),
    ({"not_run": 3, "stopped_by_maxfail": True, "failures": {"a": 1}, "gates": [_gate("a", "PASS")]}, 1),
    ({"not_run": 0, "stopped_by_maxfail": True, "failures": {"a": 1}}, 1),
    ({"not_run": 3, "stopped_by_maxfail": True, "errors": 1}, 10),
    ({"planned": 0}, 5),
    ({"planned": 0, "gates": [_gate("a", "INCONCLUSIVE")]}, 5),
    ({"interrupted": True}, 2),
    ({"interrupted": True, "planned": 0}, 2),
    ({"interrupted": True, "not_run": 5, "errors": 1, "failures": {"a": 1}}, 2),
    ({"harness_fault": True, "interrupted": True, "errors": 1}, 3),
    ({"harness_fault": True, "planned": 0}, 3),
    ({"usage": True, "harness_fault": True, "interrupted": True, "errors": 1}, 4),
    ({"usage": True, "planned": 0}, 4),
]


@pytest.mark.parametrize(("end", "status"), TABLE)
def test_the_first_reason_that_applies_is_the_exit_status(end: dict[str, Any], status: int) -> None:
    failures = {ModelVariant(model): count for model, count in end.get("failures", {}).items()}
    assert exit_status(ExitReasons(**{"planned": 10, **end, "failures": failures})) == status


def test_a_gate_excuses_the_failures_of_its_own_variant_only() -> None:
    failures, held = {ModelVariant("a", "x"): 1, ModelVariant("a", "y"): 1}, replace(_gate("a", "PASS"), variant="x")
    assert exit_status(ExitReasons(planned=10, failures=failures, gates=[held])) == 1
    assert exit_status(ExitReasons(planned=10, failures=failures, gates=[held, replace(held, variant="y")])) == 0
