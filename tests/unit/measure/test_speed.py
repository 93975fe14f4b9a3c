from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from plotbot.measure.metrics import measure_run
from plotbot.measure.speed import ServerTime, Speed, nearest_rank, speed_of
from plotbot.records import Reply, RunRecords

MakeRun = Callable[..., RunRecords]


@pytest.mark.parametrize(
    ("exchange", "speed"),
    [
        ({"tokens_per_second": 80.0, "completion_tokens": 10, "seconds": 1.0}, Speed(80.0, "server")),
        ({"completion_tokens": 10, "seconds": 4.0}, Speed(2.5, "measured")),
        ({"tokens_per_second": math.inf, "completion_tokens": 10, "seconds": 4.0}, Speed(2.5, "measured")),
        ({"tokens_per_second": math.nan}, None),
        ({"tokens_per_second": 0.0}, None),
        ({"tokens_per_second": -3.0}, None),
        ({"completion_tokens": 10, "seconds": 0.0}, None),
        ({"completion_tokens": 0}, None),
        ({}, None),
        ({"faulty": True}, None),
    ],
)
def test_the_servers_speed_goes_before_the_measured_one(
    make_run: MakeRun, exchange: dict[str, Any], speed: Speed | None
) -> None:
    assert speed_of(make_run({"model": "a", "exchange": exchange}).exchanges["case0"]) == speed


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.95, None), ([3.0], 0.95, 3.0), ([2.0, 1.0], 0.5, 1.0), ([float(n) for n in range(100)], 0.95, 94.0)],
)
def test_the_nearest_rank_is_a_value_that_was_seen(values: list[float], share: float, expected: float | None) -> None:
    assert nearest_rank(values, share) == expected


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
    assert Reply("[]", details=details).working_seconds == (None if seconds is None else pytest.approx(seconds))


def test_what_the_server_did_not_work_is_queueing(make_run: MakeRun) -> None:
    told = {"timings": {"prompt_ms": 500.0, "predicted_ms": 1500.0}}
    exchanges = [{"seconds": seconds, "details": told} for seconds in (2.5, 3.0, 9.0, 1.9)]
    rows = [{"model": "a", "exchange": exchange} for exchange in [*exchanges, {"seconds": 50.0}, {"faulty": True}]]
    assert measure_run(make_run(*rows))[0].server_time == ServerTime(2.0, 0.75)
    assert measure_run(make_run(rows[4]))[0].server_time is None
