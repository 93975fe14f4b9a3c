"""An audit as a table for the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plotbot.measure.audit import Audit, ModelAudit, Story
from plotbot.measure.duplicates import ALIKE, ALIKE_STORIES
from plotbot.records import Title
from plotbot.report.formatting import Sentence, as_text, name, percent
from plotbot.safe import one_line, plural, visible

AUDIT_VERSION = 1
_HEADS = ("model", "stories", "distinct", "of all", "exact copies", "near copies", "from the prompt")
_SHOWN, _LONGEST = 10, 100


def audit_lines(audit: Audit) -> list[str]:
    """The audit for a terminal: a table of the models, what comes again, and the first few copies by name."""
    if not audit.stories:
        return ["no stories to audit", *_title_lines(audit)]
    models = [_model_json(model) for model in audit.models]
    rows = [_HEADS, *map(_cells, models)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    return [
        *("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows),
        "",
        *(as_text(told, _quoted) for model in models for told in _sentences(model)),
        *_copy_lines(audit),
        *_title_lines(audit),
    ]


def audit_json(audit: Audit, subject: str) -> dict[str, Any]:
    """The audit as a value for JSON, with every copy; *subject* is the run, or the dataset, that it is of."""
    return {
        "audit_version": AUDIT_VERSION,
        "of": subject,
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


def audit_page(audit: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of an audit as `audit_json` made it. Raises KeyError or TypeError for something else."""
    models = audit["models"]
    return {
        "heads": _HEADS,
        "rows": [_cells(model) for model in models],
        "sentences": [sentence for model in models for sentence in _sentences(model)],
    }


def _cells(model: Mapping[str, Any]) -> tuple[str, ...]:
    counts = (model["exact_copies"], model["near_copies"], model["from_the_prompt"])
    return (
        one_line(model["model"], _LONGEST), f"{model['stories']:,}", f"{model['distinct']:,}",
        percent(model["distinct_share"]), *(f"{count:,}" for count in counts),
    )  # fmt: skip


def _sentences(model: Mapping[str, Any]) -> Iterator[Sentence]:
    """What comes again in a model's stories."""
    label, reused = name(model["model"]), model["reused_sentence"]
    if reused is not None:
        count, of = reused["stories"], model["stories"]
        told = f": {count:,} of {of:,} stories ({percent(count / of)}) have the sentence "
        yield [label, told, name(reused["sentence"])]
    for one in model["hardly_vary"]:
        told = f" in {one['stories']:,} of {one['of']:,} stories ({percent(one['stories'] / one['of'])})"
        yield [label, ": ", name(one["field"]), " hardly varies: ", name(one["value"]), told]


def _copy_lines(audit: Audit) -> Iterator[str]:
    for same, what in ((True, "exact copy, but for case and punctuation"), (False, "near copy")):
        found = [copy for copy in audit.copies if copy.same == same]
        lines = [
            f"  {_named(audit.stories[copy.second])} as {_named(audit.stories[copy.first])}{_share(copy.share)}"
            for copy in found
        ]
        yield from _listed(f"{what}, of all models", lines, "copy", "copies")
    lines = [f"  {_named(audit.stories[number])}" for number in audit.copied]
    yield from _listed("copy of the prompt", lines, "copy", "copies")


def _title_lines(audit: Audit) -> Iterator[str]:
    for same, what in ((True, "title there already"), (False, "title nearly like another")):
        pairs = [pair for pair in audit.alike if pair.same == same]
        lines = [f"  {_title(pair.second)} as {_title(pair.first)}{_share(pair.share)}" for pair in pairs]
        yield from _listed(f"{what}, of {len(audit.titles):,}", lines, "title", "titles")


def _listed(what: str, lines: Sequence[str], one: str, many: str) -> Iterator[str]:
    """The first *lines* below their number; *what* they are holds the word *one*, which is *many* if there are more."""
    if lines:
        yield f"{plural(len(lines), what, what.replace(one, many, 1))}:"
        yield from lines[:_SHOWN]
    if len(lines) > _SHOWN:
        yield f"  and {len(lines) - _SHOWN:,} more"


def _quoted(text: str) -> str:
    return f"'{one_line(text, _LONGEST)}'"


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
