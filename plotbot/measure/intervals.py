"""How sure a pass rate is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
"""The normal quantile of a two-sided 95 % interval: 1.95996…"""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of a proportion, both ends within 0 and 1."""

    low: float
    high: float


def wilson_interval(passed: int, rated: int) -> Interval | None:
    """The 95 % Wilson score interval of *passed* out of *rated*; None where nothing was rated.

    With p = passed / rated, n = rated and z the normal quantile:

        (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)

    E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927) 209-212.
    L. D. Brown, T. T. Cai and A. DasGupta, Interval estimation for a binomial proportion, Statistical Science 16
    (2001) 101-133, recommend it for small n, where the textbook's p ± z √(p(1-p)/n) is too narrow.
    """
    if rated == 0:
        return None
    rate, spread = passed / rated, Z * Z / rated
    middle = rate + spread / 2
    half = math.sqrt(spread * rate * (1 - rate) + spread * spread / 4)
    # Where all passed, rounding could leave the upper end beside 1; where none did, the lower end is exactly 0.
    high = 1.0 if passed == rated else (middle + half) / (1 + spread)
    return Interval((middle - half) / (1 + spread), high)


def rated_to_settle(rate: float, threshold: float) -> int | None:
    """How many rated cases at this *rate* put *threshold* outside the Wilson interval; None if no number does.

    The interval is the score test turned round, so its end meets the threshold t where (p - t)² = z² t(1-t) / n.
    """
    gap = (rate - threshold) ** 2
    return None if gap == 0 else math.ceil(Z * Z * threshold * (1 - threshold) / gap)
