"""Reading JSON text without parsing it: how deep it nests, where a value ends, where the offending token stands.

The standard library's parser hands its hooks values, not positions; these scans find the position afterwards. Each
is one pass over the text, whatever the text: the patterns never give back what they took.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

# A string that is not closed runs to the end of the text. Without the optional last quote it would fail, and be tried
# again from each of its own quotes: quadratic.
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"?'
_NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_BRACKET = re.compile(rf"{_STRING}|[\[\]{{}}]", re.DOTALL)
_TOKEN = re.compile(rf"{_STRING}|[\[\]{{}}]|-?(?:NaN|Infinity)|{_NUMBER}", re.DOTALL)
_COLON = re.compile(r"[ \t\r\n]*:")
_HALF_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
# Escapes are read in sequence, or the `\ud800` in `\\ud800` (a backslash, then plain letters) would count.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def place(text: str, offset: int) -> str:
    """`offset 17 (line 2, column 5)`: the offset counts characters from 0, line and column from 1."""
    line, column = line_and_column(text, offset)
    return f"offset {offset} (line {line}, column {column})"


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def too_deep_at(text: str, limit: int) -> int | None:
    """The offset of the first bracket that opens level *limit* + 1."""
    return next((offset for offset, depth in _depths(text, 0) if depth > limit), None)


def end_of_container(text: str, start: int, limit: int) -> int | None:
    """The offset just after the array or object that opens at *start*; None where it is unclosed or nests too deep."""
    for offset, depth in _depths(text, start):
        if depth > limit:
            return None
        if depth <= 0:
            return offset + 1
    return None


def token_at(text: str, literal: str) -> int:
    """The offset of the first number or constant that is spelt like *literal*, outside strings."""
    return next((match.start() for match in _TOKEN.finditer(text) if match.group() == literal), 0)


def repeated_key_at(text: str) -> int:
    """The offset of the first key that its object has had before. The text is valid JSON up to there."""
    seen: list[set[str] | None] = []
    for match in _TOKEN.finditer(text):
        spelt = match.group()
        if spelt in "{[":
            seen.append(set() if spelt == "{" else None)
        elif spelt in "}]":
            seen.pop()
        elif _repeats(spelt, seen[-1] if seen else None, is_key=_COLON.match(text, match.end()) is not None):
            return match.start()
    return 0


def lone_escape_at(text: str) -> int | None:
    r"""The offset of the first `\ud800`-like escape that is not half of a pair."""
    if _HALF_ESCAPE.search(text) is None:
        return None
    return next((match.start() for match in _ESCAPE.finditer(text) if match["lone"]), None)


def _depths(text: str, start: int) -> Iterator[tuple[int, int]]:
    depth = 0
    for match in _BRACKET.finditer(text, start):
        character = text[match.start()]
        if character != '"':
            depth += 1 if character in "[{" else -1
            yield match.start(), depth


def _repeats(spelt: str, keys: set[str] | None, *, is_key: bool) -> bool:
    if keys is None or not is_key:
        return False
    key = json.loads(spelt)
    if key in keys:
        return True
    keys.add(key)
    return False
