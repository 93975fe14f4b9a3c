import json
import pickle
from typing import Any

import pytest

from plotbot.judge import StrictJsonError, parse_strict
from plotbot.judge.strict_json import MAX_CHARACTERS, MAX_DEPTH, MAX_DIGITS


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (' {"a": [1, -0, 2.5e3, true, null, "\\u00e9"]}\n', {"a": [1, 0, 2500.0, True, None, "é"]}),
        ('"gr\u00fc\u00df Gott"'.encode(), "grüß Gott"),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\\\\ud800"', "\\ud800"),
        ('"\x7f"', "\x7f"),
        ("9" * MAX_DIGITS, int("9" * MAX_DIGITS)),
        ("1e-999", 0.0),
        ("[" * MAX_DEPTH + "]" * MAX_DEPTH, json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)),
        ('"' + "[" * 500 + '"', "[" * 500),
        ('{"a": {"a": 1}, "b": [{"a": 1}]}', {"a": {"a": 1}, "b": [{"a": 1}]}),
    ],
    ids=lambda value: repr(value)[:24],
)  # fmt: skip
def test_strict_json_is_read(data: str | bytes, value: Any) -> None:
    assert parse_strict(data) == value


@pytest.mark.parametrize(
    ("data", "says", "offset"),
    [
        ("", "Expecting value", 0),
        ("[1] [2]", "Extra data", 4),
        ("\ufeff[]", "byte order mark", 0),
        (b"\xef\xbb\xbf[]", "byte order mark", 0),
        (b'["\n\xff"]', "not UTF-8", 3),
        (b'"\xed\xa0\x80"', "not UTF-8", 1),
        ('["\ud800"]', "surrogate", 2),
        ('["NaN", NaN]', "NaN is not JSON", 8),
        ("[-Infinity]", "-Infinity is not JSON", 1),
        ("[1, 1e999]", "1e999 is too large", 4),
        ("9" * (MAX_DIGITS + 1), "301 characters", 0),
        (f"[0.{'0' * 5_000}1]", "5,003 characters", 1),
        ('{"a": 1, "a": 1}', "repeated key", 9),
        ('{"b": {"a": 1, "a": 1}, "c": "a"}', "repeated key", 15),
        ('["a", {"a": "a", "\\u0061" : 1}]', "repeated key", 17),
        ("[" * (MAX_DEPTH + 1), "nested deeper than 64", MAX_DEPTH),
        ('{"a":[' * 50_000, "nested deeper than 64", 32 * len('{"a":[')),
        (" " * (MAX_CHARACTERS + 1), "1,000,001 characters", MAX_CHARACTERS),
        ('["\x00"]', "control character", 2),
        ("'a'", "Expecting value", 0),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_not_strict_json_is_refused_with_its_place(data: str | bytes, says: str, offset: int) -> None:
    with pytest.raises(StrictJsonError) as caught:
        parse_strict(data)
    assert says in str(caught.value)
    assert caught.value.offset == offset


def test_line_and_column_count_from_one() -> None:
    with pytest.raises(StrictJsonError, match=r"at offset 9 \(line 3, column 4\)$"):
        parse_strict("[\n 1,\n [NaN]]".replace("[NaN", "  NaN"))


def test_the_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(StrictJsonError("why", 3, 2, 1)))
    assert (error.reason, error.offset, error.line, error.column) == ("why", 3, 2, 1)
