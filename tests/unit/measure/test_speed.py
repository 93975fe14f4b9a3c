from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from plotbot.measure.speed import Speed, nearest_rank, speed_of
from plotbot.records import RunRecords

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
