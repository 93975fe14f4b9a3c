from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from plotbot.measure.intervals import wilson_interval
from plotbot.measure.metrics import ModelMetrics
from plotbot.measure.speed import Speed
from plotbot.measure.tally import Tally
from plotbot.records import Case, ItemResult, PlannedItem, RunRecords, Title


@pytest.fixture
def make_metrics() -> Callable[..., ModelMetrics]:
    """One model's metrics: boxes of its tally by name, and any field of ModelMetrics."""

    def build(model: str = "qwen/qwen3-4b", /, **given: Any) -> ModelMetrics:
        boxes = {name: given.pop(name, 0) for name in ("passed", "failed", "error", "skipped")}
        not_run: tuple[str, ...] = given.pop("not_run", ())
        tally = Tally(model, **boxes, not_run=len(not_run))
        fields: Mapping[str, Any] = {
            "tally": tally,
            "pass_rate": tally.passed / tally.rated if tally.rated else None,
            "interval": wilson_interval(tally.passed, tally.rated),
            "failures": {},
            "errors": {},
            "tolerated": 0,
            "seconds_median": 1.234,
            "seconds_p95": 5.0,
            "speed": Speed(56.78, "server"),
            "extra_attempts": 0,
            "prompt_tokens": 100,
            "completion_tokens": 40,
            "not_run": not_run,
        }
        return ModelMetrics(**{**fields, **given})

    return build


@pytest.fixture
def make_records() -> Callable[..., RunRecords]:
    """A run of one model and these results, `(item, outcome, category, message)` each; None is an item not run."""

    def build(*results: tuple[str, str, str, str] | None, model: str = "m", header: Any = None) -> RunRecords:
        named = [(f"case{number}", result) for number, result in enumerate(results)]
        rows = [ItemResult(case, *result) for case, result in named if result is not None]
        return RunRecords(
            run="20260101-run",
            header=header or {},
            cases={case: Case(case, case, model, Title(case, "t"), "h", "none", 1, 1) for case, _ in named},
            items=tuple(PlannedItem(result[0] if result else f"item-{case}", case) for case, result in named),
            exchanges={},
            results={row.item: row for row in rows},
        )

    return build
