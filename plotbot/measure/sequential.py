"""The sequential gate: after how many titles a pass rate is proved to reach a threshold, or to miss it.

A group-sequential test of a binomial rate: it looks at the run every so many titles and stops at the first look that
decides. Its two boundaries are calibrated exactly, by dynamic programming over (titles, passed titles), so that a model
whose true rate is the threshold itself gets PASS in at most 5 % of runs, and FAIL in at most 5 %. An ordinary 95 %
interval that is looked at after every title would be wrong in 31 % of such runs of 200 titles.

C. Jennison and B. W. Turnbull, Group Sequential Methods with Applications to Clinical Trials, Chapman & Hall (2000),
chapters 9 (repeated confidence intervals) and 12 (binomial data). The boundaries are those of S. J. Pocock, Biometrika
64 (1977) 191-199: the same critical value of the score statistic at every look.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from plotbot.errors import UsageProblem
from plotbot.measure.intervals import Interval

ALPHA = 0.05
"""The greatest chance of PASS, and of FAIL, if the true rate is the threshold itself."""
SEQUENTIAL = "sequential"
MOST_TITLES = 20_000
"""Beyond so many titles the boundaries would take minutes to compute."""
_NEGLIGIBLE = 1e-18
_ROUNDING = 1e-9
_INTERVAL_STEPS = 20


@dataclass(frozen=True, slots=True)
class Boundaries:
    """A test of *threshold* (between 0 and 1) over planned titles that pass or fail, with a look after each of *looks*.

    After the look `looks[k]` the verdict is PASS if at least `passes[k]` titles have passed, FAIL if at most `fails[k]`
    have. A bound that cannot be met is greater than the number of titles, or negative.
    """

    threshold: float
    looks: tuple[int, ...]
    passes: tuple[int, ...]
    fails: tuple[int, ...]

    @property
    def titles(self) -> int:
        """The planned number of titles, which is that of the last look."""
        return self.looks[-1]

    @property
    def fewest_to_pass(self) -> int | None:
        """The first look after which PASS is possible; None if even a faultless model cannot pass."""
        return next((look for look, bound in zip(self.looks, self.passes, strict=True) if bound <= look), None)


@dataclass(frozen=True, slots=True)
class Design(Boundaries):
    """The narrowest boundaries that keep both chances of error, with the critical scores that they come from."""

    pass_score: float
    fail_score: float

    def proves(self, shares: Mapping[float, int], look: int) -> bool:
        """Whether it is PASS at a look; *shares* are how many titles have failed (0) and passed (1)."""
        return shares.get(1.0, 0) >= self.passes[look]

    def refutes(self, shares: Mapping[float, int], look: int) -> bool:
        """Whether it is FAIL at a look."""
        return shares.get(1.0, 0) <= self.fails[look]

    def bounds(self, shares: Mapping[float, int], look: int) -> tuple[float | None, float | None]:  # noqa: ARG002
        """The pass rates at or below which a look says FAIL, and at or above which PASS; None where none would do."""
        titles, least, most = self.looks[look], self.passes[look], self.fails[look]
        return (most / titles if most >= 0 else None, least / titles if least <= titles else None)

    def interval(self, shares: Mapping[float, int], look: int) -> Interval:
        return sequential_interval(shares.get(1.0, 0), self, look)

    def to_settle(self, shares: Mapping[float, int]) -> int | None:
        """`titles_to_settle` at the rate of these titles."""
        titles = sum(shares.values())
        return titles_to_settle(shares.get(1.0, 0) / titles, self) if titles else None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a test does to a model with a certain true rate: the chance of each verdict, and the titles on average."""

    rate: float
    passed: float
    failed: float
    titles: float

    @property
    def inconclusive(self) -> float:
        return max(1 - self.passed - self.failed, 0.0)


def looks_of(titles: int, every: int) -> tuple[int, ...]:
    """The numbers of titles after which a test of *titles* looks.

    >>> looks_of(50, 20)
    (20, 40, 50)
    """
    return (*range(every, titles, every), titles)


@lru_cache(maxsize=64)
def design(threshold: float, titles: int, every: int) -> Design:
    """The test with the narrowest boundaries that keep both chances of error. Takes 0.3 s at 1,000 titles.

    PASS after n titles needs s passed ones with (s - nt) / √(nt(1-t)) at least `pass_score`: Wilson's lower bound with
    that z is then at or above t. FAIL is the same test of the failed titles against 1 - t.
    """
    looks = looks_of(titles, every)
    pass_score, fail_score = _critical_score(threshold, looks), _critical_score(1 - threshold, looks)
    failed = _boundary(1 - threshold, looks, fail_score)
    return Design(
        threshold,
        looks,
        _boundary(threshold, looks, pass_score),
        tuple(look - bound for look, bound in zip(looks, failed, strict=True)),
        pass_score,
        fail_score,
    )


def checked_design(threshold: float, titles: int, every: int) -> Design:
    """The test, or a `UsageProblem` that says why there is none."""
    refuse_untestable(threshold, titles)
    return design(threshold, titles, every)


def refuse_untestable(threshold: float, titles: int) -> None:
    """Raise `UsageProblem` for a threshold, or a number of titles, that no sequential gate can have."""
    if not 0 < threshold < 1:
        raise UsageProblem(
            f"a sequential gate cannot prove a pass rate of {threshold:.4g}: choose a MIN_PASS_RATE between 0 and 1, "
            "such as 0.99, or --gate point"
        )
    if not 1 <= titles <= MOST_TITLES:
        raise UsageProblem(f"a sequential gate needs from 1 to {MOST_TITLES:,} titles, not {titles:,}")


def expectation(test: Boundaries, rate: float) -> Expectation:
    """The operating characteristics of a test at a true rate between 0 and 1, exactly."""
    passed, failed, mean, reached = 0.0, 0.0, 0.0, 1.0
    before = 0
    for look, (upper, lower) in zip(test.looks, _crossings(rate, test.looks, test.passes, test.fails), strict=True):
        mean += reached * (look - before)
        passed, failed, reached, before = passed + upper, failed + lower, reached - upper - lower, look
    return Expectation(rate, passed, failed, mean)


@lru_cache(maxsize=256)
def sequential_interval(passed: int, test: Design, look: int) -> Interval:
    """The rates that the test would not have rejected after the look `test.looks[look]` (repeated confidence interval).

    A rate r lies outside if the test of r with the same looks decides at this look, so each end holds with 95 %
    confidence, whenever the run stops. PASS puts the lower end at or above the threshold, FAIL the upper end at or
    below it, and an undecided look neither.
    """
    titles, threshold = test.looks[look], test.threshold
    low = _least_kept(passed, test.looks, look, threshold, decided=passed >= test.passes[look])
    high = 1 - _least_kept(titles - passed, test.looks, look, 1 - threshold, decided=passed <= test.fails[look])
    # 1 - (1 - t) may differ from t in its last bit.
    return Interval(low, max(high, threshold) if passed > test.fails[look] else min(high, threshold), SEQUENTIAL)


def titles_to_settle(rate: float, test: Design) -> int | None:
    """How many titles a test of them all needs, to be decided by its end at this rate; None if no number is enough.

    An approximation: the critical values grow slowly with the number of titles, and are taken as they are.
    """
    gap = rate - test.threshold
    if gap == 0:
        return None
    score = test.pass_score if gap > 0 else test.fail_score
    return max(math.ceil(score * score * test.threshold * (1 - test.threshold) / (gap * gap)), test.titles + 1)


def _critical_score(rate: float, looks: Sequence[int]) -> float:
    """The smallest score that is reached at any look in at most `ALPHA` of runs at this *rate*; infinite if none is.

    The candidates are the scores that can occur, because a rounded score in between would cut at another title.
    """
    candidates = sorted(
        {
            score
            for look in looks
            for passed in range(math.ceil(look * rate), look + 1)
            if (score := _score(passed, look, rate)) > 1
        }
    )
    found = bisect_left(candidates, -ALPHA, key=lambda score: -_ever_reached(rate, looks, score))
    return candidates[found] if found < len(candidates) else math.inf


def _score(passed: int, titles: int, rate: float) -> float:
    return (passed - titles * rate) / math.sqrt(titles * rate * (1 - rate))


def _boundary(rate: float, looks: Sequence[int], score: float) -> tuple[int, ...]:
    """The fewest passed titles, after each look, that reach a score."""
    if math.isinf(score):
        return tuple(look + 1 for look in looks)
    return tuple(
        max(math.ceil(look * rate + score * math.sqrt(look * rate * (1 - rate)) - _ROUNDING), 0) for look in looks
    )


def _ever_reached(rate: float, looks: Sequence[int], score: float) -> float:
    """The chance that a score is reached at any look, if the true rate is the tested one."""
    never = (-1,) * len(looks)
    return math.fsum(upper for upper, _ in _crossings(rate, looks, _boundary(rate, looks, score), never))


def _crossings(
    rate: float, looks: Sequence[int], upper: Sequence[int], lower: Sequence[int]
) -> Iterator[tuple[float, float]]:
    """The chances of stopping at or above *upper*, and at or below *lower*, at each look.

    The dynamic programme goes title by title through the distribution of the passed titles of undecided runs. It drops
    tails that are rarer than 1e-18.
    """
    chances, least, titles = [1.0], 0, 0
    for look, top, bottom in zip(looks, upper, lower, strict=True):
        for _ in range(look - titles):
            chances = [
                stays * (1 - rate) + moves * rate for stays, moves in zip([*chances, 0.0], [0.0, *chances], strict=True)
            ]
        titles = look
        begin, end = max(bottom + 1 - least, 0), max(top - least, 0)
        yield math.fsum(chances[end:]), math.fsum(chances[:begin])
        while begin < end and begin < len(chances) and chances[begin] < _NEGLIGIBLE:
            begin += 1
        chances, least = chances[begin:end], least + begin
        while chances and chances[-1] < _NEGLIGIBLE:
            chances.pop()


def _least_kept(passed: int, looks: Sequence[int], look: int, threshold: float, *, decided: bool) -> float:
    """The lowest rate that is not rejected for too many passed titles; *decided* says that *threshold* is rejected.

    The scores are discrete, so the rejected rates are not quite an interval; the search keeps the threshold's side.
    """
    titles = looks[look]
    if passed == 0:
        return 0.0
    low, high = (threshold, passed / titles) if decided else (0.0, min(threshold, passed / titles))
    for _ in range(_INTERVAL_STEPS):
        middle = (low + high) / 2
        if _ever_reached(middle, looks, _score(passed, titles, middle)) <= ALPHA:
            low = middle
        else:
            high = middle
    return low
