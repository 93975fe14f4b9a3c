"""Which values the fast path accepts and which it leaves to jsonschema; tests/properties compares the two."""

from __future__ import annotations

from typing import Any

import pytest

from plotbot.judge import Schema
from plotbot.judge.fast_path import fast_check

DRAFT_3, DRAFT_4 = (f"http://json-schema.org/draft-0{number}/schema#" for number in (3, 4))
NULL = {"type": "null"}
GOOD: list[tuple[dict[str, Any], Any, Any]] = [
    ({"type": "string", "minLength": 2, "maxLength": 3}, ["ab", "abc"], ["a", "abcd", 1, None]),
    ({"enum": ["a", 1]}, ["a"], ["b", True]),
    ({"type": "string", "enum": ["a", "b"]}, ["a", "b"], ["c", 1]),
    ({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}, [[1], [1, 2]], [[], ["1"], [True]]),
    ({"type": "array"}, [[], [None]], [{}, "a"]),
    ({"type": "object", "properties": {"a": NULL}, "required": ["a"]}, [{"a": None, "b": 1}], [{}, {"a": 1}]),
    ({"type": "object", "properties": {"a": {}}, "additionalProperties": False}, [{}], [{"b": 1}]),
    ({"type": "number", "title": "t", "x-unit": "m"}, [1, 1.5], [True, "1"]),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "good", "bad"), GOOD)
def test_values_of_common_keywords_are_surely_valid_or_undecided(
    schema: dict[str, Any], good: list[Any], bad: list[Any]
) -> None:
    is_surely_valid = fast_check(schema)
    assert [is_surely_valid(value) for value in good] == [True] * len(good)
    assert [is_surely_valid(value) for value in bad] == [False] * len(bad)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": ["string", "null"]},
        {"type": "string", "pattern": "^a"},
        {"type": "string", "format": "date"},
        {"type": "array", "items": True},
        {"type": "array", "items": [{"type": "string"}]},
        {"type": "array", "uniqueItems": True},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "string", "minItems": 1},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}},
        {"type": "array", "items": {"$schema": DRAFT_4, "type": "string"}},
        {"$schema": DRAFT_3, "type": "object", "properties": {"a": {"type": "string", "required": True}}},
    ],
)
def test_unknown_keywords_are_left_to_jsonschema(schema: dict[str, Any]) -> None:
    is_surely_valid = fast_check(schema)
    assert not any(map(is_surely_valid, ["a", "2026-11-27", ["a"], [[]], {"a": "a"}]))


def test_a_good_story_seed_takes_the_fast_path(schema: Schema, entry: dict[str, Any]) -> None:
    assert schema.surely_valid([entry])
    assert not schema.surely_valid([{**entry, "tone": "?"}])
    assert not schema.surely_valid([{**entry, "more": "a"}])
