from __future__ import annotations

import json
from typing import Any

import pytest

from plotbot.keep.pretty_json import spread


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = {"a": value} if level % 2 else [value]
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": 1, "b": [1, "x"]}, '{\n  "a": 1,\n  "b": [1, "x"]\n}\n'),
        ([{"a": None}, {}], '[\n  {"a": null},\n  {}\n]\n'),
        ({"a": True}, '{"a": true}\n'),
        ({"a": []}, '{\n  "a": []\n}\n'),
        ([], "[]\n"),
        ("é", '"é"\n'),
    ],
)
def test_what_holds_plain_values_alone_stands_on_one_line(value: Any, text: str) -> None:
    assert spread(value, ascii_only=False) == text


@pytest.mark.parametrize(
    "value",
    [
        {"a": {"b": [{"c": (1, 2)}, "\ud800\0\u2028"]}, "": [[[]]]},
        {1: {2: [3]}, None: [{True: 0.5}]},
        nested(300),
        [float("inf"), {"a": [-1e300]}],
    ],
    ids=["texts", "keys that are no text", "deep", "numbers"],
)
def test_it_is_the_json_that_the_standard_library_writes(value: Any) -> None:
    written = spread(value, ascii_only=True)
    assert written.isascii()
    assert json.loads(written) == json.loads(json.dumps(value))


def test_what_is_no_json_is_refused_as_ever() -> None:
    with pytest.raises(TypeError):
        spread({"a": [{1, 2}]}, ascii_only=True)
