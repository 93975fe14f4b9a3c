"""What a judge's verdicts amount to, once its own errors are counted.

A judge is a model that says of an answer whether it is good. Its rate alone is its opinion. With people's labels of
some of the answers beside it, it becomes an estimate of the share that is truly good, with an interval.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, pvariance
from typing import NamedTuple

from plotbot.measure.gate import GateVerdict
from plotbot.measure.intervals import CONFIDENCE, Interval, clustered_interval, effective_answers
from plotbot.measure.tally import Counts, most_rated

CHOICES = 4
"""Headlines that a judge chooses among."""
DRAWS = 10_000
SEED = 1
LEAST_KAPPA, LEAST_YOUDEN = 0.4, 0.3
"""Below these a gate does not believe a judge: Cohen's kappa, and sensitivity + specificity - 1."""
FORCED_CHOICE, POST_STRATIFIED, ROGAN_GLADEN = "forced_choice", "post_stratified", "rogan_gladen"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A rate with its 95 % interval. `worth` is the number of labels that the judge's verdicts stand for, if known."""

    rate: float
    interval: Interval
    worth: int | None = None


@dataclass(frozen=True, slots=True)
class Labelled:
    """The labelled answers of one criterion: how many the judge passed and failed, and how many of each are good."""

    passed: int = 0
    passed_good: int = 0
    failed: int = 0
    failed_good: int = 0

    @property
    def count(self) -> int:
        return self.passed + self.failed

    @classmethod
    def of(cls, pairs: Sequence[tuple[bool, bool]]) -> Labelled:
        """From (judge's verdict, label) of each labelled answer."""
        passed = [good for verdict, good in pairs if verdict]
        failed = [good for verdict, good in pairs if not verdict]
        return cls(len(passed), sum(passed), len(failed), sum(failed))


@dataclass(frozen=True, slots=True)
class Reliability:
    """How a judge agrees with people, over all answers of a run: labels of each kind of verdict stand for all of it.

    `base_rate` is the share of good answers. `kappa` is Cohen's (Educational and Psychological Measurement 20, 1960);
    None where judge and people say the same of every answer, which chance would bring as well.
    """

    sensitivity: float | None
    specificity: float | None
    kappa: float | None
    base_rate: float

    @property
    def doubt(self) -> str | None:
        """Why a gate does not believe the judge; None if it does."""
        if self.kappa is None or self.sensitivity is None or self.specificity is None:
            return "its labels are all of one kind, so they do not tell how the judge errs"
        if self.kappa < LEAST_KAPPA:
            return f"the judge's kappa is {self.kappa:.2f}, below {LEAST_KAPPA}"
        youden = self.sensitivity + self.specificity - 1
        if youden < LEAST_YOUDEN:
            return f"the judge's sensitivity + specificity - 1 is {youden:.2f}, below {LEAST_YOUDEN}"
        return None


@dataclass(frozen=True, slots=True)
class JudgedGate:
    """A gate on a judged rate: what it is about (`about`, `quality.hook`), its verdict, and why."""

    name: str
    row: str
    threshold: float
    verdict: GateVerdict
    reason: str


class Calibration(NamedTuple):
    """Labels of another run, with that run's verdicts by title, (passed, judged) each."""

    titles: Sequence[Counts]
    labelled: Labelled


def forced_choice_rate(titles: Sequence[Counts], choices: int = CHOICES) -> Estimate | None:
    """The share of choices that are more than luck, from (correct, asked) by title; None if nothing was asked.

    With c = the share of correct choices and k = *choices*: (c - 1/k) / (1 - 1/k), which is 0 for a judge that guesses
    and 1 for one that is always right. Wilson's interval of c, clustered by title, is mapped the same way, so its lower
    end may be below 0. The correction is Abbott's (Journal of Economic Entomology 18, 1925) for a known rate of luck.
    """
    interval = clustered_interval(titles)
    if interval is None:
        return None
    correct, asked = map(sum, zip(*titles, strict=True))

    def corrected(share: float) -> float:
        return (share * choices - 1) / (choices - 1)

    ends = Interval(corrected(interval.low), corrected(interval.high), FORCED_CHOICE)
    return Estimate(corrected(correct / asked), ends)


def corrected_rate(
    titles: Sequence[Counts], labelled: Labelled, *, draws: int = DRAWS, seed: int = SEED
) -> Estimate | None:
    """The share of answers that are truly good, from the judge's verdicts and labels of the same answers.

    *titles* are the judge's verdicts by title, (passed, judged). With s of n passed, a1 good ones among k1 labelled
    that passed, and a0 among k0 that failed, in each of the seeded draws

        p ~ Beta(s + 1/2, n - s + 1/2), m1 ~ Beta(a1 + 1/2, k1 - a1 + 1/2), m0 ~ Beta(a0 + 1/2, k0 - a0 + 1/2)

    give p m1 + (1 - p) m0: post-stratification by the judge's verdict, with Jeffreys priors (H. Jeffreys, Theory of
    Probability, 1961; L. D. Brown, T. T. Cai and A. DasGupta, Statistical Science 16, 2001, on its coverage). The rate
    is the median of the draws. With repeats, n is the number of independent answers that they are worth.

    Which answers are labelled may depend on the verdict and on nothing else. None without a verdict or without labels.
    """
    share = _share_draws(titles, draws, f"{seed}:p")
    if share is None or not labelled.count:
        return None
    good = _good_draws(labelled, draws, seed)
    rates = [p * m1 + (1 - p) * m0 for p, (m1, m0) in zip(share, good, strict=True)]
    return _estimate(rates, POST_STRATIFIED, labelled.count)


def transported_rate(
    titles: Sequence[Counts], source: Calibration, *, draws: int = DRAWS, seed: int = SEED
) -> Estimate | None:
    """The share of good answers where the labels are those of another run's answers.

    It assumes that the judge errs alike in both runs. Sensitivity and the rate of false positives, f, are drawn from
    the other run as in `corrected_rate`; then (p - f) / (sensitivity - f), held between 0 and 1: W. J. Rogan and
    B. Gladen, Estimating prevalence from the results of a screening test, American Journal of Epidemiology 107 (1978).
    A draw in which the judge tells nothing stands for 0 and for 1 in turn. None without verdicts or labels.
    """
    share = _share_draws(titles, draws, f"{seed}:p")
    theirs = _share_draws(source.titles, draws, f"{seed}:q")
    if share is None or theirs is None or not source.labelled.count:
        return None
    rates = []
    for number, (p, q, (m1, m0)) in enumerate(
        zip(share, theirs, _good_draws(source.labelled, draws, seed), strict=True)
    ):
        good = q * m1 + (1 - q) * m0
        sensitivity, false_positives = q * m1 / good, q * (1 - m1) / (1 - good) if good < 1 else 1.0
        told = sensitivity - false_positives
        rates.append(min(max((p - false_positives) / told, 0.0), 1.0) if told > 0 else float(number % 2))
    return _estimate(rates, ROGAN_GLADEN, None)


def reliability(titles: Sequence[Counts], labelled: Labelled) -> Reliability | None:
    """How the judge agrees with people on all answers of a run; None where its labels do not tell.

    The labelled answers of each verdict stand for all answers with that verdict, because half of the labels are those
    of answers that failed, whatever their share.
    """
    passed, judged = map(sum, zip(*titles, strict=True)) if titles else (0, 0)
    if not judged or (passed and not labelled.passed) or (passed < judged and not labelled.failed):
        return None
    p = passed / judged
    m1 = labelled.passed_good / labelled.passed if labelled.passed else 0.0
    m0 = labelled.failed_good / labelled.failed if labelled.failed else 0.0
    good = p * m1 + (1 - p) * m0
    agreed = p * m1 + (1 - p) * (1 - m0)
    by_chance = p * good + (1 - p) * (1 - good)
    return Reliability(
        sensitivity=p * m1 / good if good > 0 else None,
        specificity=(1 - p) * (1 - m0) / (1 - good) if good < 1 else None,
        kappa=(agreed - by_chance) / (1 - by_chance) if by_chance < 1 else None,
        base_rate=good,
    )


def same_again(verdicts: Iterable[Sequence[object]]) -> Counts:
    """Of the answers that were judged at least twice: how many got one verdict only, and how many they are."""
    several = [set(one) for one in verdicts if len(one) > 1]
    return sum(len(one) == 1 for one in several), len(several)


def judged_gate(name: str, row: str, threshold: float, estimate: Estimate | None, doubt: str | None) -> JudgedGate:
    """Hold the interval of a judged rate against a threshold. *doubt* is why the judge is not believed, if so."""
    if estimate is None or doubt is not None:
        return JudgedGate(name, row, threshold, "INCONCLUSIVE", doubt or "nothing was judged")
    low, high = estimate.interval.low, estimate.interval.high
    if low >= threshold:
        return JudgedGate(name, row, threshold, "PASS", "the interval lies at or above the threshold")
    if high < threshold:
        return JudgedGate(name, row, threshold, "FAIL", "the interval lies below the threshold")
    return JudgedGate(name, row, threshold, "INCONCLUSIVE", "the interval holds the threshold")


def _share_draws(titles: Sequence[Counts], draws: int, stream: str) -> tuple[float, ...] | None:
    """Draws of the share of answers that the judge passes; None if it judged none."""
    passed, judged = map(sum, zip(*titles, strict=True)) if titles else (0, 0)
    if not judged:
        return None
    worth = effective_answers(titles) if most_rated(titles) > 1 else judged
    return _beta(passed / judged * worth, worth, draws, stream)


def _good_draws(labelled: Labelled, draws: int, seed: int) -> Iterator[tuple[float, float]]:
    """Draws of the shares of good answers among those that the judge passed and failed."""
    passed = _beta(labelled.passed_good, labelled.passed, draws, f"{seed}:m1")
    return zip(passed, _beta(labelled.failed_good, labelled.failed, draws, f"{seed}:m0"), strict=True)


@lru_cache(maxsize=512)
def _beta(hits: float, of: float, draws: int, stream: str) -> tuple[float, ...]:
    """Draws of a share after *hits* of *of*, from Jeffreys' prior. The same labels serve many rows and criteria."""
    generator = random.Random(stream)  # noqa: S311  a simulation, not a secret
    return tuple(generator.betavariate(hits + 0.5, of - hits + 0.5) for _ in range(draws))


def _estimate(rates: list[float], method: str, labels: int | None) -> Estimate:
    rates.sort()
    tail = (1 - CONFIDENCE) / 2
    interval = Interval(_quantile(rates, tail), _quantile(rates, 1 - tail), method)
    return Estimate(_quantile(rates, 0.5), interval, None if labels is None else _worth(rates, labels))


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def _worth(rates: Sequence[float], labels: int) -> int:
    """The labels beyond *labels* that would tell the rate as exactly without the judge."""
    mean, variance = fmean(rates), pvariance(rates)
    return max(round(mean * (1 - mean) / variance) - labels, 0) if variance else 0
