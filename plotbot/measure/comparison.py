"""What changed from one run to another, title by title, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plotbot.measure.intervals import Interval
from plotbot.measure.paired import Pair, difference_interval, mcnemar_exact, rates
from plotbot.measure.verdict_sheet import SheetPart, TitleVerdicts, VerdictSheet, is_rated, passes

_ANSWERS_ALIKE = frozenset({"slots"})
"""Fields of a fingerprint that say how fast a model answers, not what."""


@dataclass(frozen=True, slots=True)
class Change:
    """A title whose verdicts differ: the words before and after, one for each repeat."""

    title: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two parts over the same titles.

    `differences` says in what the parts were not asked alike; where there are any and nobody asked to compare anyway,
    nothing else is filled in (`refused`). `broken` titles have fewer good answers than before, `fixed` more, `drifted`
    as many but other failures. `pairs` is the number of titles rated in both, `alone` of those in one run only or with
    another headline, `unrated` of those that an error or a skip left without a pair. The rates are over the pairs.
    `p` is McNemar's exact p, with repeats that of the sign test on titles, which is the same for one answer a title.
    """

    eval: str
    model: str
    response_format: str
    differences: tuple[str, ...]
    refused: bool = False
    broken: tuple[Change, ...] = ()
    fixed: tuple[Change, ...] = ()
    drifted: tuple[Change, ...] = ()
    pairs: int = 0
    alone: int = 0
    unrated: int = 0
    rate_before: float | None = None
    rate_after: float | None = None
    interval: Interval | None = None
    p: float | None = None


def compare_sheets(before: VerdictSheet, after: VerdictSheet, *, anyway: bool = False) -> tuple[Comparison, ...]:
    """Compare every part that both runs have: the same eval, model and response format.

    With *anyway* parts that were not asked alike are compared too; where a run has one model, or one format, only, it
    then stands for the other run's.
    """
    return tuple(
        compare_parts(one, other, (before.params, after.params), anyway=anyway)
        for one, other in _partners(before.parts, after.parts, anyway=anyway)
    )


def compare_parts(
    before: SheetPart,
    after: SheetPart,
    params: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
    *,
    anyway: bool = False,
) -> Comparison:
    """Compare two parts title by title; refused where they were not asked alike, unless *anyway*."""
    differences = tuple(_differences(before, after, params))
    name = before.model if before.model == after.model else f"{before.model} -> {after.model}"
    head = (before.eval, name, after.response_format, differences)
    if differences and not anyway:
        return Comparison(*head, refused=True)
    common = [title for title in before.titles if _same_headline(before.titles[title], after.titles.get(title))]
    found = [(title, *_rated(before.titles[title], after.titles[title])) for title in common]
    rated = [Change(title, one, other) for title, one, other in found if one]
    pairs = [Pair(_passed(change.before), _passed(change.after), len(change.before)) for change in rated]
    changes = list(zip(rated, pairs, strict=True))
    broken = tuple(change for change, pair in changes if pair.after < pair.before)
    fixed = tuple(change for change, pair in changes if pair.after > pair.before)
    rate_before, rate_after = rates(pairs) if pairs else (None, None)
    return Comparison(
        *head,
        broken=broken,
        fixed=fixed,
        drifted=tuple(change for change, pair in changes if pair.after == pair.before and _drifted(change)),
        pairs=len(pairs),
        alone=len({*before.titles, *after.titles}) - len(common),
        unrated=len(common) - len(pairs),
        rate_before=rate_before,
        rate_after=rate_after,
        interval=difference_interval(pairs),
        p=mcnemar_exact(len(broken), len(fixed)) if pairs else None,
    )


def _partners(
    before: Sequence[SheetPart], after: Sequence[SheetPart], *, anyway: bool
) -> Iterator[tuple[SheetPart, SheetPart]]:
    one_model = all(len({part.model for part in parts}) == 1 for parts in (before, after))
    one_format = all(len({part.response_format for part in parts}) == 1 for parts in (before, after))
    for one in before:
        for other in after:
            models = one.model == other.model or (anyway and one_model)
            formats = one.response_format == other.response_format or (anyway and one_format)
            if one.eval == other.eval and models and formats:
                yield one, other


def _differences(
    before: SheetPart, after: SheetPart, params: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> Iterator[str]:
    named = ("model", "response_format", "prompt", "schema")
    differing = [name for name in named if getattr(before, name) != getattr(after, name)]
    for name in differing:
        yield f"{name.replace('_', ' ')}: {getattr(before, name)} -> {getattr(after, name)}"
    if before.asked != after.asked and not differing:
        yield f"the wording that plotbot puts round a headline: {before.asked} -> {after.asked}"
    yield from _fields("parameter", *params)
    if before.model == after.model:
        yield from _fields("fingerprint", before.fingerprint, after.fingerprint)


def _fields(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*before, *after} - _ANSWERS_ALIKE):
        if before.get(name) != after.get(name):
            yield f"{what} {name}: {before.get(name, 'not told')} -> {after.get(name, 'not told')}"


def _same_headline(before: TitleVerdicts, after: TitleVerdicts | None) -> bool:
    return after is not None and before.headline == after.headline


def _rated(before: TitleVerdicts, after: TitleVerdicts) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The repeats that are rated in both."""
    pairs = zip(before.verdicts, after.verdicts, strict=False)
    both = [(one, other) for one, other in pairs if is_rated(one) and is_rated(other)]
    return tuple(one for one, _ in both), tuple(other for _, other in both)


def _passed(words: Sequence[str]) -> int:
    return sum(map(passes, words))


def _drifted(change: Change) -> bool:
    """Whether the verdicts are other ones, in whatever order the repeats gave them."""
    return sorted(change.before) != sorted(change.after)
