from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest

from plotbot.measure.gate import GateResult
from plotbot.measure.sequential import design, expectation
from plotbot.measure.stopping import judge_run
from plotbot.measure.tally import ModelVariant
from plotbot.measure.title_test import GateTest
from plotbot.records import RunRecords
from tests.unit.measure.rows import run_of

ROW = ModelVariant("m")


def _test(titles: int, threshold: float = 0.9) -> GateTest:
    return GateTest(ROW, [[f"i{number}"] for number in range(titles)], design(threshold, titles, 20))


def _fed(outcomes: Sequence[str], order: Sequence[int], threshold: float = 0.9) -> GateTest:
    test = _test(len(outcomes), threshold)
    for number in order:
        test.feed(f"i{number}", outcomes[number])
    return test


def test_the_order_of_completion_decides_nothing() -> None:
    draw = random.Random(1)
    for _ in range(40):
        outcomes = draw.choices(["passed", "failed", "error", "skipped"], [80, 15, 2, 3], k=200)
        in_order = _fed(outcomes, range(200), 0.8)
        # Failures come first, being shorter.
        hasty = sorted(range(200), key=lambda number: outcomes[number] == "passed")
        shuffled = draw.sample(range(200), 200)
        for order in (hasty, shuffled):
            found = _fed(outcomes, order, 0.8)
            assert (found.stop, found.result()) == (in_order.stop, in_order.result())


@pytest.mark.parametrize("rate", [0.98, 0.9, 0.8])
def test_four_hundred_runs_give_each_verdict_as_often_as_computed(rate: float) -> None:
    draw, runs = random.Random(f"seed {rate}"), 400
    verdicts: Counter[str] = Counter()
    titles = 0
    for _ in range(runs):
        passes = [draw.random() < rate for _ in range(200)]
        test = _test(200)
        # Four slots; a failure takes a tenth of the time of a pass.
        clock, done = [0.0] * 4, list[tuple[float, int]]()
        for number, good in enumerate(passes):
            slot = min(range(4), key=clock.__getitem__)
            clock[slot] += draw.expovariate(1.0) * (1.0 if good else 0.1)
            done.append((clock[slot], number))
        for _, number in sorted(done):
            if test.feed(f"i{number}", "passed" if passes[number] else "failed"):
                break
        verdicts[test.result().verdict] += 1
        titles += test.result().titles or 0
    told = expectation(design(0.9, 200, 20), rate)
    for verdict, chance in (("PASS", told.passed), ("FAIL", told.failed), ("INCONCLUSIVE", told.inconclusive)):
        # Four standard errors, and one run for chances that are next to nothing.
        assert abs(verdicts[verdict] - runs * chance) <= 4 * (runs * chance * (1 - chance)) ** 0.5 + 1
    assert titles / runs == pytest.approx(told.titles, rel=0.12)


def test_no_more_is_wanted_than_the_next_look_reaches() -> None:
    test = _test(200)
    assert test.reached == 20
    for number in range(20):
        assert test.reached == 20
        test.feed(f"i{number}", "passed")
    assert test.reached == 40
    test.feed("i20", "skipped")
    assert test.reached == 41, "a skipped item is no title"


def test_an_error_is_no_verdict_and_holds_the_verdict_up() -> None:
    outcomes = ["failed"] * 3 + ["error"] + ["failed"] * 196
    test = _fed(outcomes, range(200))
    result = test.result()
    assert test.stop == 20, "whatever the error turns out to be, it is decided there"
    assert (result.verdict, result.waits, result.titles, result.interval) == ("INCONCLUSIVE", 1, 20, None)
    one_may_matter = ["failed"] * 5 + ["error"] + ["passed"] * 194
    assert _fed(one_may_matter, range(20)).stop is None


def test_a_later_outcome_of_an_item_replaces_its_first() -> None:
    test = _fed(["error", *["passed"] * 59], range(60))
    assert test.result().waits == 1
    test.feed("i0", "passed")
    assert test.result() == _fed(["passed"] * 60, range(60)).result()


def _judged(records: RunRecords, how: str) -> tuple[float | None, str | None, GateResult]:
    (metrics,), (gate,) = judge_run(records, {"*": 0.8}, how, 20)
    return metrics.pass_rate, None if metrics.interval is None else metrics.interval.method, gate


def test_a_recorded_run_is_judged_by_the_same_test_and_shows_its_interval() -> None:
    rows = [{"model": "m", "title": f"t{n}", "outcome": "passed" if n < 60 else "not_needed"} for n in range(100)]
    records = run_of(*rows)
    rate, method, gate = _judged(records, "sequential")
    assert (rate, method) == (1.0, "sequential")
    assert (gate.verdict, gate.titles, gate.planned) == ("PASS", 20, 100)
    assert _judged(records, "interval")[1] == "wilson"


def test_a_run_that_ended_before_the_first_look_has_a_rate_and_no_interval() -> None:
    rate, method, gate = _judged(
        run_of(*[{"model": "m", "outcome": "passed"}] * 5, *[{"model": "m"}] * 95), "sequential"
    )
    assert (rate, method, gate.verdict, gate.titles) == (1.0, None, "INCONCLUSIVE", 5)
