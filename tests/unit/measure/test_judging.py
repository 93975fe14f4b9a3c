"""A judge's rates: the chance correction to the digit, labels that correct it, and when it is not believed."""

from __future__ import annotations

import random

import pytest

from plotbot.measure.intervals import wilson_interval
from plotbot.measure.judging import (
    Calibration,
    Labelled,
    corrected_rate,
    forced_choice_rate,
    judged_gate,
    reliability,
    same_again,
    transported_rate,
)

ANSWERS = 200
SENSITIVITY, SPECIFICITY = 0.85, 0.8


@pytest.mark.parametrize(("correct", "rate"), [(100, 1.0), (25, 0.0), (70, 0.6), (0, -1 / 3)])
def test_forced_choice_is_corrected_for_chance_to_the_digit(correct: int, rate: float) -> None:
    estimate = forced_choice_rate([(1, 1)] * correct + [(0, 1)] * (100 - correct))
    plain = wilson_interval(correct, 100)
    assert estimate is not None
    assert plain is not None
    assert estimate.rate == pytest.approx(rate, abs=1e-12)
    assert estimate.interval.low == pytest.approx((plain.low - 0.25) / 0.75, abs=1e-12)
    assert estimate.interval.high == pytest.approx((plain.high - 0.25) / 0.75, abs=1e-12)
    assert forced_choice_rate([]) is None


def test_repeats_of_one_title_are_not_new_titles() -> None:
    once = forced_choice_rate([(1, 1)] * 30 + [(0, 1)] * 10)
    ten_times = forced_choice_rate([(10, 10)] * 30 + [(0, 10)] * 10)
    labelled = Labelled(25, 22, 25, 5)
    assert once is not None
    assert ten_times is not None
    assert ten_times.interval.high - ten_times.interval.low >= 0.95 * (once.interval.high - once.interval.low)
    plain, repeated = (corrected_rate([(k, k)] * 30 + [(0, k)] * 10, labelled) for k in (1, 10))
    assert plain is not None
    assert repeated is not None
    assert repeated.interval.high - repeated.interval.low >= 0.95 * (plain.interval.high - plain.interval.low)


@pytest.mark.parametrize("labels", [50, 100])
@pytest.mark.parametrize("truth", [0.6, 0.8, 0.95])
def test_the_corrected_interval_covers_the_truth(truth: float, labels: int) -> None:
    generator = random.Random(f"{truth}:{labels}")
    covered = opinion = 0
    for _ in range(500):
        titles, labelled = _simulated(generator, truth, labels)
        estimate = corrected_rate(titles, labelled, draws=1000)
        plain = wilson_interval(sum(passed for passed, _ in titles), ANSWERS)
        assert estimate is not None
        assert plain is not None
        covered += estimate.interval.low <= truth <= estimate.interval.high
        opinion += plain.low <= truth <= plain.high
    assert 0.93 * 500 <= covered <= 0.97 * 500, covered
    assert opinion < covered


def test_labels_of_another_run_cover_a_run_with_another_truth() -> None:
    generator = random.Random(3)
    covered = 0
    for _ in range(100):
        source = Calibration(*_simulated(generator, 0.6, 100))
        titles, _ = _simulated(generator, 0.85, 2)
        estimate = transported_rate(titles, source, draws=500)
        assert estimate is not None
        covered += estimate.interval.low <= 0.85 <= estimate.interval.high
    assert covered >= 93, covered


def test_the_same_verdicts_and_labels_give_the_same_interval() -> None:
    titles, labelled = [(1, 1)] * 150 + [(0, 1)] * 50, Labelled(25, 23, 25, 6)
    first, again = corrected_rate(titles, labelled), corrected_rate(titles, labelled)
    assert first == again
    assert first is not None
    assert first.interval.low < first.rate < first.interval.high
    assert first.worth is not None
    assert first.worth > 10, "a good judge of 200 answers stands for labels"
    assert corrected_rate(titles, Labelled()) is None
    assert corrected_rate([], labelled) is None


def test_reliability_counts_a_label_for_all_answers_with_its_verdict() -> None:
    # 80 of 100 passed; of 20 labelled that passed 18 are good, of 20 that failed 2 are.
    told = reliability([(1, 1)] * 80 + [(0, 1)] * 20, Labelled(20, 18, 20, 2))
    assert told is not None
    assert told.base_rate == pytest.approx(0.74)
    assert told.sensitivity == pytest.approx(0.72 / 0.74)
    assert told.specificity == pytest.approx(0.18 / 0.26)
    assert told.kappa == pytest.approx((0.9 - 0.644) / (1 - 0.644))
    assert told.doubt is None
    assert reliability([(1, 1)], Labelled(0, 0, 3, 1)) is None


@pytest.mark.parametrize(
    ("labelled", "why"),
    [(Labelled(20, 12, 20, 11), "kappa is 0.0"), (Labelled(20, 20, 0, 0), "all of one kind")],
)
def test_a_judge_that_tells_little_is_not_believed(labelled: Labelled, why: str) -> None:
    titles = [(1, 1)] * 90 + ([(0, 1)] * 10 if labelled.failed else [])
    told = reliability(titles, labelled)
    assert told is not None
    assert why in str(told.doubt)
    gate = judged_gate("quality.hook", "m", 0.5, corrected_rate(titles, labelled), told.doubt)
    assert (gate.verdict, why in gate.reason) == ("INCONCLUSIVE", True)


@pytest.mark.parametrize(("threshold", "verdict"), [(0.5, "PASS"), (0.75, "INCONCLUSIVE"), (0.99, "FAIL")])
def test_a_gate_looks_at_the_interval(threshold: float, verdict: str) -> None:
    estimate = forced_choice_rate([(1, 1)] * 80 + [(0, 1)] * 20)
    assert judged_gate("about", "m", threshold, estimate, None).verdict == verdict
    assert judged_gate("about", "m", threshold, None, None).verdict == "INCONCLUSIVE"


def test_test_retest_looks_at_what_was_judged_twice() -> None:
    assert same_again([[1, 1], [1, 0], [1], [0, 0, 0]]) == (2, 3)


def _simulated(generator: random.Random, truth: float, labels: int) -> tuple[list[tuple[int, int]], Labelled]:
    """A judge's verdicts on answers that are good with the rate *truth*; half of the labels are of those it failed."""
    answers = []
    for _ in range(ANSWERS):
        good = generator.random() < truth
        answers.append((generator.random() < (SENSITIVITY if good else 1 - SPECIFICITY), good))
    failed = [pair for pair in answers if not pair[0]]
    passed = [pair for pair in answers if pair[0]]
    half = min(labels // 2, len(failed))
    chosen = generator.sample(failed, half) + generator.sample(passed, labels - half)
    return [(int(verdict), 1) for verdict, _ in answers], Labelled.of(chosen)
