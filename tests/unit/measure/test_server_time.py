from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from plotbot.measure.metrics import ServerTime, measure_run
from plotbot.measure.server_time import working_seconds
from plotbot.records import Reply, RunRecords


@pytest.mark.parametrize(
    ("details", "seconds"),
    [
        ({"timings": {"prompt_ms": 291.0, "predicted_ms": 1209.0}}, 1.5),
        ({"stats": {"time_to_first_token": 0.1, "generation_time": 0.9}}, 1.0),
        ({"stats": {"tokens_per_second": 40.0}}, None),
        ({"timings": {"prompt_ms": 291.0}, "stats": {}}, None),
        ({"timings": {"prompt_ms": "soon", "predicted_ms": 1}}, None),
        ({"timings": {"prompt_ms": -1, "predicted_ms": 1}}, None),
        ({"timings": {"prompt_ms": 10**400, "predicted_ms": 1}}, None),
        ({"timings": {"prompt_ms": True, "predicted_ms": 1}}, None),
        ({"timings": "fast", "stats": None}, None),
        ({}, None),
    ],
)
def test_the_server_is_believed_where_it_tells_both_of_its_times(
    details: dict[str, Any], seconds: float | None
) -> None:
    assert working_seconds(Reply("[]", details=details)) == (None if seconds is None else pytest.approx(seconds))


def test_what_the_server_did_not_work_is_queueing(make_run: Callable[..., RunRecords]) -> None:
    told = {"timings": {"prompt_ms": 500.0, "predicted_ms": 1500.0}}
    exchanges = [{"seconds": seconds, "details": told} for seconds in (2.5, 3.0, 9.0, 1.9)]
    rows = [{"model": "a", "exchange": exchange} for exchange in [*exchanges, {"seconds": 50.0}, {"faulty": True}]]
    assert measure_run(make_run(*rows))[0].server_time == ServerTime(2.0, 0.75)
    assert measure_run(make_run(rows[4]))[0].server_time is None
