"""What changed from one run to another, title by title, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from plotbot.measure.intervals import Interval
from plotbot.measure.paired_tests import Pair, difference_interval, mcnemar_exact, rates
from plotbot.measure.verdict_sheet import SheetPart, TitleVerdicts, VerdictSheet, is_rated, passes
from plotbot.records import Fingerprint

_VARIANT_PARAMS = frozenset({"temperature", "reasoning_effort"})


@dataclass(frozen=True, slots=True)
class Change:
    """A title whose verdicts differ: the verdict words before and after, one for each repeat."""

    title: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two parts compared over the same titles.

    `differences` are the ways in which the parts were not asked alike; with any, nothing is compared (`refused`) unless
    the caller compares anyway. `notes` are differences of the server, which refuse nothing. `broken` titles have fewer
    good answers than before, `fixed` ones more, `drifted` ones as many but other failures. `pairs` is the number of
    titles rated in both parts, `alone` of titles in one part only or with another headline, `unrated` of titles that an
    error or a skip left without a pair. The rates are over the pairs. `p` is McNemar's exact p; with repeats it is the
    p of the sign test on titles, which is the same test for one answer a title.
    """

    eval: str
    model: str
    response_format: str
    differences: tuple[str, ...]
    notes: tuple[str, ...] = ()
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


def compare_sheets(
    before: VerdictSheet, after: VerdictSheet, *, anyway: bool = False, models: tuple[str, str] | None = None
) -> tuple[Comparison, ...]:
    """Compare every part that both runs have: the same eval, model and variant.

    Variants are the same if their names are, or what they ask with. *models* names one model of each run, or one row
    (`qwen3-4b short.txt`), which are compared with one another. With *anyway*, parts that were not asked alike are
    compared too, and so are the only models, or only variants, of the two runs.
    """
    ones, others = _stated(before, models and models[0]), _stated(after, models and models[1])
    rows = models is not None and any(part.variant and part.label in models for part in (*ones, *others))
    return tuple(
        compare_parts(one, other, anyway=anyway, any_model=models is not None, any_variant=rows)
        for one, other in _partners(ones, others, anyway=anyway, any_model=models is not None, any_variant=rows)
    )


def _stated(sheet: VerdictSheet, name: str | None) -> list[SheetPart]:
    """The parts of the model or row of that name, each with all parameters that its requests stated."""
    wanted = [part for part in sheet.parts if name is None or name in {part.model, part.label}]
    return [replace(part, params={**sheet.params, **part.params}) for part in wanted]


def compare_parts(
    before: SheetPart,
    after: SheetPart,
    *,
    anyway: bool = False,
    any_model: bool = False,
    any_variant: bool = False,
) -> Comparison:
    """Compare two parts title by title; refused if they were not asked alike, unless *anyway*.

    With *any_model* they may be of two models, with *any_variant* they may differ in what makes a variant.
    """
    differences = tuple(_differences(before, after, any_model=any_model, any_variant=any_variant))
    notes = tuple(_fields("", before.fingerprint, after.fingerprint, Fingerprint.SERVER))
    name = before.label if before.label == after.label else f"{before.label} -> {after.label}"
    head = Comparison(before.eval, name, after.response_format, differences, notes)
    if differences and not anyway:
        return replace(head, refused=True)
    return _compared(head, before.titles, after.titles)


def _compared(head: Comparison, before: Mapping[str, TitleVerdicts], after: Mapping[str, TitleVerdicts]) -> Comparison:
    common = [title for title in before if _same_headline(before[title], after.get(title))]
    found = [(title, *_rated(before[title], after[title])) for title in common]
    rated = [Change(title, one, other) for title, one, other in found if one]
    pairs = [Pair(_passed(change.before), _passed(change.after), len(change.before)) for change in rated]
    changes = list(zip(rated, pairs, strict=True))
    broken = tuple(change for change, pair in changes if pair.after < pair.before)
    fixed = tuple(change for change, pair in changes if pair.after > pair.before)
    rate_before, rate_after = rates(pairs) if pairs else (None, None)
    return replace(
        head,
        broken=broken,
        fixed=fixed,
        drifted=tuple(change for change, pair in changes if pair.after == pair.before and _drifted(change)),
        pairs=len(pairs),
        alone=len({*before, *after}) - len(common),
        unrated=len(common) - len(pairs),
        rate_before=rate_before,
        rate_after=rate_after,
        interval=difference_interval(pairs),
        p=mcnemar_exact(len(broken), len(fixed)) if pairs else None,
    )


def _partners(
    before: Sequence[SheetPart], after: Sequence[SheetPart], *, anyway: bool, any_model: bool, any_variant: bool
) -> Iterator[tuple[SheetPart, SheetPart]]:
    only_model = anyway and all(len({part.model for part in parts}) == 1 for parts in (before, after))
    kinds = [{(part.variant, part.response_format) for part in parts} for parts in (before, after)]
    any_variant = any_variant or (anyway and all(len(kind) == 1 for kind in kinds))
    for one in before:
        for other in after:
            models = one.model == other.model or any_model or only_model
            if one.eval == other.eval and models and (any_variant or _same_variant(one, other)):
                yield one, other


def _same_variant(one: SheetPart, other: SheetPart) -> bool:
    named_alike = one.variant == other.variant and one.response_format == other.response_format
    return named_alike or (one.asked == other.asked and one.params == other.params)


def _differences(before: SheetPart, after: SheetPart, *, any_model: bool, any_variant: bool) -> Iterator[str]:
    compared_fields = ("schema",) if any_variant else ("response_format", "prompt", "schema")
    named = [name for name in compared_fields if getattr(before, name) != getattr(after, name)]
    for name in named:
        yield f"{name.replace('_', ' ')} {getattr(before, name)} -> {getattr(after, name)}"
    if before.asked != after.asked and not named and not any_variant:
        yield f"the wording that plotbot puts round a headline {before.asked} -> {after.asked}"
    free = _VARIANT_PARAMS if any_variant else frozenset()
    yield from _fields("parameter ", before.params, after.params, {*before.params, *after.params} - free)
    if before.model == after.model:
        compared = {*before.fingerprint, *after.fingerprint} - Fingerprint.NOT_THE_MODEL
        yield from _fields("fingerprint ", before.fingerprint, after.fingerprint, compared)
    elif not any_model:
        yield f"model {before.model} -> {after.model}"


def _fields(
    what: str, before: Mapping[str, Any], after: Mapping[str, Any], names: Iterable[str] | None = None
) -> Iterator[str]:
    for name in sorted({*before, *after} if names is None else names):
        if before.get(name) != after.get(name):
            yield f"{what}{name} {before.get(name, 'not told')} -> {after.get(name, 'not told')}"


def _same_headline(before: TitleVerdicts, after: TitleVerdicts | None) -> bool:
    return after is not None and before.headline == after.headline


def _rated(before: TitleVerdicts, after: TitleVerdicts) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The verdict words of the repeats that are rated in both."""
    pairs = zip(before.verdicts, after.verdicts, strict=False)
    both = [(one, other) for one, other in pairs if is_rated(one) and is_rated(other)]
    return tuple(one for one, _ in both), tuple(other for _, other in both)


def _passed(words: Sequence[str]) -> int:
    return sum(map(passes, words))


def _drifted(change: Change) -> bool:
    """Whether the verdicts differ, regardless of the order of the repeats."""
    return sorted(change.before) != sorted(change.after)
