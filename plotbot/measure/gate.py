"""The gate: a threshold on a model's pass rate, and the verdict on it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from plotbot.measure.intervals import Interval, rated_to_settle
from plotbot.measure.metrics import ModelMetrics
from plotbot.measure.tally import ModelVariant
from plotbot.settings.keys import EVERY_MODEL

GateVerdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]


@dataclass(frozen=True, slots=True)
class GateLook:
    """One look of a sequential gate: after how many titles, and the share of good answers among them.

    With one answer a title, `low` and `high` are the shares at or below which, and at or above which, the look decides;
    None where no share would. With several they are the ends of the interval, which decides when it leaves the
    threshold out.
    """

    titles: int
    rate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class GateResult:
    """A gate's verdict on one model, or on one of its variants.

    `how` is `point`, `interval` or `sequential`. `needed` is the number of rated titles, each asked as often as now,
    that would settle an inconclusive interval at the present rate; None if it is settled or no number would settle it.
    Of a sequential gate `titles` says after how many titles of `planned` the verdict was given, or how many it has
    seen, and `waits` how many errors among them have to be asked again first; `shares` says that titles have several
    answers, so that each counts by its share of good ones. `course` are its looks.
    """

    model: str
    verdict: GateVerdict
    how: str
    threshold: float
    rate: float | None
    interval: Interval | None
    needed: int | None = None
    variant: str = ""
    titles: int | None = None
    planned: int | None = None
    waits: int = 0
    shares: bool = False
    course: tuple[GateLook, ...] = ()

    @property
    def row(self) -> ModelVariant:
        """The row that it is about."""
        return ModelVariant(self.model, self.variant)


def judge_gate(metrics: ModelMetrics, thresholds: Mapping[str, float], how: str) -> GateResult | None:
    """Hold one model's pass rate against its threshold; None if it has no threshold.

    *thresholds* is by model id, or by a row's label (`qwen3-4b short.txt`), which counts first; the entry of
    `EVERY_MODEL` is for every model without one of its own. The gate `point` compares the rate itself. The gate
    `interval` is PASS if the lower bound reaches the threshold, FAIL if the upper bound misses it, else INCONCLUSIVE.
    Without a rated case both are INCONCLUSIVE.

    With n titles asked once and a threshold t, where nt and n(1-t) are at least 5, `interval` calls a model on the
    wrong side in at most 5 % of runs, whatever its true rate. With fewer titles it may be up to 10 % when the truth
    lies on the threshold itself: a handful of failures is too coarse for a closer promise.
    """
    threshold = threshold_of(metrics.tally.row, thresholds)
    if threshold is None:
        return None
    rate, interval = metrics.pass_rate, metrics.interval
    if rate is None or interval is None:
        return GateResult(metrics.model, "INCONCLUSIVE", how, threshold, None, None, variant=metrics.variant)
    verdict = _by_rate(rate, threshold) if how == "point" else _by_interval(interval, threshold)
    needed = _titles_to_settle(metrics, rate, threshold) if verdict == "INCONCLUSIVE" else None
    return GateResult(metrics.model, verdict, how, threshold, rate, interval, needed, metrics.variant)


def threshold_of(row: ModelVariant, thresholds: Mapping[str, float]) -> float | None:
    """The threshold of a row: under its label, under its model, or that of every model; None if it has none."""
    named = (thresholds.get(name) for name in (row.label, row.model, EVERY_MODEL))
    return next((one for one in named if one is not None), None)


def judge_gates(
    metrics: Iterable[ModelMetrics], thresholds: Mapping[str, float], how: str = "point"
) -> tuple[GateResult, ...]:
    """The gates of all models that have a threshold, in the order of *metrics*."""
    results = (judge_gate(one, thresholds, how) for one in metrics)
    return tuple(result for result in results if result is not None)


def _titles_to_settle(metrics: ModelMetrics, rate: float, threshold: float) -> int | None:
    rated, repeats = rated_to_settle(rate, threshold), metrics.repeats
    if rated is None or repeats is None:
        return rated
    return math.ceil(rated * repeats.titles / repeats.effective)


def _by_rate(rate: float, threshold: float) -> GateVerdict:
    return "PASS" if rate >= threshold else "FAIL"


def _by_interval(interval: Interval, threshold: float) -> GateVerdict:
    if interval.low >= threshold:
        return "PASS"
    return "FAIL" if interval.high < threshold else "INCONCLUSIVE"
