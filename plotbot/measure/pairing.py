"""Verdicts paired by title: what differs between two models, two variants or two runs, and whether it is chance.

Every comparison that plotbot shows comes from `pair_titles`. The intervals of two pass rates say nothing about their
difference on the same titles, and no report compares them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from plotbot.measure.intervals import Interval
from plotbot.measure.paired_tests import Pair, difference_interval, holm, mcnemar_exact, rates
from plotbot.measure.tally import ModelVariant
from plotbot.measure.verdict_sheet import SheetPart, TitleVerdicts, VerdictSheet, is_rated, passes

SIGNIFICANT = 0.05
Titles = Mapping[str, Mapping[str, TitleVerdicts]]
"""Verdicts by title id and eval: all answers to a title are one cluster."""


@dataclass(frozen=True, slots=True)
class Change:
    """A title whose verdicts differ: the verdict words before and after, one for each answer that is rated in both."""

    title: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Paired:
    """Two sets of verdicts over the titles that are rated in both.

    `broken` titles have fewer good answers than before, `fixed` ones more, `drifted` ones as many but other failures.
    `titles` is the number of common titles, `alone` of titles in one set only or with another headline, `unrated` of
    titles that an error or a skip left without a pair. The rates are over the pairs, the interval is that of `after`
    minus `before`. `p` is McNemar's exact p; with several answers to a title it is that of the sign test on titles,
    which is the same test for one answer a title. Rates, interval and `p` are None without a common title.
    """

    broken: tuple[Change, ...] = ()
    fixed: tuple[Change, ...] = ()
    drifted: tuple[Change, ...] = ()
    titles: int = 0
    alone: int = 0
    unrated: int = 0
    rate_before: float | None = None
    rate_after: float | None = None
    interval: Interval | None = None
    p: float | None = None


@dataclass(frozen=True, slots=True)
class Rival:
    """One row of a report: a model in one variant, in one run. `run` is empty if there is one run only.

    `of` names what it is a variant of: the model. It is empty if the run has one variant only.
    """

    label: str
    titles: Titles
    run: str = ""
    of: str = ""

    @property
    def rate(self) -> float | None:
        """Passed / rated answers; None if nothing was rated."""
        words = [word for evals in self.titles.values() for one in evals.values() for word in one.verdicts]
        rated = [passes(word) for word in words if is_rated(word)]
        return sum(rated) / len(rated) if rated else None


@dataclass(frozen=True, slots=True)
class Contest:
    """Two rivals on their common titles. `p` is corrected for the number of contests; None without a common title."""

    before: Rival
    after: Rival
    paired: Paired
    p: float | None

    @property
    def settled(self) -> bool:
        """Whether the difference is more than chance."""
        return self.p is not None and is_settled(self.p)


@dataclass(frozen=True, slots=True)
class Ranking:
    """The rivals with a pass rate, the best first: each other one against the best, and each against the next better.

    `with_first` is each variant of a model against the model's first.
    """

    order: tuple[Rival, ...]
    with_best: tuple[Contest, ...]
    adjacent: tuple[Contest, ...]
    with_first: tuple[Contest, ...] = ()


def is_settled(p: float) -> bool:
    return p < SIGNIFICANT


def rivals_of(sheet: VerdictSheet, run: str = "") -> tuple[Rival, ...]:
    """The rows of a run, a model's variants in the run's order. *run* is its name if several runs are compared."""
    turns = {name: number for number, name in enumerate(sheet.variants)}
    found: dict[ModelVariant, dict[str, dict[str, TitleVerdicts]]] = {}
    models = list(dict.fromkeys(part.model for part in sheet.parts))
    for part in sorted(sheet.parts, key=lambda part: (models.index(part.model), turns.get(part.variant, 0))):
        row = found.setdefault(ModelVariant(part.model, part.variant), {})
        for title, verdicts in part.titles.items():
            row.setdefault(title, {})[part.eval] = verdicts
    return tuple(Rival(row.label, titles, run, row.model if row.variant else "") for row, titles in found.items())


def titles_of(part: SheetPart) -> Titles:
    """The verdicts of one part, to be paired with another part's."""
    return {title: {"": verdicts} for title, verdicts in part.titles.items()}


def pair_titles(before: Titles, after: Titles) -> Paired:
    """Compare title by title; answers pair by eval and repeat, and only where both are rated."""
    common = [title for title in before if title in after and _same_headline(before[title], after[title])]
    found = [Change(title, *_rated(before[title], after[title])) for title in common]
    rated = [(change, _pair(change)) for change in found if change.before]
    pairs = [pair for _, pair in rated]
    broken = tuple(change for change, pair in rated if pair.after < pair.before)
    fixed = tuple(change for change, pair in rated if pair.after > pair.before)
    rate_before, rate_after = rates(pairs) if pairs else (None, None)
    return Paired(
        broken=broken,
        fixed=fixed,
        drifted=tuple(change for change, pair in rated if pair.after == pair.before and _drifted(change)),
        titles=len(pairs),
        alone=len({*before, *after}) - len(common),
        unrated=len(common) - len(pairs),
        rate_before=rate_before,
        rate_after=rate_after,
        interval=difference_interval(pairs),
        p=mcnemar_exact(len(broken), len(fixed)) if pairs else None,
    )


def rank(rivals: Sequence[Rival]) -> Ranking:
    """Rank by pass rate, equal ones in their order, with Holm's correction over each set of contests."""
    rated = [(rate, rival) for rival in rivals if (rate := rival.rate) is not None]
    order = tuple(rival for _, rival in sorted(rated, key=lambda pair: -pair[0]))
    with_best = _contests([(other, order[0]) for other in order[1:]])
    adjacent = _contests(list(zip(order[1:], order[:-1], strict=True)))
    # The best and the second are in both sets; they have one p.
    return Ranking(order, with_best, (*with_best[:1], *adjacent[1:]), _contests(list(_with_first(rivals))))


def _with_first(rivals: Sequence[Rival]) -> Iterator[tuple[Rival, Rival]]:
    firsts: dict[tuple[str, str], Rival] = {}
    for rival in rivals:
        first = firsts.setdefault((rival.run, rival.of), rival)
        if rival.of and rival is not first:
            yield first, rival


def _contests(rivals: Sequence[tuple[Rival, Rival]]) -> tuple[Contest, ...]:
    paired = [pair_titles(before.titles, after.titles) for before, after in rivals]
    corrected = iter(holm([one.p for one in paired if one.p is not None]))
    return tuple(
        Contest(before, after, one, None if one.p is None else next(corrected))
        for (before, after), one in zip(rivals, paired, strict=True)
    )


def _same_headline(before: Mapping[str, TitleVerdicts], after: Mapping[str, TitleVerdicts]) -> bool:
    return any(before[one].headline == after[one].headline for one in before if one in after)


def _rated(
    before: Mapping[str, TitleVerdicts], after: Mapping[str, TitleVerdicts]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The verdict words that are rated in both, in the same order."""
    both = [
        (one, other)
        for name in before
        if name in after and before[name].headline == after[name].headline
        for one, other in zip(before[name].verdicts, after[name].verdicts, strict=False)
        if is_rated(one) and is_rated(other)
    ]
    return tuple(one for one, _ in both), tuple(other for _, other in both)


def _pair(change: Change) -> Pair:
    return Pair(sum(map(passes, change.before)), sum(map(passes, change.after)), len(change.before))


def _drifted(change: Change) -> bool:
    """Whether the verdicts differ, regardless of the order of the answers."""
    return sorted(change.before) != sorted(change.after)
