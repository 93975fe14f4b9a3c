"""Strict JSON: what RFC 8259 allows, and nothing that one reader takes and the next refuses.

The parser is the standard library's, with hooks for what it lets through: NaN and Infinity, numbers past a double's
range, repeated keys, half surrogate pairs. Size and nesting are checked before it sees the text.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from plotbot.judge import json_scan as scan
from plotbot.safe import one_line

MAX_CHARACTERS = 1_000_000
"""The longest text that is read; a story seed has about 1,000 characters."""
MAX_DEPTH = 64
"""How deep arrays and objects may nest; the parser itself would give up at a depth that its caller's depth decides."""
MAX_DIGITS = 300
"""The longest number, in characters: up to here every integer also fits a double."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class StrictJsonError(ValueError):
    """The text is not strict JSON: why, and where (`offset` in characters from 0, `line` and `column` from 1).

    Of bytes that are not UTF-8, `offset` and `column` count bytes.
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
    """The value of a JSON text. Raises `StrictJsonError`, and nothing else, for every text that is not strict JSON."""
    text = _decode(data) if isinstance(data, bytes) else data
    _check_before_parsing(text)
    value = _parse(text)
    lone = scan.lone_escape_at(text)
    if lone is not None:
        _refuse("half of a surrogate pair, as an escape", text, lone)
    return value


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
    # Python knows without looking whether a text is ASCII, and few replies have brackets enough to be too deep.
    if not text.isascii() and (surrogate := _SURROGATE.search(text)) is not None:
        _refuse("half of a surrogate pair", text, surrogate.start())
    if text.count("[") + text.count("{") > MAX_DEPTH and (deep := scan.too_deep_at(text, MAX_DEPTH)) is not None:
        _refuse(f"nested deeper than {MAX_DEPTH} levels", text, deep)


def _parse(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        _refuse(error.msg.removesuffix(" at"), text, error.pos)
    except _RefusedNumberError as error:
        _refuse(error.reason, text, scan.token_at(text, error.literal))
    except _RepeatedKeyError:
        _refuse("a repeated key", text, scan.repeated_key_at(text))


def _refuse(reason: str, text: str, offset: int) -> NoReturn:
    raise StrictJsonError(reason, offset, *scan.line_and_column(text, offset)) from None


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
