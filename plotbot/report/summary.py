"""The content of `summary.json`: a run in numbers, for programs.

`summary.schema.json` beside this file describes every field. `schema_version` goes up when a field changes its
meaning or goes away; new fields may come without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from plotbot.measure.accounting import Tally, total_tally
from plotbot.measure.gate import GateResult
from plotbot.measure.intervals import CONFIDENCE, Interval
from plotbot.measure.metrics import ModelMetrics, Speed
from plotbot.records import RunRecords

SCHEMA_VERSION = 1


def summarise(
    records: RunRecords,
    metrics: Sequence[ModelMetrics],
    gates: Sequence[GateResult] = (),
    exit_status: int | None = None,
) -> dict[str, Any]:
    """A run as builtin types, ready for `json.dumps` with its default ASCII escapes.

    *metrics* are those of *records*; *exit_status* is None for a run that nobody has brought to its end.
    """
    by_model = {gate.model: gate for gate in gates}
    total = total_tally(one.tally for one in metrics)
    return {
        "schema_version": SCHEMA_VERSION,
        "run": records.run,
        "header": dict(records.header),
        "exit_status": exit_status,
        "complete": total.not_run == 0 and total.error == 0,
        "total": _tally(total),
        "models": [_model(one, by_model.get(one.model)) for one in metrics],
    }


def _model(metrics: ModelMetrics, gate: GateResult | None) -> dict[str, Any]:
    return {
        "model": metrics.model,
        "tally": _tally(metrics.tally),
        "pass_rate": metrics.pass_rate,
        "interval": _interval(metrics.interval),
        "failures": dict(metrics.failures),
        "errors": dict(metrics.errors),
        "tolerated": metrics.tolerated,
        "seconds": {"median": metrics.seconds_median, "p95": metrics.seconds_p95},
        "tokens_per_second": _speed(metrics.speed),
        "tokens": {
            "prompt": metrics.prompt_tokens,
            "completion": metrics.completion_tokens,
            "total": metrics.total_tokens,
        },
        "extra_attempts": metrics.extra_attempts,
        "not_run": list(metrics.not_run),
        "gate": None if gate is None else {**_without_model(gate), "interval": _interval(gate.interval)},
    }


def _tally(tally: Tally) -> dict[str, int]:
    return {
        "planned": tally.planned,
        "passed": tally.passed,
        "failed": tally.failed,
        "error": tally.error,
        "skipped": tally.skipped,
        "not_run": tally.not_run,
    }


def _interval(interval: Interval | None) -> dict[str, Any] | None:
    if interval is None:
        return None
    return {"low": interval.low, "high": interval.high, "confidence": CONFIDENCE, "method": "wilson"}


def _speed(speed: Speed | None) -> Mapping[str, Any] | None:
    return None if speed is None else {"median": speed.tokens_per_second, "source": speed.source}


def _without_model(gate: GateResult) -> dict[str, Any]:
    fields = asdict(gate)
    del fields["model"]
    return fields
