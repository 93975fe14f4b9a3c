"""Which of several models, variants or runs is better, in sentences that are the same wherever they are shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plotbot.measure.pairing import Contest, Paired, Ranking, Rival, is_settled, rank
from plotbot.report import formatting
from plotbot.report.formatting import Sentence, name
from plotbot.safe import plural

_MOST_RANKED = 30


def rival_sentences(rivals: Sequence[Rival]) -> list[Sentence]:
    """The best against each other one, then the order; empty for fewer than two rivals with a pass rate.

    Where models have variants, each variant stands against the first of its model: that is the question that they ask.
    """
    ranking = rank(rivals)
    if len(ranking.order) < 2:
        return []
    contests = ranking.with_first or ranking.with_best
    sentences = [contest_sentence(one) for one in contests[:_MOST_RANKED]]
    return sentences if len(ranking.order) == 2 else [*sentences, *_order(ranking, len(contests))]


def contest_sentence(contest: Contest) -> Sentence:
    """Whether one of two is better, by how much, on how many titles, and how surely.

    The better one is named first, each with its pass rate on the common titles. The difference and its interval are
    the first rate minus the second, so that no line has a difference whose sign is not that of the rates before it.
    """
    before, after, paired = contest.before, contest.after, contest.paired
    if paired.rate_before is None or paired.rate_after is None or paired.interval is None or contest.p is None:
        return [*named(after), " and ", *named(before), " have no common title that is rated in both."]
    first, second = (after, paired.rate_after), (before, paired.rate_before)
    interval = paired.interval
    if _comes_first(second, first):
        first, second, interval = second, first, interval.turned
    titles = "title" if paired.titles == 1 else f"{paired.titles:,} titles"
    between = f"points [{formatting.points_interval(interval)}] on the same {titles} ({formatting.p_value(contest.p)})."
    difference = first[1] - second[1]
    if contest.settled:
        by = formatting.points(difference, signed=False)
        return [*_with_rate(*first), " is better than ", *_with_rate(*second), f" by {by} {between}"]
    told = f" cannot be told apart: {formatting.points(difference)} {between}"
    return [*_with_rate(*first), " and ", *_with_rate(*second), told]


def _comes_first(one: tuple[Rival, float], other: tuple[Rival, float]) -> bool:
    """The better one; of two equal ones the first by name, so that both directions of a comparison say the same."""
    (rival, rate), (against, its_rate) = one, other
    return rate > its_rate or (rate == its_rate and (rival.label, rival.run) < (against.label, against.run))


def _with_rate(rival: Rival, rate: float) -> Sentence:
    return [*named(rival), f" ({formatting.percent(rate)})"]


def chance_words(paired: Paired) -> str:
    """The last sentence of a comparison: how many titles broke, how many were fixed, and whether that is chance."""
    counts = f"{len(paired.broken):,} broken, {len(paired.fixed):,} fixed"
    if paired.p is None:
        return "no title is rated in both"
    if not (paired.broken or paired.fixed or paired.drifted):
        return f"no change in {plural(paired.titles, 'title')}, pass rate {formatting.percent(paired.rate_after)}"
    return f"{'more' if is_settled(paired.p) else 'not more'} than chance: {counts}"


def named(rival: Rival) -> Sentence:
    return [name(rival.label), " in run ", name(rival.run)] if rival.run else [name(rival.label)]


def _order(ranking: Ranking, contests: int) -> Iterator[Sentence]:
    """The rivals from the best to the worst; `~` stands between two that cannot be told apart."""
    order: Sentence = ["In order: ", *named(ranking.order[0])]
    for contest, rival in zip(ranking.adjacent[: _MOST_RANKED - 1], ranking.order[1:], strict=False):
        order += [" > " if contest.settled else " ~ ", *named(rival)]
    cut = len(ranking.order) - _MOST_RANKED
    yield [*order, *([f" … and {cut} more"] if cut > 0 else []), " (~: the two cannot be told apart)."]
    if contests > 1:
        yield [f"Each p is corrected for {contests} comparisons (Holm)."]
