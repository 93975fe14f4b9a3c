"""Texts in few bytes: chunks of deflated JSON that a browser inflates when a case is opened.

What a page may hold is bounded, whatever models say: each text has its limit, and the limit shrinks when the packed
chunks run ahead of their share of the page.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

MOST_CASES = 200
MOST_CHARACTERS = 500_000
MOST_SHARED = 2_000_000
FULL, SHORT, NOTHING = 20_000, 600, 0
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
_HEAD_START, _ROOM, _END = 1_500_000, 6_000_000, 8_500_000


class Chunks:
    """Payloads packed in the order of their coming; the n-th is number n of them all."""

    def __init__(self, expected: int) -> None:
        """*expected* is how many payloads will come: it decides how much of the page one may take."""
        self._expected = max(expected, 1)
        self._waiting: list[str] = []
        self._waiting_size = 0
        self._packed: list[str] = []
        self._starts: list[int] = []
        self._count = 0
        self._size = 0

    @property
    def limit(self) -> int:
        """How many characters of each text the next payload may hold."""
        if self._size > _END:
            return NOTHING
        allowed = _HEAD_START + _ROOM * min(self._count / self._expected, 1)
        return FULL if self._size <= allowed else SHORT

    def add(self, payload: Mapping[str, Any]) -> int:
        """Take a payload of builtin types; returns its number."""
        text = ascii_json(payload)
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
        self._waiting.clear()
        self._waiting_size = 0


class Texts:
    """Texts that many cases share (system message, fingerprint), each stored once and named by its number.

    The table is bounded: once it is full, a new text is handed back cut, to stand where it is used.
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
    """JSON in ASCII: lone surrogates and line separators travel as escapes."""
    return _ENCODE(value)


def pieces(text: str, limit: int, mark: int | None = None) -> dict[str, Any]:
    """As much of a text as the limit allows: its beginning, and what stands around the *mark* where that is beyond.

    `length` counts the whole text's characters; each part comes with the offset where it starts.
    """
    parts: list[list[Any]] = [[0, text[:limit]]] if limit or not text else []
    if mark is not None and limit and mark >= limit:
        start = max(limit, mark - limit // 4)
        parts.append([start, text[start : start + limit // 2]])
    return {"length": len(text), "parts": parts}
