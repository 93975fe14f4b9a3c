"""What repeats of a case tell: how likely a good answer is in k tries, and how often the verdict flips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from statistics import fmean

from plotbot.measure.intervals import effective_answers
from plotbot.measure.tally import Counts, eval_of, most_rated, rated_by
from plotbot.records import PlannedItem, RunRecords


@dataclass(frozen=True, slots=True)
class Repeats:
    """What repeats tell of one model.

    `titles` is the number of titles with a rated answer, `most` the largest number of rated answers to one case.
    `effective` is how many independent answers all of them are worth (`plotbot.measure.intervals.effective_answers`).
    `pass_at` is pass@k, the chance that at least one of k answers is good; `pass_all` is pass^k, the chance that all k
    are. Both are by k, and means over the cases that were rated at least k times. `flip_rate` is the share of cases
    with both verdicts among those that were rated at least twice.
    """

    titles: int
    most: int
    effective: float
    pass_at: Mapping[int, float]
    pass_all: Mapping[int, float]
    flip_rate: float


def pass_at_k(rated: int, passed: int, k: int) -> float:
    """The chance that at least one of *k* answers is good, from *rated* >= *k* answers of which *passed* were.

    1 - C(n-c, k) / C(n, k), unbiased: M. Chen et al., Evaluating large language models trained on code,
    arXiv:2107.03374 (2021), equation 1.
    """
    return 1 - comb(rated - passed, k) / comb(rated, k)


def pass_all_k(rated: int, passed: int, k: int) -> float:
    """pass^k, the chance that all of *k* answers are good, from *rated* >= *k* answers of which *passed* were.

    C(c, k) / C(n, k), unbiased: S. Yao et al., tau-bench, arXiv:2406.12045 (2024), section 3.
    """
    return comb(passed, k) / comb(rated, k)


def measure_repeats(items: Sequence[PlannedItem], titles: Sequence[Counts], records: RunRecords) -> Repeats | None:
    """What the repeats among one model's *items* tell, with their counts by title; None if no case was rated twice."""
    if most_rated(titles) < 2:
        return None
    cases = rated_by(items, records, lambda item, case: (eval_of(item, case), case.prompt_hash, case.title))
    most = most_rated(cases)
    if most < 2:
        return None
    again = [0 < passed < rated for passed, rated in cases if rated > 1]
    return Repeats(
        titles=len(titles),
        most=most,
        effective=effective_answers(titles),
        pass_at={k: _mean(pass_at_k, cases, k) for k in _steps(most)},
        pass_all={k: _mean(pass_all_k, cases, k) for k in _steps(most)},
        flip_rate=fmean(again),
    )


def _mean(estimate: Callable[[int, int, int], float], cases: Iterable[Counts], k: int) -> float:
    return fmean(estimate(rated, passed, k) for passed, rated in cases if rated >= k)


def _steps(most: int) -> list[int]:
    """1, 2, 4, 8 and so on, and *most* itself: few enough to show."""
    return [*(2**power for power in range(most.bit_length()) if 2**power < most), most]
