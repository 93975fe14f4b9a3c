"""What asking the same case again tells: how sure a good answer is, and how often the verdict changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from statistics import fmean

from plotbot.measure.intervals import effective_answers
from plotbot.measure.tally import eval_of
from plotbot.records import Case, PlannedItem, RunRecords

Counts = tuple[int, int]
"""Passed, and rated."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """What repeats tell of one model.

    `titles` have a rated answer, `most` is how many the most often asked has. `effective` is how many independent
    answers all rated ones are worth (`plotbot.measure.intervals.effective_answers`). `pass_at` is pass@k, the chance
    that at least one of k answers is good, `pass_all` is pass^k, that all k are; both by k, and means over the cases
    that were rated k times or more. `flip_rate` is the share of cases rated at least twice that got both verdicts.
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


def counts_by_title(items: Iterable[PlannedItem], records: RunRecords) -> list[Counts]:
    """Passed and rated answers of each title, whatever was asked about it: answers to one title are no independent."""
    return _counts(items, records, lambda _, case: case.title)


def measure_repeats(items: Sequence[PlannedItem], records: RunRecords) -> Repeats | None:
    """What the repeats among one model's *items* tell; None where no case was rated more than once."""
    cases = _counts(items, records, lambda item, case: (eval_of(item, case), case.prompt_hash, case.title))
    most = max((rated for _, rated in cases), default=0)
    if most < 2:
        return None
    titles = counts_by_title(items, records)
    again = [0 < passed < rated for passed, rated in cases if rated > 1]
    return Repeats(
        titles=len(titles),
        most=most,
        effective=effective_answers(titles),
        pass_at={k: _mean(pass_at_k, cases, k) for k in _steps(most)},
        pass_all={k: _mean(pass_all_k, cases, k) for k in _steps(most)},
        flip_rate=fmean(again),
    )


def _counts(items: Iterable[PlannedItem], records: RunRecords, key: Callable[[str, Case], Hashable]) -> list[Counts]:
    verdicts: defaultdict[Hashable, list[bool]] = defaultdict(list)
    for planned in items:
        result, case = records.results.get(planned.item), records.cases.get(planned.case)
        if result is not None and result.outcome in {"passed", "failed"}:
            verdicts[planned.case if case is None else key(planned.item, case)].append(result.outcome == "passed")
    return [(sum(passed), len(passed)) for passed in verdicts.values()]


def _mean(estimate: Callable[[int, int, int], float], cases: Iterable[Counts], k: int) -> float:
    return fmean(estimate(rated, passed, k) for passed, rated in cases if rated >= k)


def _steps(most: int) -> list[int]:
    """1, 2, 4, 8 and so on, and the last one: what is worth showing of ten thousand."""
    return [*(2**power for power in range(most.bit_length()) if 2**power < most), most]
