"""The sentences at the top of the page: which model is best, what fails most, what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from plotbot.measure.gate import GateResult
from plotbot.measure.intervals import Interval
from plotbot.measure.metrics import ModelMetrics
from plotbot.measure.pairing import Rival
from plotbot.measure.tally import total_tally
from plotbot.report import formatting
from plotbot.report.advice import advice
from plotbot.report.formatting import Sentence, listed, name
from plotbot.report.hosts import apart_sentence, mixed_sentence
from plotbot.report.page.matrix import Place
from plotbot.report.rivals import rival_sentences
from plotbot.safe import plural


@dataclass(frozen=True, slots=True)
class Contender:
    """A model in one variant in a run. `run` is the run's id if several runs are compared, else empty."""

    metrics: ModelMetrics
    gate: GateResult | None = None
    run: str = ""

    @property
    def named(self) -> Sentence:
        model = name(self.metrics.label)
        return [model, " in run ", name(self.run)] if self.run else [model]


@dataclass(frozen=True, slots=True)
class _Rated:
    """A contender with a pass rate."""

    contender: Contender
    rate: float
    interval: Interval

    @property
    def named(self) -> Sentence:
        return self.contender.named


def which_is_best(
    contenders: Sequence[Contender], rivals: Sequence[Rival] = (), same_titles: bool = True
) -> list[Sentence]:
    """The best model, and whether that is more than chance on the titles that two models share.

    *rivals* are the contenders with their verdicts; *same_titles* says that all were rated on the same titles.
    """
    rated = _ranked(contenders)
    if not rated:
        return [["No answer could be rated yet."]]
    sentences = [_alone(rated[0])] if len(rated) == 1 else [_leaders(rated), *rival_sentences(rivals)]
    unrated = [one.named for one in contenders if one.metrics.pass_rate is None]
    if unrated:
        sentences.append(["Nothing could be rated of ", *listed(unrated), "."])
    if len(rated) > 1 and not same_titles:
        sentences.append(["Their pass rates are of different titles; the comparisons are on the common ones."])
    mixed = [one.named for one in contenders if one.metrics.mixed]
    if mixed:
        sentences.append(["Mixed rates, of hosts that did not serve the same model: ", *listed(mixed), "."])
    return [*sentences, *_fastest(contenders)]


def what_fails_most(contenders: Sequence[Contender], places: Counter[Place]) -> list[Sentence]:
    """The most frequent failure with advice, the place in the schema that breaks most, and the most frequent error."""
    failures = _sum(one.metrics.failures for one in contenders)
    errors = _sum(one.metrics.errors for one in contenders)
    sentences: list[Sentence] = [_most(failures, "failed answer", contenders) if failures else ["No answer failed."]]
    if places:
        (field, keyword), count = min(places.items(), key=lambda pair: (-pair[1], pair[0]))
        sentences.append(
            ["Of the schema, ", name(field), " breaks ", name(keyword), f" most often: in {plural(count, 'answer')}."]
        )
    if errors:
        sentences.append(
            [*_most(errors, "error", contenders), " Errors are the server's and do not count against a model."]
        )
    return sentences


def what_is_missing(contenders: Sequence[Contender], unjudged: int = 0) -> list[Sentence]:
    """How many planned cases have no result; *unjudged* of these have an answer. Empty if no case is missing."""
    total = total_tally(one.metrics.tally for one in contenders)
    sentences: list[Sentence] = []
    if total.not_run:
        behind: list[Sentence] = [
            [*one.named, f" {one.metrics.tally.not_run:,} of {one.metrics.tally.planned:,}"]
            for one in contenders
            if one.metrics.tally.not_run
        ]
        sentences.append(
            [
                f"{total.not_run:,} of {plural(total.planned, 'planned case was', 'planned cases were')} not run: ",
                *listed(behind),
                ".",
            ]
        )
        sentences.append(["Resume the run: finished work is not asked again."])
    if unjudged:
        sentences.append([f"{unjudged:,} of them have an answer that no test has judged."])
    return sentences


def what_is_mixed(contenders: Iterable[Contender]) -> list[Sentence]:
    """For each model whose hosts served different ones: how these differ, and the pass rate of each host."""
    found = ((one, mixed_sentence(one.metrics)) for one in contenders)
    return [
        [*one.named, ": ", *sentence, " ", *apart_sentence(one.metrics)]
        for one, sentence in found
        if sentence is not None
    ]


def gate_sentences(contenders: Iterable[Contender]) -> list[Sentence]:
    """Each gate's verdict and its reason, and what a sequential comparison says."""
    sentences: list[Sentence] = []
    for one in contenders:
        if one.gate is not None:
            sentences.append([*one.named, f": {formatting.gate_words(one.gate)}."])
        if one.metrics.challenge is not None:
            sentences.append([*one.named, ": ", *formatting.challenge_sentence(one.metrics.challenge), "."])
    return sentences


def _ranked(contenders: Iterable[Contender]) -> list[_Rated]:
    """The contenders with a pass rate, the best first, equal ones in plan order."""
    rated = [
        _Rated(one, one.metrics.pass_rate, one.metrics.interval)
        for one in contenders
        if one.metrics.pass_rate is not None and one.metrics.interval is not None
    ]
    return sorted(rated, key=lambda one: -one.rate)


def _alone(one: _Rated) -> Sentence:
    tally = one.contender.metrics.tally
    told = f" passed {tally.passed:,} of {plural(tally.rated, 'rated answer')}, {formatting.percent(one.rate)}."
    sure = (
        f" With 95\N{NO-BREAK SPACE}% confidence its rate on such titles lies between {_bounds(one.interval, ' and ')}."
    )
    return [*one.named, told + sure]


def _leaders(rated: Sequence[_Rated]) -> Sentence:
    best = rated[0]
    if best.rate == 0:
        return ["No model passed a single answer."]
    shared = [one for one in rated[1:] if one.rate == best.rate]
    verb = "share the highest pass rate" if shared else "has the highest pass rate"
    leaders = listed([one.named for one in (best, *shared)])
    return [*leaders, f" {verb}, {formatting.percent(best.rate)} ({_bounds(best.interval)})."]


def bounds(interval: Interval) -> tuple[str, str]:
    """Both ends in percent, rounded outwards to one decimal."""
    low, high = formatting.outwards(interval, 1000)
    return f"{low / 10:.1f}", f"{high / 10:.1f}"


def _bounds(interval: Interval, link: str = " to ") -> str:
    return link.join(bounds(interval)) + "\N{NO-BREAK SPACE}%"


def _fastest(contenders: Sequence[Contender]) -> list[Sentence]:
    timed = [(one.metrics.seconds_median, one) for one in contenders if one.metrics.seconds_median is not None]
    if len(timed) < 2:
        return []
    seconds, quickest = min(timed, key=lambda pair: pair[0])
    return [["The quickest is ", *quickest.named, f": {formatting.seconds(seconds)} s an answer (median)."]]


def _most(counts: Counter[str], of: str, contenders: Sequence[Contender]) -> Sentence:
    category, count = min(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    total = counts.total()
    cure = advice(category, [one.metrics for one in contenders])
    told = f": {count:,} of {plural(total, of)}. {cure}"
    return [name(category), told.rstrip()]


def _sum(many: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for counts in many:
        total.update(counts)
    return total
