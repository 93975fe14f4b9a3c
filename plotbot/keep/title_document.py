"""The content of a title file: parsing it, merging answers into it, rendering it. Bytes and values only, no files.

For each model and prompt hash the latest answer stays, by (`at`, `run`, `case`) of its meta. Anything else that a user
or a later version has put into the file is kept.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from plotbot.keep.pretty_json import spread
from plotbot.records import Answer

Document = dict[str, Any]
Age = tuple[datetime, str, str]

_UNDATED = datetime.min.replace(tzinfo=UTC)


class DamagedError(ValueError):
    """The bytes are not a title file; the message says why."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A document with answers merged in, and whether that changed it."""

    document: Document
    changed: bool


def parse(raw: bytes) -> Document:
    """Parse the bytes of a title file. Raises `DamagedError` for anything else."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"no JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("title_id"), str):
        raise DamagedError("no JSON object with a title_id")
    models = document.get("llm_models")
    if not isinstance(models, dict) or not all(isinstance(answers, dict) for answers in models.values()):
        raise DamagedError("llm_models is not an object of objects")
    return document


def merge(existing: Document | None, answers: Sequence[Answer]) -> Merged:
    """Merge answers of one title into its document, or into a new one. *existing* may be changed in place.

    Raises `TypeError`, `ValueError` or `RecursionError` for an answer that is not JSON.
    """
    document = existing or {"title_id": answers[0].title.id, "llm_models": {}}
    newest_before = max(_ages(document), default=None)
    ordered = sorted(answers, key=lambda answer: age(answer.meta))
    changed = existing is None
    for answer in ordered:
        changed |= _put(document["llm_models"], answer)
    last = ordered[-1]
    if newest_before is None or age(last.meta) >= newest_before or "title" not in document:
        changed |= _describe(document, last)
    return Merged(document, changed)


def withdraw(document: Document, run: str, cases: Collection[str]) -> bool:
    """Take out the answers that *run* gave to *cases*, in place; True if there were any."""
    changed = False
    for model, answers in list(document["llm_models"].items()):
        for prompt_hash, entry in list(answers.items()):
            _, by, case = _entry_age(entry)
            if by == run and case in cases:
                del answers[prompt_hash]
                changed = True
        if changed and not answers:
            del document["llm_models"][model]
    return changed


def render(document: Document) -> bytes:
    """The document as UTF-8 JSON. The same answers give the same bytes, whatever order they came in.

    A document with a lone surrogate, which UTF-8 cannot express, is written with ASCII escapes.
    """
    ordered = {"title_id": document["title_id"], "title": document["title"], **document}
    ordered["llm_models"] = {
        model: dict(sorted(answers.items())) for model, answers in sorted(document["llm_models"].items())
    }
    try:
        return spread(ordered, ascii_only=False).encode()
    except UnicodeEncodeError:
        return spread(ordered, ascii_only=True).encode()


def age(meta: object) -> Age:
    """The sort key by which the later of two answers wins; an answer without a date is the oldest."""
    if not isinstance(meta, Mapping):
        return _UNDATED, "", ""
    return _moment(meta.get("at")), str(meta.get("run")), str(meta.get("case"))


def _moment(at: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(at))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return _UNDATED


def _put(models: dict[str, dict[str, Any]], answer: Answer) -> bool:
    # Converted through JSON first, to compare what a file can hold: lists for tuples, strings for keys.
    entry = json.loads(json.dumps({"response": answer.response, "meta": answer.meta}))
    answers = models.setdefault(answer.model, {})
    old = answers.get(answer.prompt_hash)
    if old == entry or (old is not None and _entry_age(old) > age(entry["meta"])):
        return False
    answers[answer.prompt_hash] = entry
    return True


def _describe(document: Document, answer: Answer) -> bool:
    """Take over the headline and its further fields, if it has any; True if that changed something."""
    # Converted through JSON first, to compare what a file can hold.
    told = {"title": answer.title.text, **({"fields": answer.title.fields} if answer.title.fields else {})}
    told = json.loads(json.dumps(told))
    changed = any(document.get(name) != value for name, value in told.items())
    document.update(told)
    return changed


def _ages(document: Document) -> Iterator[Age]:
    for answers in document["llm_models"].values():
        yield from map(_entry_age, answers.values())


def _entry_age(entry: object) -> Age:
    return age(entry.get("meta") if isinstance(entry, dict) else None)
