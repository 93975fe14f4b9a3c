"""The page on which a person labels answers: one file, without a network, in which every text stays a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from plotbot.report.page.sealed import inert, sealed_page

SCRIPTS = ("dom", "label")
_LONGEST_TEXT, _MOST_PARTS = 4_000, 200
_CUT = "… (cut)"


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """An answer as the page shows it: without its model. `entries` are its stories, as parsed JSON."""

    id: str
    headline: str
    entries: Sequence[Any]


@dataclass(frozen=True, slots=True)
class AskedCriterion:
    """A criterion as the page asks it; `wording` is the digest of its question."""

    name: str
    question: str
    wording: str


def write_label_page(
    run: str,
    name: str,
    answers: Sequence[LabelledAnswer],
    criteria: Sequence[AskedCriterion],
    tasks: Sequence[tuple[int, int]],
) -> bytes:
    """The page as the bytes of its file. *name* is what people call the run; *tasks* are in the order of asking.

    Only the answers that a task names are in it. The same input gives the same bytes.
    """
    shown = {number: place for place, number in enumerate(dict.fromkeys(number for number, _ in tasks))}
    data = {
        "run": run,
        "name": name,
        "answers": [_answer(answers[number]) for number in shown],
        "criteria": [{"name": one.name, "question": one.question, "wording": one.wording} for one in criteria],
        "tasks": [[shown[answer], criterion] for answer, criterion in tasks],
    }
    return sealed_page("label.html", ("label.css",), SCRIPTS, {"data": inert(data)})


def _answer(answer: LabelledAnswer) -> dict[str, Any]:
    return {
        "id": answer.id,
        "headline": answer.headline[:_LONGEST_TEXT],
        "entries": [_bounded(entry) for entry in answer.entries[:_MOST_PARTS]],
    }


def _bounded(value: Any) -> Any:
    """The value with long texts cut and long lists ended. Judging has capped its depth."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else value[:_LONGEST_TEXT] + _CUT
    if isinstance(value, list):
        more = [_CUT] if len(value) > _MOST_PARTS else []
        return [_bounded(part) for part in value[:_MOST_PARTS]] + more
    if isinstance(value, dict):
        return {name[:_LONGEST_TEXT]: _bounded(part) for name, part in list(value.items())[:_MOST_PARTS]}
    return value
