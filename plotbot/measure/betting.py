"""Betting against a rate: what shares of good answers prove, title by title, whenever they are looked at.

A title that is asked several times counts once, by its share of good answers, and such shares have no binomial
distribution. This test needs none: it plays a fair game against the hypothesis that the mean share is at most m. Its
capital after n titles is the mean, over fractions c between 0 and 1, of the products of 1 - c + c x / m over the shares
x. If the hypothesis is true, the capital ever reaches 20 with a chance of at most 1/20 (Ville's inequality), however
the shares are distributed and however often it is looked at.

I. Waudby-Smith and A. Ramdas, Estimating means of bounded random variables by betting, Journal of the Royal Statistical
Society B 86 (2024) 1-27 (arXiv 2010.09686): the hedged capital with the bets of diversified Kelly betting.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from plotbot.measure.intervals import Interval
from plotbot.measure.sequential import ALPHA, SEQUENTIAL, Boundaries

Shares = Mapping[float, int]
"""How many titles have which share of good answers, from 0 to 1."""
_FRACTIONS = tuple(number / 40 for number in range(1, 40))
_ENOUGH = math.log(1 / ALPHA)
_STEPS = 30
_MOST_TIMES = 1_000


@dataclass(frozen=True, slots=True)
class Bets:
    """A test of a mean share against *threshold*, with looks after so many titles (`looks`)."""

    threshold: float
    looks: tuple[int, ...]

    def proves(self, shares: Shares, look: int) -> bool:  # noqa: ARG002  it does not matter how often it was looked at
        """Whether the shares prove a mean of at least the threshold."""
        return log_capital(shares.items(), self.threshold) >= _ENOUGH

    def refutes(self, shares: Shares, look: int) -> bool:  # noqa: ARG002  see above
        """Whether the shares prove a mean of at most the threshold."""
        return log_capital(_mirrored(shares), 1 - self.threshold) >= _ENOUGH

    def bounds(self, shares: Shares, look: int) -> tuple[float | None, float | None]:
        """The ends of the interval: which shares would decide depends on how they spread."""
        found = self.interval(shares, look)
        return found.low, found.high

    def interval(self, shares: Shares, look: int) -> Interval:
        """The means that are not refuted (a confidence sequence): each end holds with 95 % whenever the run stops."""
        low = _lowest(list(shares.items()), self.threshold, proved=self.proves(shares, look))
        high = 1 - _lowest(_mirrored(shares), 1 - self.threshold, proved=self.refutes(shares, look))
        return Interval(low, high, SEQUENTIAL)

    def to_settle(self, shares: Shares) -> int | None:
        """How many titles with such shares would settle it; None if no reasonable number would."""
        titles = sum(shares.values())
        sides = ((list(shares.items()), self.threshold), (_mirrored(shares), 1 - self.threshold))

        def settles(times: float) -> bool:
            return any(log_capital([(x, n * times) for x, n in side], rate) >= _ENOUGH for side, rate in sides)

        if not titles or not settles(_MOST_TIMES):
            return None
        low, high = 1.0, float(_MOST_TIMES)
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (low, middle) if settles(middle) else (middle, high)
        return max(math.ceil(high * titles), titles + 1)


def boundaries_of_alike_answers(test: Bets) -> Boundaries:
    """When a test decides if the answers to a title are all alike, so that it passes or fails as a whole.

    Titles whose answers differ decide sooner: the logarithm of the capital is concave in a share, so with the same
    mean it grows fastest where shares spread least.
    """

    def fewest(titles: int, mean: float) -> int:
        """The fewest of so many titles, wholly good, that prove a mean share of at least *mean*."""
        passed = range(titles + 1)
        return bisect_left(passed, _ENOUGH, key=lambda good: log_capital([(1.0, good), (0.0, titles - good)], mean))

    passes = tuple(fewest(look, test.threshold) for look in test.looks)
    fails = tuple(look - fewest(look, 1 - test.threshold) for look in test.looks)
    return Boundaries(test.threshold, test.looks, passes, fails)


def log_capital(shares: Iterable[tuple[float, float]], mean: float) -> float:
    """The logarithm of the capital that bets against a mean share of at most *mean* have become.

    *shares* are pairs of a share and the number of its titles. It falls as *mean* grows.
    """
    told = list(shares)
    logs = [math.fsum(count * math.log1p(part * (share / mean - 1)) for share, count in told) for part in _FRACTIONS]
    greatest = max(logs)
    return greatest + math.log(math.fsum(math.exp(one - greatest) for one in logs) / len(logs))


def _mirrored(shares: Shares) -> list[tuple[float, int]]:
    return [(1 - share, count) for share, count in shares.items()]


def _lowest(shares: list[tuple[float, int]], threshold: float, *, proved: bool) -> float:
    """The lowest mean that is not refuted; at or above *threshold* if that is *proved*, else below it."""
    titles = sum(count for _, count in shares)
    mean = math.fsum(share * count for share, count in shares) / titles if titles else 0.0
    if mean == 0:
        return 0.0
    low, high = (threshold, mean) if proved else (0.0, min(threshold, mean))
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if middle > 0 and log_capital(shares, middle) >= _ENOUGH:
            low = middle
        else:
            high = middle
    return low
