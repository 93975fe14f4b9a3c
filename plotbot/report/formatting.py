"""Numbers, names and sentences in the form that the terminal, Markdown and pages share.

A sentence is a list of parts: plotbot's own text, and `{"name": …}` for a name from outside, such as a model's. Each
place shows names in its own harmless way, whatever characters they hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from plotbot.measure.gate import GateResult
from plotbot.measure.groups import GroupMetrics
from plotbot.measure.intervals import Interval
from plotbot.measure.metrics import Challenge, ModelMetrics
from plotbot.measure.speed import Speed
from plotbot.measure.tally import Tally
from plotbot.safe import plural, visible

NONE = "-"
_MOST_GROUPS = 12
LONGEST_NAME = 200
_LEAST_P = 0.0001
Part = str | dict[str, str]
Sentence = list[Part]


def percent(share: float | None) -> str:
    """A share in percent with one decimal; 0.0% and 100.0% only if they are exact."""
    if share is None:
        return NONE
    shown = share * 100 if share in {0, 1} else min(max(share * 100, 0.1), 99.9)
    return f"{shown:.1f}%"


def interval_percent(interval: Interval | None) -> str:
    """`84-98`: both ends in whole percent, rounded outwards."""
    if interval is None:
        return NONE
    low, high = outwards(interval, 100)
    return f"{low}-{high}"


def outwards(interval: Interval, steps: int) -> tuple[int, int]:
    """Both ends in whole numbers of 1/*steps*, rounded outwards: an interval must not look surer than it is."""
    # Nine decimals remove what floating point adds to a bound that is a whole number of steps.
    return math.floor(round(interval.low * steps, 9)), math.ceil(round(interval.high * steps, 9))


def points(difference: float, *, signed: bool = True) -> str:
    """A difference of two shares in percentage points, with one decimal; 0.0 only if it is exact."""
    value = _not_zeroed(difference * 100)
    return f"{value:+.1f}" if signed and value else f"{abs(value):.1f}"


def points_interval(interval: Interval) -> str:
    """`0.4 to 10.1`: both ends in points with one decimal, rounded outwards, but never to zero or across it."""
    low, high = (end / 10 for end in outwards(interval, 1000))
    return " to ".join(
        f"{_not_zeroed(exact * 100, rounded):.1f}" for exact, rounded in ((interval.low, low), (interval.high, high))
    )


def p_value(p: float) -> str:
    """`p 0.034`; with one digit more where two would round it to the limit of chance."""
    if p < _LEAST_P:
        return f"p < {_LEAST_P}"
    return f"p {p:.2g}" if f"{p:.2g}" != "0.05" else f"p {p:.3g}"


def _not_zeroed(exact: float, rounded: float | None = None) -> float:
    shown = round(exact, 1) if rounded is None else rounded
    # Rounding differences of floats leaves less than 1e-9 of a point.
    if shown or abs(exact) < 1e-9:
        return shown or 0.0
    return math.copysign(0.1, exact)


def rate_with_interval(rate: float | None, interval: Interval | None) -> str:
    """`94.0% [84-98]`, or a hyphen if nothing was rated."""
    return NONE if rate is None else f"{percent(rate)} [{interval_percent(interval)}]"


def seconds(value: float | None) -> str:
    """Seconds in at most six characters up to eleven days."""
    if value is None:
        return NONE
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def tokens_per_second(speed: Speed | None) -> str:
    """Tokens per second with one decimal, from 1000 on without."""
    if speed is None:
        return NONE
    value = speed.tokens_per_second
    return f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def category_counts(counts: Mapping[str, int]) -> str:
    """`fenced 12, schema 3`, in the order of *counts*."""
    return ", ".join(f"{visible(category)} {count}" for category, count in counts.items())


def repeats_words(metrics: ModelMetrics) -> list[str]:
    """What a model's repeats tell, in one sentence; empty if no case was rated twice."""
    repeats = metrics.repeats
    if repeats is None:
        return []
    worth = plural(round(repeats.effective), "independent one")
    worth = f"{metrics.tally.rated} answers to {plural(repeats.titles, 'title')} are worth {worth}"
    most = repeats.most
    at_most = f"pass@{most} {percent(repeats.pass_at[most])}, pass^{most} {percent(repeats.pass_all[most])}"
    return [f"{worth}; {at_most}; {percent(repeats.flip_rate)} got both verdicts"]


def group_words(groups: Sequence[GroupMetrics]) -> list[tuple[str, str]]:
    """By what titles are grouped, with the rates of its groups, at most twelve; then which of them are worse."""
    told: list[tuple[str, str]] = []
    for by in dict.fromkeys(one.by for one in groups):
        some = [one for one in groups if one.by == by]
        rates = [f"{one.group} {rate_with_interval(one.pass_rate, one.interval)}" for one in some[:_MOST_GROUPS]]
        more = [f"and {len(some) - _MOST_GROUPS} more"] if len(some) > _MOST_GROUPS else []
        told.append((by, "; ".join([*rates, *more])))
        worse = [f"{one.group} ({p_value(one.p)})" for one in some if one.worse and one.p is not None]
        if worse:
            told.append((by, f"worse than the rest beyond chance: {', '.join(worse)}"))
    return told


def accounting_line(tally: Tally) -> str:
    """`planned 50 = 44 passed + 3 failed + 1 error + 0 skipped + 2 not run`."""
    boxes = f"{tally.passed} passed + {tally.failed} failed + {tally.error} error + {tally.skipped} skipped"
    unneeded = f" + {tally.not_needed} not needed" if tally.not_needed else ""
    return f"planned {tally.planned} = {boxes} + {tally.not_run} not run{unneeded}"


def gate_words(gate: GateResult) -> str:
    """A gate's verdict and its reason, in one sentence."""
    threshold = f"{gate.threshold * 100:.4g}%"
    if gate.rate is None:
        if gate.waits:
            return _sequential_words(gate, threshold)
        return f"{gate.verdict}: no case could be rated against the threshold {threshold}"
    if gate.how == "point":
        relation = "reaches" if gate.verdict == "PASS" else "misses"
        return f"{gate.verdict}: the pass rate {gate.rate * 100:.4g}% {relation} the threshold {threshold}"
    if gate.titles is not None:
        return _sequential_words(gate, threshold)
    return f"{gate.verdict}: the interval {interval_percent(gate.interval)}% {_interval_relation(gate, threshold)}"


def _sequential_words(gate: GateResult, threshold: str) -> str:
    """A sequential gate's verdict: after how many titles, with which interval, or what it waits for."""
    shares = ", each counted by its share of good answers" if gate.shares else ""
    after = f"{gate.verdict} after {gate.titles:,} of {plural(gate.planned or 0, 'title')}{shares}"
    if gate.waits:
        errors = "an error" if gate.waits == 1 else f"{gate.waits} errors"
        return f"{after}: {errors} must be asked again first; --resume goes on to the verdict"
    if gate.interval is None:
        return f"{after}: the first look is still to come"
    interval = f"the sequential interval {interval_percent(gate.interval)}%"
    if gate.verdict != "INCONCLUSIVE":
        return f"{after}: {interval} {_interval_relation(gate, threshold)}"
    if gate.titles != gate.planned:
        return f"{after}: {interval} contains the threshold {threshold}"
    if gate.needed is None:
        return f"{after}: {interval} contains the threshold {threshold}, and no number of titles would settle it"
    more = f"about {plural(gate.needed - (gate.titles or 0), 'more title')} would settle it at this rate"
    return f"{after}: {interval} contains the threshold {threshold}; {more}"


def challenge_sentence(challenge: Challenge) -> Sentence:
    """What a sequential comparison says of a row, as the end of a sentence about it."""
    differing = f"{challenge.lost:,} of them lost, {challenge.won:,} won"
    if challenge.worse:
        said = f", proved after {challenge.titles:,} of {plural(challenge.planned, 'common title')}, {differing}"
        return ["worse than ", name(challenge.than), said]
    said = f" after {challenge.titles:,} of {plural(challenge.planned, 'common title')}, {differing}"
    if challenge.waits:
        errors = "an error" if challenge.waits == 1 else f"{challenge.waits:,} errors"
        said += f"; {errors} must be asked again first, by --resume"
    return ["not proved worse than ", name(challenge.than), said]


def _interval_relation(gate: GateResult, threshold: str) -> str:
    if gate.verdict == "PASS":
        return f"lies at or above the threshold {threshold}"
    if gate.verdict == "FAIL":
        return f"lies below the threshold {threshold}"
    if gate.needed is None:
        return f"contains the threshold {threshold}, and no number of titles would settle it at this rate"
    return (
        f"contains the threshold {threshold}; about {plural(gate.needed, 'rated title')} would settle it at this rate"
    )


def name(text: str) -> Part:
    return {"name": text[:LONGEST_NAME]}


def listed(names: Sequence[Sentence]) -> Sentence:
    """`a`, `a and b`, `a, b and c`."""
    joined: Sentence = list(names[0])
    for position, one in enumerate(names[1:], start=2):
        joined += [" and " if position == len(names) else ", ", *one]
    return joined


def as_text(sentence: Sentence, show: Callable[[str], str]) -> str:
    """The sentence as one text; *show* makes a name harmless in the place where it is shown."""
    return "".join(part if isinstance(part, str) else show(part["name"]) for part in sentence)
