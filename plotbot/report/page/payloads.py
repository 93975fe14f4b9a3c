"""What an opened case shows: conversation, reply, how it came about and what was held against it.

Payloads are packed into chunks of deflated JSON, which the browser inflates when a case is opened. The page's size is
bounded, whatever models say: each text has a limit, and the limit shrinks when the chunks grow beyond their share.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from plotbot.measure.speed import speed_of
from plotbot.records import Attempt, Case, Exchange, ItemResult
from plotbot.report.explanation import explained
from plotbot.report.page.matrix import Conversation, Entry

MOST_CASES, MOST_CHARACTERS = 200, 500_000
"""At most so many cases, and about so many characters before packing, are in one chunk."""
MOST_SHARED = 2_000_000
MOST_WHOLE = 10_000
"""Of a page with more cases, only as many have a payload as there is room for, the failures before the passes."""
FULL, SHORT, NOTHING = 20_000, 600, 0
"""Limits of one text, in characters."""
MOST_LISTED = 20
# Packed characters of the page: how many may be used at once, how many more by all cases, and where texts end.
_HEAD_START, _ROOM, _END = 1_500_000, 5_000_000, 7_500_000
# In a page with more than `MOST_WHOLE` cases: what passed may use a quarter of that room, the rest what did not.
_PASSED_SHARE = 0.25
_USUAL_RATIO = 0.3
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
# A line for each fact without `indent`, which is ten times as slow.
_READABLE = json.JSONEncoder(ensure_ascii=False, separators=(",\n ", ": "), default=str).encode
_LONGEST_LINE = 2_000
_WHERE = re.compile(r"where\s+offset (\d+) \(line \d+, column \d+\)")


class Chunks:
    """Payloads packed in the order in which they come. A payload's number is its place in that order."""

    def __init__(self, expected: int) -> None:
        """*expected* is the number of payloads: it decides how much of the page each may take."""
        self._expected = max(expected, 1)
        self._waiting: list[str] = []
        self._waiting_size = 0
        self._packed: list[str] = []
        self._starts: list[int] = []
        self._count = 0
        self._size = 0
        self._flushed = 0
        self._offered = 0
        self._taken = {True: 0, False: 0}

    @property
    def limit(self) -> int:
        """How many characters of each text the next payload may hold."""
        if self._size > _END:
            return NOTHING
        allowed = _HEAD_START + _ROOM * min(self._count / self._expected, 1)
        return FULL if self._size <= allowed else SHORT

    def room(self, *, passed: bool) -> int | None:
        """The limit of each text of the next case's payload; None if the page has no room for a payload of it."""
        if self._expected <= MOST_WHOLE:
            return self.limit
        self._offered += 1
        share = _PASSED_SHARE if passed else 1 - _PASSED_SHARE
        allowed = share * (_HEAD_START + _ROOM * min(self._offered / self._expected, 1))
        ratio = self._size / self._flushed if self._flushed else _USUAL_RATIO
        return FULL if self._taken[passed] * ratio <= allowed else None

    def add(self, payload: Mapping[str, Any], *, passed: bool = False) -> int:
        """Take a payload of builtin types and return its number."""
        text = ascii_json(payload)
        self._taken[passed] += len(text)
        self._waiting.append(text)
        self._waiting_size += len(text)
        self._count += 1
        if len(self._waiting) == MOST_CASES or self._waiting_size >= MOST_CHARACTERS:
            self._flush()
        return self._count - 1

    def finish(self) -> tuple[list[str], list[int]]:
        """The packed chunks, and the number of the first payload in each."""
        if self._waiting:
            self._flush()
        return self._packed, self._starts

    def _flush(self) -> None:
        self._starts.append(self._count - len(self._waiting))
        self._packed.append(packed(f"[{','.join(self._waiting)}]"))
        self._size += len(self._packed[-1])
        self._flushed += self._waiting_size
        self._waiting.clear()
        self._waiting_size = 0


class Texts:
    """Texts that many cases share (system message, fingerprint): each is stored once and named by its number.

    The table is bounded: once it is full, `share` returns a new text itself, cut.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._room = MOST_SHARED

    def share(self, text: str) -> int | str:
        number = self._numbers.get(text)
        if number is not None:
            return number
        if len(text) > self._room:
            return text[:SHORT] + "…" if len(text) > SHORT else text
        self._room -= len(text)
        return self._numbers.setdefault(text, len(self._numbers))

    def packed(self) -> str:
        return packed(ascii_json(list(self._numbers)))


def packed(text: str) -> str:
    """ASCII text, deflated, in base64."""
    return base64.b64encode(zlib.compress(text.encode("ascii"), 6)).decode("ascii")


def ascii_json(value: object) -> str:
    """JSON in ASCII: lone surrogates and line separators are escapes."""
    return _ENCODE(value)


def payload(
    entries: Sequence[Entry], exchange: Exchange | None, conversation: Conversation, texts: Texts, limit: int
) -> dict[str, Any]:
    """One case as builtin types: all items that judged it, and its exchange if there was one."""
    case = entries[0].case
    mark = next((at for entry in entries if (at := marked_at(entry.result)) is not None), None)
    return {
        "items": {entry.key: _item(entry, limit) for entry in entries},
        "case": None if case is None else _case(case),
        "messages": [] if case is None else _messages(case, conversation, texts, limit),
        "exchange": None if exchange is None else _exchange(exchange, texts, limit, mark),
    }


def marked_at(result: ItemResult | None) -> int | None:
    """The last offset in the reply, in characters, that a verdict's message names: a model may have quoted others."""
    found = _WHERE.findall(f"{result.message} where {result.where}") if result else []
    return int(found[-1]) if found else None


def pieces(text: str, limit: int, mark: int | None = None) -> dict[str, Any]:
    """The beginning of a text up to *limit*, and what surrounds the *mark* if that is beyond.

    `length` is the whole text's, in characters. Each part comes with the offset at which it starts.
    """
    parts: list[list[Any]] = [[0, text[:limit]]] if limit or not text else []
    if mark is not None and limit and mark >= limit:
        start = max(limit, mark - limit // 4)
        parts.append([start, text[start : start + limit // 2]])
    return {"length": len(text), "parts": parts}


def _item(entry: Entry, limit: int) -> dict[str, Any]:
    result = entry.result
    if result is None:
        return {"item": _line(entry.planned.item)}
    return {
        "item": _line(entry.planned.item),
        "outcome": entry.outcome,
        "category": _line(result.category),
        "verdict": _line(result.verdict),
        "message": pieces(result.message, limit),
        "explained": [] if result.is_plain_pass else [[label, _line(text)] for label, text in explained(result)],
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
    """A message as parts, of which numbers name shared texts: what the headline does not change is stored once."""
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
        "reused": exchange.reused_from[:_LONGEST_LINE],
        "fault": None if exchange.fault is None else [exchange.fault.category, _line(exchange.fault.message)],
        "raw": _raw(exchange.raw, limit) if exchange.raw else None,
        "content": None if reply is None else pieces(reply.content, limit, mark),
        "reasoning": pieces(reply.reasoning, limit) if reply and reply.reasoning else None,
        "finish_reason": _line(reply.finish_reason or "") if reply else None,
        "model": _line(reply.model or "") if reply else None,
        "prompt_tokens": reply.prompt_tokens if reply else None,
        "completion_tokens": reply.completion_tokens if reply else None,
        "params": _readable(exchange.params)[:_LONGEST_LINE],  # not shared: each case has its own seed
        "fingerprint": texts.share(_readable(exchange.fingerprint.to_json())),
        "details": pieces(_readable(reply.details), min(limit, _LONGEST_LINE)) if reply and reply.details else None,
    }


def _attempt(attempt: Attempt) -> list[Any]:
    fault = None if attempt.fault is None else f"{attempt.fault.category}: {attempt.fault.message}"
    return [attempt.at, attempt.seconds, attempt.status, _line(attempt.host), fault and _line(fault)]


def _raw(raw: bytes, limit: int) -> dict[str, Any]:
    # A character takes at most four bytes, so that ten megabytes need not be decoded to show their beginning.
    return {**pieces(raw[: limit * 4].decode("utf-8", "backslashreplace"), limit), "length": len(raw), "unit": "bytes"}


def _readable(facts: Mapping[str, Any]) -> str:
    return _READABLE(facts)


def _some(listed: Sequence[Any], limit: int) -> Iterable[Any]:
    return listed[:MOST_LISTED] if limit > NOTHING else ()


def _line(text: str) -> str:
    return text if len(text) <= _LONGEST_LINE else text[:_LONGEST_LINE] + "…"
