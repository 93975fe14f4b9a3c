"""The content of `summary.json`: a run in numbers, for programs.

`summary.schema.json` beside this file describes every field. `schema_version` goes up when a field changes its
meaning or is removed; new fields do not change it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from plotbot.measure.gate import GateResult
from plotbot.measure.groups import GroupMetrics
from plotbot.measure.hosts import FieldByHost, HostMetrics, Hosts
from plotbot.measure.intervals import CONFIDENCE, Interval
from plotbot.measure.metrics import ModelMetrics
from plotbot.measure.repeats import Repeats
from plotbot.measure.speed import ServerTime, Speed
from plotbot.measure.tally import missing_parts, total_tally
from plotbot.records import RunRecords

SCHEMA_VERSION = 2


def summarise(
    records: RunRecords,
    metrics: Sequence[ModelMetrics],
    gates: Sequence[GateResult] = (),
    exit_status: int | None = None,
) -> dict[str, Any]:
    """A run as builtin types, ready for `json.dumps` with its default ASCII escapes.

    *metrics* are those of *records*; *exit_status* is None for a run that did not come to its end.
    """
    by_row = {gate.row: gate for gate in gates}
    total = total_tally(one.tally for one in metrics)
    return {
        "schema_version": SCHEMA_VERSION,
        "run": records.run,
        "header": dict(records.header),
        "exit_status": exit_status,
        "complete": total.not_run == 0 and total.error == 0 and not missing_parts(records.header),
        "total": total.counts,
        "models": [_model(one, by_row.get(one.tally.row)) for one in metrics],
    }


def _model(metrics: ModelMetrics, gate: GateResult | None) -> dict[str, Any]:
    return {
        "model": metrics.model,
        "variant": metrics.variant,
        "tally": metrics.tally.counts,
        "pass_rate": metrics.pass_rate,
        "interval": _interval(metrics.interval),
        "failures": dict(metrics.failures),
        "errors": dict(metrics.errors),
        "tolerated": metrics.tolerated,
        "seconds": {"median": metrics.seconds_median, "p95": metrics.seconds_p95},
        "server_seconds": _server_time(metrics.server_time),
        "tokens_per_second": _speed(metrics.speed),
        "tokens": {
            "prompt": metrics.prompt_tokens,
            "completion": metrics.completion_tokens,
            "total": metrics.total_tokens,
        },
        "extra_attempts": metrics.extra_attempts,
        "not_run": list(metrics.not_run),
        "repeats": _repeats(metrics.repeats),
        "gate": None if gate is None else {**_without_model(gate), "interval": _interval(gate.interval)},
        **({} if metrics.challenge is None else {"challenge": asdict(metrics.challenge)}),
        **({"groups": [_group(one) for one in metrics.groups]} if metrics.groups else {}),
        **({"reused": metrics.reused} if metrics.reused else {}),
        **({} if metrics.hosts is None else {"hosts": _hosts(metrics.hosts)}),
    }


def _interval(interval: Interval | None) -> dict[str, Any] | None:
    if interval is None:
        return None
    return {"low": interval.low, "high": interval.high, "confidence": CONFIDENCE, "method": interval.method}


def _server_time(time: ServerTime | None) -> dict[str, float] | None:
    return None if time is None else {"working_median": time.working, "queueing_median": time.queueing}


def _repeats(repeats: Repeats | None) -> dict[str, Any] | None:
    if repeats is None:
        return None
    return {
        "titles": repeats.titles,
        "most": repeats.most,
        "effective": repeats.effective,
        "flip_rate": repeats.flip_rate,
        "pass_at_k": {str(k): share for k, share in repeats.pass_at.items()},
        "pass_all_k": {str(k): share for k, share in repeats.pass_all.items()},
    }


def _group(one: GroupMetrics) -> dict[str, Any]:
    return {
        "by": one.by,
        "group": one.group,
        "tally": one.tally.counts,
        "pass_rate": one.pass_rate,
        "interval": _interval(one.interval),
        "p": one.p,
        "worse": one.worse,
    }


def _hosts(hosts: Hosts) -> dict[str, Any]:
    return {
        "mixed": hosts.mixed,
        "differences": [_differing(one) for one in hosts.differences],
        "asides": [_differing(one) for one in hosts.asides],
        "by_host": [_host(one) for one in hosts.by_host],
    }


def _differing(one: FieldByHost) -> dict[str, Any]:
    return {"field": one.field, "values": {host: list(values) for host, values in one.values.items()}}


def _host(one: HostMetrics) -> dict[str, Any]:
    return {
        "host": one.host,
        "answered": one.answered,
        "share": one.share,
        "tally": one.tally.counts,
        "pass_rate": one.pass_rate,
        "interval": _interval(one.interval),
        "seconds": {"median": one.seconds_median, "p95": one.seconds_p95},
        "tokens_per_second": _speed(one.speed),
        "failed_attempts": dict(one.failed_attempts),
    }


def _speed(speed: Speed | None) -> Mapping[str, Any] | None:
    return None if speed is None else {"median": speed.tokens_per_second, "source": speed.source}


def _without_model(gate: GateResult) -> dict[str, Any]:
    return {name: value for name, value in asdict(gate).items() if name not in {"model", "variant", "course"}}
