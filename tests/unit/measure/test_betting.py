from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence

import pytest

from plotbot.measure.betting import Bets, boundaries_of_alike_answers, log_capital
from plotbot.measure.sequential import ALPHA, expectation, looks_of
from plotbot.measure.tally import ModelVariant
from plotbot.measure.title_test import ChallengeTest, GateTest

ROW = ModelVariant("m")
TITLES = 100


def _products(shares: Sequence[float], mean: float) -> float:
    """The capital as its definition says, title by title."""
    fractions = [number / 40 for number in range(1, 40)]
    games = [math.prod(1 - part + part * share / mean for share in shares) for part in fractions]
    return sum(games) / len(games)


def test_the_capital_is_that_of_the_games_and_falls_with_the_mean_that_is_bet_against() -> None:
    shares = [1.0, 0.5, 1.0, 0.0, 1.0, 2 / 3]
    counted = Counter(shares).items()
    told = [log_capital(counted, mean / 20) for mean in range(1, 20)]
    assert told == pytest.approx([math.log(_products(shares, mean / 20)) for mean in range(1, 20)])
    assert told == sorted(told, reverse=True)


def _repeated(draw: random.Random, spread: float, rate: float) -> list[list[str]]:
    """Three answers to each title; *spread* is how much titles differ: 1 says that all three are alike."""
    easy = [draw.random() < rate for _ in range(TITLES)]
    return [
        ["passed" if (one if draw.random() < spread else draw.random() < rate) else "failed" for _ in range(3)]
        for one in easy
    ]


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
def test_a_gate_over_repeats_errs_in_at_most_five_percent_of_runs_however_much_titles_differ(spread: float) -> None:
    draw, runs = random.Random(f"betting {spread}"), 150
    verdicts: Counter[str] = Counter()
    for _ in range(runs):
        test = GateTest(ROW, [[f"{n}-{r}" for r in range(3)] for n in range(TITLES)], Bets(0.8, looks_of(TITLES, 10)))
        for number, answers in enumerate(_repeated(draw, spread, 0.8)):
            for repeat, outcome in enumerate(answers):
                test.feed(f"{number}-{repeat}", outcome)
        verdicts[test.result().verdict] += 1
    # Three standard errors.
    most = runs * ALPHA + 3 * math.sqrt(runs * ALPHA * (1 - ALPHA))
    assert verdicts["PASS"] <= most
    assert verdicts["FAIL"] <= most


def test_the_interval_agrees_with_the_verdict_and_holds_the_mean() -> None:
    draw, rule = random.Random(3), Bets(0.8, (60,))
    for _ in range(60):
        shares = Counter(draw.choices([0.0, 0.5, 1.0], [draw.random(), draw.random(), 4 * draw.random()], k=60))
        interval = rule.interval(shares, 0)
        mean = sum(share * count for share, count in shares.items()) / 60
        assert interval.low <= mean <= interval.high
        assert rule.proves(shares, 0) == (interval.low >= 0.8)
        assert rule.refutes(shares, 0) == (interval.high <= 0.8)


def test_the_number_that_would_settle_it_settles_it() -> None:
    rule = Bets(0.8, (60,))
    shares = {1.0: 45, 0.5: 10, 0.0: 5}
    needed = rule.to_settle(shares)
    assert needed is not None
    assert not rule.proves(shares, 0)
    more = {share: round(count * 1.01 * needed / 60) for share, count in shares.items()}
    assert rule.proves(more, 0) or rule.refutes(more, 0)
    assert rule.to_settle({1.0: 48, 0.0: 12}) is None, "exactly the threshold"


@pytest.mark.parametrize(("threshold", "every"), [(0.8, 10), (0.95, 7), (0.5, 20)])
def test_the_planned_boundaries_are_where_titles_of_alike_answers_are_decided(threshold: float, every: int) -> None:
    rule = Bets(threshold, looks_of(TITLES, every))
    planned = boundaries_of_alike_answers(rule)
    for position, look in enumerate(rule.looks):
        for passed in range(look + 1):
            shares = {1.0: passed, 0.0: look - passed}
            assert rule.proves(shares, position) == (passed >= planned.passes[position])
            assert rule.refutes(shares, position) == (passed <= planned.fails[position])
    told = expectation(planned, threshold)
    assert max(told.passed, told.failed) <= ALPHA


@pytest.mark.parametrize("rate", [0.5, 0.97])
def test_titles_whose_answers_differ_are_decided_sooner_than_the_plan_says(rate: float) -> None:
    draw, rule, runs = random.Random(f"plan {rate}"), Bets(0.8, looks_of(TITLES, 5)), 60
    taken = []
    for _ in range(runs):
        test = GateTest(ROW, [[f"{n}-{r}" for r in range(3)] for n in range(TITLES)], rule)
        for number, answers in enumerate(_repeated(draw, 0.0, rate)):
            for repeat, outcome in enumerate(answers):
                test.feed(f"{number}-{repeat}", outcome)
        taken.append(test.result().titles or 0)
    assert sum(taken) / runs < expectation(boundaries_of_alike_answers(rule), rate).titles


def test_the_last_look_of_a_comparison_is_after_the_last_common_title() -> None:
    rivals = {f"i{n}": f"r{n}" for n in range(15)}
    test = ChallengeTest(ROW, [[f"i{n}"] for n in range(TITLES)], rivals, "a baseline", 10)
    for n in range(15):
        test.feed(f"r{n}", "passed")
        test.feed(f"i{n}", "failed" if n >= 6 else "passed")
    assert (test.stop, test.result().worse, test.result().titles) == (15, True, 15)


def _challenge(own: Sequence[str], other: Sequence[str], order: Sequence[int]) -> ChallengeTest:
    test = ChallengeTest(
        ROW, [[f"i{n}"] for n in range(len(own))], {f"i{n}": f"r{n}" for n in range(len(own))}, "first", 10
    )
    told = [(f"i{n}", one) for n, one in enumerate(own)] + [(f"r{n}", one) for n, one in enumerate(other)]
    for place in order:
        test.feed(*told[place])
    return test


def test_a_challenger_is_stopped_at_the_same_title_in_whatever_order_verdicts_come() -> None:
    draw, stopped = random.Random(5), 0
    for _ in range(60):
        own = draw.choices(["passed", "failed", "error", "skipped"], [60, 34, 3, 3], k=TITLES)
        other = draw.choices(["passed", "failed", "error", "not_needed"], [90, 5, 2, 3], k=TITLES)
        in_order = _challenge(own, other, range(2 * TITLES))
        for _ in range(3):
            found = _challenge(own, other, draw.sample(range(2 * TITLES), 2 * TITLES))
            assert (found.stop, found.result()) == (in_order.stop, in_order.result())
        stopped += in_order.stop is not None
    assert stopped > 40


@pytest.mark.parametrize(("lost", "won"), [(0.1, 0.1), (0.3, 0.3)])
def test_an_equal_challenger_is_called_worse_in_at_most_five_percent_of_runs(lost: float, won: float) -> None:
    draw, runs, worse = random.Random(f"{lost}"), 400, 0
    pairs = [("failed", "passed"), ("passed", "failed"), ("passed", "passed")]
    for _ in range(runs):
        drawn = draw.choices(pairs, [lost, won, 1 - lost - won], k=TITLES)
        own, other = zip(*drawn, strict=True)
        worse += _challenge(own, other, range(2 * TITLES)).result().worse
    assert worse <= runs * ALPHA + 3 * math.sqrt(runs * ALPHA * (1 - ALPHA))
