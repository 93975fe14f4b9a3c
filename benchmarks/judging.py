"""How often the interval of a judged rate holds the truth: `python -m benchmarks.judging [--quick]`.

A judge of known errors judges 200 answers, of which a known share is good, and people label some: half of them answers
that it failed, as far as there are any. In each of 500 simulated runs the interval of judge and labels is made, as
`plotbot judge --labels` makes it, and beside it Wilson's interval of the judge's own rate.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence

from benchmarks.measuring import options
from plotbot.measure.intervals import wilson_interval
from plotbot.measure.judging import DRAWS, Labelled, corrected_rate, forced_choice_rate

ANSWERS, RUNS = 200, 500
JUDGES = ((0.85, 0.8), (0.95, 0.6), (0.7, 0.7))
"""Sensitivity and specificity."""
TRUTHS, LABELS = (0.6, 0.8, 0.95), (50, 100)
Judged = tuple[bool, bool]
"""What the judge says of an answer, and whether it is good."""


def simulated(chance: random.Random, judge: tuple[float, float], truth: float, labels: int) -> tuple[int, Labelled]:
    """The number of answers that the judge passes, and the labels of some."""
    sensitivity, specificity = judge
    judged: list[Judged] = []
    for _ in range(ANSWERS):
        good = chance.random() < truth
        judged.append((chance.random() < (sensitivity if good else 1 - specificity), good))
    passed, failed = ([one for one in judged if one[0] is verdict] for verdict in (True, False))
    half = max(min(labels // 2, len(failed)), labels - len(passed))
    return len(passed), Labelled.of(failed[:half] + passed[: labels - half])


def _covered(judge: tuple[float, float], truth: float, labels: int, runs: int) -> Sequence[float]:
    """The shares of runs in which the corrected interval and the judge's own hold the truth, and the mean width."""
    chance = random.Random(f"{judge} {truth} {labels}")
    corrected = own = width = 0.0
    for _ in range(runs):
        passed, labelled = simulated(chance, judge, truth, labels)
        titles = [(1, 1)] * passed + [(0, 1)] * (ANSWERS - passed)
        estimate, plain = corrected_rate(titles, labelled, draws=DRAWS), wilson_interval(passed, ANSWERS)
        if estimate is None or plain is None:
            raise SystemExit("nothing was judged")
        corrected += estimate.interval.low <= truth <= estimate.interval.high
        own += plain.low <= truth <= plain.high
        width += estimate.interval.high - estimate.interval.low
    return corrected / runs, own / runs, width / runs


def _guessing(runs: int) -> float:
    """The share of runs in which the interval of a judge that guesses among four headlines holds 0."""
    chance, held = random.Random("guesses"), 0
    for _ in range(runs):
        estimate = forced_choice_rate([(int(chance.random() < 0.25), 1) for _ in range(ANSWERS)])
        held += estimate is not None and estimate.interval.low <= 0 <= estimate.interval.high
    return held / runs


def main(args: argparse.Namespace) -> None:
    runs = 20 if args.quick else RUNS
    print(f"{runs} runs of {ANSWERS} answers; intervals are 95 %")
    print(f"{'sensitivity':>11} {'specificity':>11} {'truth':>6} {'labels':>6} {'covered':>8} {'width':>6} {'own':>9}")
    for judge in JUDGES[:1] if args.quick else JUDGES:
        for truth in TRUTHS:
            for labels in LABELS:
                corrected, own, width = _covered(judge, truth, labels, runs)
                print(
                    f"{judge[0]:>11} {judge[1]:>11} {truth:>6} {labels:>6} {corrected:>8.1%} {width:>6.2f} {own:>9.1%}"
                )
    print(f"a judge that guesses: the interval holds 0 in {_guessing(runs):.1%}")


if __name__ == "__main__":
    main(options(__doc__, repeat=1).parse_args())
