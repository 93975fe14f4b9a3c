from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import plotbot.report.summary_json
from plotbot.measure.gate import GateResult, judge_gates
from plotbot.measure.metrics import ModelMetrics, measure_run
from plotbot.records import RunRecords
from plotbot.report.summary_json import SCHEMA_VERSION, summarise

MakeRecords = Callable[..., RunRecords]
MakeMetrics = Callable[..., ModelMetrics]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    path = Path(plotbot.report.summary_json.__file__).with_name("summary.schema.json")
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(document)
    return document


def _through_json(summary: dict[str, Any]) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(json.dumps(summary, allow_nan=False))
    return parsed


@pytest.mark.parametrize("how", ["point", "interval"])
def test_the_summary_of_a_run_satisfies_its_documented_schema(
    make_records: MakeRecords, schema: dict[str, Any], how: str
) -> None:
    records = make_records(
        ("t[a]", "passed", "ok", ""), ("t[b]", "failed", "schema", "x"), None, header={"version": "1"}
    )
    metrics = measure_run(records)
    summary = _through_json(summarise(records, metrics, judge_gates(metrics, {"*": 0.9}, how), 10))
    jsonschema.validate(summary, schema)
    assert schema["properties"]["schema_version"]["const"] == SCHEMA_VERSION


def test_the_summary_of_an_empty_dead_run_satisfies_it_too(make_records: MakeRecords, schema: dict[str, Any]) -> None:
    summary = _through_json(summarise(make_records(), ()))
    jsonschema.validate(summary, schema)
    assert (summary["exit_status"], summary["total"]["planned"]) == (None, 0)


def test_the_summary_lists_what_was_not_run(make_records: MakeRecords) -> None:
    records = make_records(("t[a]", "passed", "ok", ""), None)
    summary = summarise(records, measure_run(records))
    assert summary["models"][0]["not_run"] == ["item-case1"]
    assert summary["total"] == {
        "planned": 2,
        "passed": 1,
        "failed": 0,
        "error": 0,
        "skipped": 0,
        "not_run": 1,
        "not_needed": 0,
    }
    assert summary["complete"] is False


@pytest.mark.parametrize(
    ("boxes", "complete"), [({"passed": 1, "failed": 1}, True), ({"passed": 1, "error": 1}, False)]
)
def test_errors_leave_a_run_incomplete(
    make_records: MakeRecords, make_metrics: MakeMetrics, boxes: dict[str, int], complete: bool
) -> None:
    assert summarise(make_records(), [make_metrics(**boxes)])["complete"] is complete


def test_the_summary_carries_every_number(make_records: MakeRecords, make_metrics: MakeMetrics) -> None:
    metrics = make_metrics("m", passed=47, failed=3, failures={"fenced": 3}, tolerated=2, extra_attempts=4)
    gate = GateResult("m", "INCONCLUSIVE", "interval", 0.9, 0.94, metrics.interval, 217)
    model = summarise(make_records(), [metrics], [gate])["models"][0]
    assert model["pass_rate"] == 0.94
    assert model["interval"] == {
        "low": pytest.approx(0.8378, abs=1e-4), "high": pytest.approx(0.9794, abs=1e-4),
        "confidence": 0.95, "method": "wilson",
    }  # fmt: skip
    assert model["seconds"] == {"median": 1.234, "p95": 5.0}
    assert model["tokens_per_second"] == {"median": 56.78, "source": "server"}
    assert model["tokens"] == {"prompt": 100, "completion": 40, "total": 140}
    assert (model["failures"], model["tolerated"], model["extra_attempts"]) == ({"fenced": 3}, 2, 4)
    assert (model["gate"]["verdict"], model["gate"]["needed"]) == ("INCONCLUSIVE", 217)
    assert "model" not in model["gate"]


def test_a_lone_surrogate_in_a_model_name_can_be_written(make_records: MakeRecords, make_metrics: MakeMetrics) -> None:
    summary = summarise(make_records(), [make_metrics("\ud800\x00", passed=1)])
    assert json.dumps(summary).encode("ascii")
