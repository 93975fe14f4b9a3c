"""Strict JSON: RFC 8259 without what parsers disagree about, and the position of each error.

The standard library's parser does the work, with hooks that refuse NaN and Infinity, numbers beyond the range of a
double, repeated keys and lone surrogates. Size and nesting are checked before parsing. The hooks receive values, not
positions, so regular expressions search for the position of an error afterwards, in one pass over the text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from plotbot.safe import one_line

MAX_CHARACTERS = 1_000_000
"""The longest text that is parsed, in characters; a story seed has about 1,000."""
MAX_DEPTH = 64
"""How deep arrays and objects may nest. The parser has no limit of its own: it fails when the call stack is full."""
MAX_DIGITS = 300
"""The longest number, in characters: every integer of this length still fits a double."""

_SURROGATE = re.compile("[\ud800-\udfff]")
# The closing quote is optional: without that, an unclosed string would fail to match and be tried again from each of
# its quotes, in quadratic time.
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"?'
_NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_BRACKET = re.compile(rf"{_STRING}|[\[\]{{}}]", re.DOTALL)
_TOKEN = re.compile(rf"{_STRING}|[\[\]{{}}]|-?(?:NaN|Infinity)|{_NUMBER}", re.DOTALL)
_COLON = re.compile(r"[ \t\r\n]*:")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
# Escapes are matched in sequence: the `\ud800` in `\\ud800` is an escaped backslash and plain letters.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


class StrictJsonError(ValueError):
    """The text is not strict JSON: the reason and the position.

    `offset` counts characters from 0, `line` and `column` count from 1. In bytes that are not UTF-8, `offset` and
    `column` count bytes.
    """

    def __init__(self, reason: str, offset: int, line: int, column: int) -> None:
        super().__init__(reason, offset, line, column)
        self.reason = reason
        self.offset = offset
        self.line = line
        self.column = column

    def __str__(self) -> str:
        return f"{self.reason} at offset {self.offset} (line {self.line}, column {self.column})"


class _RefusedNumberError(Exception):
    def __init__(self, reason: str, literal: str) -> None:
        super().__init__(reason, literal)
        self.reason = reason
        self.literal = literal


class _RepeatedKeyError(Exception):
    pass


def parse_strict(data: str | bytes) -> Any:
    """The value of a JSON text. Raises `StrictJsonError`, and no other exception, if it is not strict JSON."""
    text = _decode(data) if isinstance(data, bytes) else data
    _check_before_parsing(text)
    value = _parse(text)
    if _SURROGATE_ESCAPE.search(text) is not None:
        _check_escapes(text)
    return value


def describe_position(text: str, offset: int) -> str:
    """`offset 17 (line 2, column 5)`: the offset counts characters from 0, line and column from 1."""
    line, column = line_and_column(text, offset)
    return f"offset {offset} (line {line}, column {column})"


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def end_of_container(text: str, start: int) -> int | None:
    """The offset just after the array or object that opens at *start*; None if it is unclosed or nests too deep."""
    for offset, depth in _depths(text, start):
        if depth > MAX_DEPTH:
            return None
        if depth <= 0:
            return offset + 1
    return None


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise StrictJsonError(f"not UTF-8: {error.reason}", error.start, line, column) from None


def _check_before_parsing(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        _refuse(f"{len(text):,} characters (at most {MAX_CHARACTERS:,} are read)", text, MAX_CHARACTERS)
    if text.startswith("\ufeff"):
        _refuse("a byte order mark", text, 0)
    # Both conditions are cheap and false for most replies, so that the searches rarely run.
    if not text.isascii() and (surrogate := _SURROGATE.search(text)) is not None:
        _refuse("half of a surrogate pair", text, surrogate.start())
    if text.count("[") + text.count("{") > MAX_DEPTH and (deep := _too_deep_at(text)) is not None:
        _refuse(f"nested deeper than {MAX_DEPTH} levels", text, deep)


def _parse(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        _refuse(error.msg.removesuffix(" at"), text, error.pos)
    except _RefusedNumberError as error:
        _refuse(error.reason, text, _token_at(text, error.literal))
    except _RepeatedKeyError:
        _refuse("a repeated key", text, _repeated_key_at(text))


def _check_escapes(text: str) -> None:
    lone = next((match.start() for match in _ESCAPE.finditer(text) if match["lone"]), None)
    if lone is not None:
        _refuse("half of a surrogate pair, as an escape", text, lone)


def _refuse(reason: str, text: str, offset: int) -> NoReturn:
    raise StrictJsonError(reason, offset, *line_and_column(text, offset)) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RepeatedKeyError
    return members


def _integer(literal: str) -> int:
    _check_length(literal)
    return int(literal)


def _float(literal: str) -> float:
    _check_length(literal)
    number = float(literal)
    if math.isinf(number):
        raise _RefusedNumberError(f"{one_line(literal, 20)} is too large for a number", literal)
    return number


def _constant(literal: str) -> NoReturn:
    raise _RefusedNumberError(f"{literal} is not JSON", literal)


def _check_length(literal: str) -> None:
    if len(literal) > MAX_DIGITS:
        raise _RefusedNumberError(f"a number of {len(literal):,} characters (at most {MAX_DIGITS})", literal)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)


def _too_deep_at(text: str) -> int | None:
    """The offset of the first bracket that opens level `MAX_DEPTH` + 1."""
    return next((offset for offset, depth in _depths(text, 0) if depth > MAX_DEPTH), None)


def _depths(text: str, start: int) -> Iterator[tuple[int, int]]:
    """The offset of each bracket outside strings, and the nesting depth after it."""
    depth = 0
    for match in _BRACKET.finditer(text, start):
        character = text[match.start()]
        if character != '"':
            depth += 1 if character in "[{" else -1
            yield match.start(), depth


def _token_at(text: str, literal: str) -> int:
    """The offset of the first number or constant, outside strings, that is spelt like *literal*."""
    return next((match.start() for match in _TOKEN.finditer(text) if match.group() == literal), 0)


def _repeated_key_at(text: str) -> int:
    """The offset of the first key that its object already has. The text is valid JSON up to there."""
    seen: list[set[str] | None] = []
    for match in _TOKEN.finditer(text):
        literal = match.group()
        if literal in "{[":
            seen.append(set() if literal == "{" else None)
        elif literal in "}]":
            seen.pop()
        elif _repeats(literal, seen[-1] if seen else None, is_key=_COLON.match(text, match.end()) is not None):
            return match.start()
    return 0


def _repeats(literal: str, keys: set[str] | None, *, is_key: bool) -> bool:
    if keys is None or not is_key:
        return False
    key = json.loads(literal)
    if key in keys:
        return True
    keys.add(key)
    return False
