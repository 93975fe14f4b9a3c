"""An audit as a table for the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from plotbot.measure.audit import Audit, ModelAudit, Story
from plotbot.measure.duplicates import ALIKE, ALIKE_STORIES
from plotbot.records import Title
from plotbot.report.formatting import percent
from plotbot.safe import one_line, visible

AUDIT_VERSION = 1
_HEADS = ("model", "stories", "distinct", "of all", "exact copies", "near copies", "from the prompt")
_SHOWN, _LONGEST = 10, 100


def audit_lines(audit: Audit) -> list[str]:
    """The audit for a terminal: a table of the models, what comes again, and the first few copies by name."""
    if not audit.stories:
        return ["no stories to audit", *_title_lines(audit)]
    rows = [_HEADS, *(_cells(model) for model in audit.models)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    return [
        *("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows),
        "",
        *(line for model in audit.models for line in _model_lines(model)),
        *_copy_lines(audit),
        *_title_lines(audit),
    ]


def audit_json(audit: Audit, name: str) -> dict[str, Any]:
    """The audit as a value for JSON, with every copy; *name* says of what it is."""
    return {
        "audit_version": AUDIT_VERSION,
        "of": name,
        "alike_from": {"stories": ALIKE_STORIES, "titles": ALIKE},
        "models": [_model_json(model) for model in audit.models],
        "copies": [
            {
                "first": _story_json(audit.stories[copy.first]),
                "second": _story_json(audit.stories[copy.second]),
                "share": round(copy.share, 3),
                "kind": "exact" if copy.same else "near",
            }
            for copy in audit.copies
        ],
        "from_the_prompt": [_story_json(audit.stories[number]) for number in audit.copied],
        "titles": {
            "count": len(audit.titles),
            "alike": [
                {
                    "first": pair.first.id,
                    "second": pair.second.id,
                    "share": round(pair.share, 3),
                    "kind": "exact" if pair.same else "near",
                }
                for pair in audit.alike
            ],
        },
    }


def _cells(model: ModelAudit) -> tuple[str, ...]:
    counts = (model.exact, model.near, model.copied)
    return (
        one_line(model.model, _LONGEST), f"{model.stories:,}", f"{model.distinct:,}", percent(model.distinct_share),
        *(f"{count:,}" for count in counts),
    )  # fmt: skip


def _model_lines(model: ModelAudit) -> Iterator[str]:
    label = one_line(model.model, _LONGEST)
    if model.reused is not None:
        share = percent(model.reused.stories / model.stories)
        sentence = one_line(model.reused.sentence, _LONGEST)
        yield f'{label}: {model.reused.stories:,} of {model.stories:,} stories ({share}) have the sentence "{sentence}"'
    for one in model.unvaried:
        told = f"{one.stories:,} of {one.of:,} stories ({percent(one.stories / one.of)})"
        yield f'{label}: {one_line(one.field, 40)} hardly varies: "{one_line(one.value, _LONGEST)}" in {told}'


def _copy_lines(audit: Audit) -> Iterator[str]:
    for same, what in ((True, "exact copies, but for case and punctuation"), (False, "near copies")):
        found = [copy for copy in audit.copies if copy.same == same]
        lines = [
            f"  {_named(audit.stories[copy.second])} as {_named(audit.stories[copy.first])}{_share(copy.share)}"
            for copy in found
        ]
        yield from _listed(f"{what}, of all models", lines)
    yield from _listed("copies of the prompt", [f"  {_named(audit.stories[number])}" for number in audit.copied])


def _title_lines(audit: Audit) -> Iterator[str]:
    for same, what in ((True, "titles that are there already"), (False, "titles nearly like another")):
        pairs = [pair for pair in audit.alike if pair.same == same]
        lines = [f"  {_title(pair.second)} as {_title(pair.first)}{_share(pair.share)}" for pair in pairs]
        yield from _listed(f"{what}, of {len(audit.titles):,}", lines)


def _listed(what: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield f"{len(lines):,} {what}:"
        yield from lines[:_SHOWN]
    if len(lines) > _SHOWN:
        yield f"  and {len(lines) - _SHOWN:,} more"


def _share(share: float) -> str:
    return "" if share == 1 else f", {percent(share)} in common"


def _named(story: Story) -> str:
    return f"{_title(story.title)} ({one_line(story.model, 40)})"


def _title(title: Title) -> str:
    return f"{visible(title.id)} {one_line(title.text, 40)}"


def _model_json(model: ModelAudit) -> dict[str, Any]:
    reused = model.reused
    return {
        "model": model.model,
        "stories": model.stories,
        "distinct": model.distinct,
        "distinct_share": round(model.distinct_share, 4),
        "exact_copies": model.exact,
        "near_copies": model.near,
        "from_the_prompt": model.copied,
        "reused_sentence": None if reused is None else {"sentence": reused.sentence, "stories": reused.stories},
        "hardly_vary": [
            {"field": one.field, "value": one.value, "stories": one.stories, "of": one.of} for one in model.unvaried
        ],
    }


def _story_json(story: Story) -> dict[str, str]:
    return {"title_id": story.title.id, "model": story.model, "case": story.case}
