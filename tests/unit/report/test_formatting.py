from __future__ import annotations

import pytest

from plotbot.measure.gate import GateResult, GateVerdict
from plotbot.measure.intervals import Interval, wilson_interval
from plotbot.measure.speed import Speed
from plotbot.measure.tally import Tally
from plotbot.report import formatting


@pytest.mark.parametrize(
    ("share", "shown"),
    [(None, "-"), (0.0, "0.0%"), (1.0, "100.0%"), (0.94, "94.0%"), (0.99999, "99.9%"), (0.00001, "0.1%")],
)
def test_a_share_is_never_rounded_to_all_or_nothing(share: float | None, shown: str) -> None:
    assert formatting.percent(share) == shown


@pytest.mark.parametrize(
    ("interval", "shown"),
    [
        (None, "-"),
        (Interval(0.838, 0.971), "83-98"),
        (Interval(0.0, 1.0), "0-100"),
        (Interval(0.29, 0.57), "29-57"),
        (Interval(0, 0.07), "0-7"),
    ],
)
def test_an_interval_is_rounded_outwards(interval: Interval | None, shown: str) -> None:
    assert formatting.interval_percent(interval) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "-"), (0.0, "0.00"), (1.234, "1.23"), (99.99, "99.99"), (120.6, "121")]
)
def test_seconds_are_short(value: float | None, shown: str) -> None:
    assert formatting.seconds(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(None, "-"), (56.78, "56.8"), (12345.6, "12346")])
def test_tokens_per_second_are_short(value: float | None, shown: str) -> None:
    speed = None if value is None else Speed(value, "server")
    assert formatting.tokens_per_second(speed) == shown


def test_the_accounting_line_adds_up_in_sight() -> None:
    line = formatting.accounting_line(Tally("a", 44, 3, 1, 0, 2))
    assert line == "planned 50 = 44 passed + 3 failed + 1 error + 0 skipped + 2 not run"


@pytest.mark.parametrize(
    ("verdict", "how", "rated", "needed", "words"),
    [
        ("PASS", "point", (47, 50), None, "PASS: the pass rate 94% reaches the threshold 90%"),
        ("FAIL", "point", (44, 50), None, "FAIL: the pass rate 88% misses the threshold 90%"),
        ("FAIL", "point", (17992, 20000), None, "FAIL: the pass rate 89.96% misses the threshold 90%"),
        ("PASS", "interval", (99, 100), None, "PASS: the interval 94-100% lies at or above the threshold 90%"),
        ("FAIL", "interval", (4, 50), None, "FAIL: the interval 3-19% lies below the threshold 90%"),
        (
            "INCONCLUSIVE", "interval", (47, 50), 217,
            ("INCONCLUSIVE: the interval 83-98% contains the threshold 90%;"
            " about 217 rated titles would settle it at this rate"),
        ),
        (
            "INCONCLUSIVE", "interval", (9, 10), None,
            ("INCONCLUSIVE: the interval 59-99% contains the threshold 90%,"
            " and no number of titles would settle it at this rate"),
        ),
        ("INCONCLUSIVE", "point", (0, 0), None, "INCONCLUSIVE: no case could be rated against the threshold 90%"),
    ],
)  # fmt: skip
def test_a_gate_says_its_verdict_and_why(
    verdict: GateVerdict, how: str, rated: tuple[int, int], needed: int | None, words: str
) -> None:
    passed, of = rated
    rate = passed / of if of else None
    assert formatting.gate_words(GateResult("a", verdict, how, 0.9, rate, wilson_interval(passed, of), needed)) == words
