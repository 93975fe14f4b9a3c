"""What an opened case shows: the conversation, the reply, how it came about and what was held against it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from plotbot.measure.speed import speed_of
from plotbot.records import Attempt, Case, Exchange, ItemResult
from plotbot.report.page.entries import Entry
from plotbot.report.page.packing import NOTHING, Texts, pieces
from plotbot.report.page.runs import Conversation

MOST_LISTED = 20
# A line for each fact, without `indent`, which is ten times as slow.
_READABLE = json.JSONEncoder(ensure_ascii=False, separators=(",\n ", ": "), default=str).encode
_LONGEST_LINE = 2_000
_WHERE = re.compile(r"where\s+offset (\d+) \(line \d+, column \d+\)")


def payload(
    entries: Sequence[Entry], exchange: Exchange | None, conversation: Conversation, texts: Texts, limit: int
) -> dict[str, Any]:
    """One case as builtin types: all items that judged it, and its exchange where there was one."""
    case = entries[0].case
    mark = next((at for entry in entries if (at := marked_at(entry.result)) is not None), None)
    return {
        "items": {entry.key: _item(entry, limit) for entry in entries},
        "case": None if case is None else _case(case),
        "messages": [] if case is None else _messages(case, conversation, texts, limit),
        "exchange": None if exchange is None else _exchange(exchange, texts, limit, mark),
    }


def marked_at(result: ItemResult | None) -> int | None:
    """The offset in the reply, in characters, that a verdict's message names; the last, since models may quote one."""
    found = _WHERE.findall(result.message) if result else []
    return int(found[-1]) if found else None


def _item(entry: Entry, limit: int) -> dict[str, Any]:
    result = entry.result
    if result is None:
        return {"item": _line(entry.planned.item)}
    return {
        "item": _line(entry.planned.item),
        "outcome": entry.outcome,
        "category": _line(result.category),
        "message": pieces(result.message, limit),
        "mark": marked_at(result),
        "violations": [[_line(v.path), _line(v.keyword), _line(v.message)] for v in _some(result.violations, limit)],
        "violation_count": len(result.violations),
        "findings": [[_line(f.path), _line(f.check), _line(f.message)] for f in _some(result.findings, limit)],
        "finding_count": len(result.findings),
        "recoverable": result.recoverable,
        "tolerated": result.tolerated,
        "kept": result.kept,
        "seconds": result.seconds,
        "phase": _line(result.phase),
    }


def _case(case: Case) -> dict[str, Any]:
    return {
        "id": _line(case.id),
        "slug": _line(case.slug),
        "prompt": _line(case.prompt_hash),
        "repeat": case.repeat,
        "seed": case.seed,
    }


def _messages(case: Case, conversation: Conversation, texts: Texts, limit: int) -> list[dict[str, Any]]:
    headline = json.dumps(case.title.text, ensure_ascii=False)
    return [
        {"role": _line(message["role"]), "parts": _parts(message["content"], headline, texts, limit)}
        for message in conversation(case)
    ]


def _parts(content: str, headline: str, texts: Texts, limit: int) -> list[Any]:
    """A message as parts: numbers name shared texts. All that the headline does not change is stored once."""
    before, quoted, after = content.partition(headline)
    if not quoted:
        return [texts.share(content)]
    shared = [texts.share(part) if part else None for part in (before, after)]
    cut = quoted if len(quoted) <= limit else quoted[:limit] + "…"
    return [part for part in (shared[0], cut, shared[1]) if part is not None]


def _exchange(exchange: Exchange, texts: Texts, limit: int, mark: int | None) -> dict[str, Any]:
    speed, reply = speed_of(exchange), exchange.reply
    return {
        "at": exchange.at,
        "seconds": exchange.seconds,
        "speed": None if speed is None else [speed.tokens_per_second, speed.source],
        "attempts": [_attempt(attempt) for attempt in exchange.attempts[:MOST_LISTED]],
        "attempt_count": len(exchange.attempts),
        "host": _line(exchange.host),
        "fault": None if exchange.fault is None else [exchange.fault.category, _line(exchange.fault.message)],
        "raw": _raw(exchange.raw, limit) if exchange.raw else None,
        "content": None if reply is None else pieces(reply.content, limit, mark),
        "reasoning": pieces(reply.reasoning, limit) if reply and reply.reasoning else None,
        "finish_reason": _line(reply.finish_reason or "") if reply else None,
        "model": _line(reply.model or "") if reply else None,
        "prompt_tokens": reply.prompt_tokens if reply else None,
        "completion_tokens": reply.completion_tokens if reply else None,
        "params": _readable(exchange.params)[:_LONGEST_LINE],  # not shared: each case has a seed of its own
        "fingerprint": texts.share(_readable(exchange.fingerprint.to_json())),
        "details": pieces(_readable(reply.details), min(limit, _LONGEST_LINE)) if reply and reply.details else None,
    }


def _attempt(attempt: Attempt) -> list[Any]:
    fault = None if attempt.fault is None else f"{attempt.fault.category}: {attempt.fault.message}"
    return [attempt.at, attempt.seconds, attempt.status, _line(attempt.host), fault and _line(fault)]


def _raw(raw: bytes, limit: int) -> dict[str, Any]:
    # Decoding ten megabytes to show the first page of them is wasted; four bytes are the longest character.
    return {**pieces(raw[: limit * 4].decode("utf-8", "backslashreplace"), limit), "length": len(raw), "unit": "bytes"}


def _readable(facts: Mapping[str, Any]) -> str:
    return _READABLE(facts)


def _some(listed: Sequence[Any], limit: int) -> Iterable[Any]:
    return listed[:MOST_LISTED] if limit > NOTHING else ()


def _line(text: str) -> str:
    return text if len(text) <= _LONGEST_LINE else text[:_LONGEST_LINE] + "…"
