"""What changed from one run to another, title by title, and whether that is more than chance."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from plotbot.fingerprint import Fingerprint
from plotbot.measure.pairing import Paired, Rival, pair_titles, titles_of
from plotbot.measure.verdict_sheet import SheetPart, VerdictSheet
from plotbot.records import Question


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two parts compared over the same titles.

    `differences` are the ways in which the parts were not asked alike, in words. `diffs` are unified diffs, line by
    line, of the prompt and of the schema where both texts are known. `notes` are differences of the server.
    `headlines` are by title id, as far as they are known. `before` and `after` are the names of the two in sentences.
    """

    eval: str
    before: Rival
    after: Rival
    paired: Paired
    differences: tuple[str, ...] = ()
    diffs: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    headlines: Mapping[str, str] | None = None


def compare_sheets(
    before: VerdictSheet, after: VerdictSheet, *, models: tuple[str, str] | None = None
) -> tuple[Comparison, ...]:
    """Compare all parts of the two runs that share titles, each part once, the likest ones with one another.

    *models* names one model or row of each run, which are compared with one another. Empty if no title is common.
    """
    partners = _partners(_stated(before, models and models[0]), _stated(after, models and models[1]))
    return tuple(_compared(before, one, after, other) for one, other in partners)


def _stated(sheet: VerdictSheet, name: str | None) -> list[SheetPart]:
    """The parts of the model or row of that name, each with all parameters that its requests stated."""
    wanted = [part for part in sheet.parts if name is None or name in {part.model, part.label}]
    return [replace(part, params={**sheet.params, **part.params}) for part in wanted]


def _compared(before: VerdictSheet, one: SheetPart, after: VerdictSheet, other: SheetPart) -> Comparison:
    # Two rows of the same name are told apart by their runs.
    runs = (before.name or before.run, after.name or after.run) if one.label == other.label else ("", "")
    return Comparison(
        eval=one.eval if one.eval == other.eval else f"{one.eval} -> {other.eval}",
        before=Rival(one.label, titles_of(one), runs[0]),
        after=Rival(other.label, titles_of(other), runs[1]),
        paired=pair_titles(titles_of(one), titles_of(other)),
        differences=tuple(_differences(one, other)),
        diffs=tuple(_diffs(before.questions.get(one.asked), after.questions.get(other.asked))),
        notes=tuple(_fields("", one.fingerprint, other.fingerprint, Fingerprint.SERVER)),
        headlines={**before.headlines, **after.headlines},
    )


_LIKENESS: Sequence[Callable[[SheetPart], tuple[object, ...]]] = (
    lambda part: (part.eval, part.model, part.asked, sorted(part.params.items(), key=str)),
    lambda part: (part.eval, part.model, part.variant, part.response_format),
    lambda part: (part.eval, part.model),
    lambda part: (part.eval, part.variant, part.response_format),
    lambda part: (part.eval,),
    lambda part: (part.model,),
    lambda _: (),
)
"""What two parts have in common, from the likest to the most different that are still compared."""


def likest_parts(before: VerdictSheet, after: VerdictSheet) -> list[tuple[SheetPart, SheetPart]]:
    """The parts of two runs that are compared with one another: those that share titles, the likest first."""
    return _partners(_stated(before, None), _stated(after, None))


def _partners(before: Sequence[SheetPart], after: Sequence[SheetPart]) -> list[tuple[SheetPart, SheetPart]]:
    """Pairs of parts with a common title, in the order of *before*; each part is in at most one pair."""
    found: dict[int, int] = {}
    for key in _LIKENESS:
        for position, one in enumerate(before):
            if position in found:
                continue
            free = (number for number in range(len(after)) if number not in found.values())
            alike = (number for number in free if key(after[number]) == key(one) and _share_titles(one, after[number]))
            if (partner := next(alike, None)) is not None:
                found[position] = partner
    return [(before[position], after[found[position]]) for position in sorted(found)]


def _share_titles(one: SheetPart, other: SheetPart) -> bool:
    return any(
        title in other.titles and other.titles[title].headline == verdicts.headline
        for title, verdicts in one.titles.items()
    )


def _differences(before: SheetPart, after: SheetPart) -> Iterator[str]:
    if before.eval != after.eval:
        yield f"eval {before.eval} -> {after.eval}"
    if before.model != after.model:
        yield f"model {before.model} -> {after.model}"
    named = [name for name in ("response_format", "prompt", "schema") if getattr(before, name) != getattr(after, name)]
    for name in named:
        yield f"{name.replace('_', ' ')} {getattr(before, name)} -> {getattr(after, name)}"
    if before.asked != after.asked and not named:
        yield f"the wording that plotbot puts round a headline {before.asked} -> {after.asked}"
    yield from _fields("parameter ", before.params, after.params)
    if before.model == after.model:
        compared = {*before.fingerprint, *after.fingerprint} - Fingerprint.NOT_THE_MODEL
        yield from _fields("fingerprint ", before.fingerprint, after.fingerprint, compared)


def _diffs(before: Question | None, after: Question | None) -> Iterator[tuple[str, ...]]:
    if before is None or after is None:
        return
    texts: Sequence[tuple[str, Callable[[Question], str]]] = (
        ("prompt", lambda one: one.prompt),
        ("schema", _schema_text),
    )
    for what, read in texts:
        then, now = (read(question).splitlines() for question in (before, after))
        lines = tuple(difflib.unified_diff(then, now, f"{what} before", f"{what} after", lineterm="", n=1))
        if lines:
            yield lines


def _schema_text(question: Question) -> str:
    return json.dumps(question.schema, indent=1, ensure_ascii=False)


def _fields(
    what: str, before: Mapping[str, Any], after: Mapping[str, Any], names: Iterable[str] | None = None
) -> Iterator[str]:
    for name in sorted({*before, *after} if names is None else names):
        if before.get(name) != after.get(name):
            yield f"{what}{name} {before.get(name, 'not told')} -> {after.get(name, 'not told')}"
