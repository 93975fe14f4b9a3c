"""A quick yes is never wrong: jsonschema finds nothing in what it says yes to. And it does say yes to good replies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema.validators import validator_for

from plotbot.judge import Schema
from plotbot.judge.quick_yes import quick_yes

NAMES = st.sampled_from(["a", "b", "c"])
TEXTS = st.text("xyé😀", max_size=4)
COUNTS = st.integers(0, 3) | st.just(2.0)
CHOICES = st.lists(TEXTS | st.integers(0, 1) | st.booleans() | st.none(), max_size=4)
DIALECTS = [
    "https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema#", "http://json-schema.org/draft-04/schema#",
]  # fmt: skip
DRAFT_3 = "http://json-schema.org/draft-03/schema#"
# Keywords that it knows, under every type, and some that it does not: wrong ones must be left to jsonschema.
SCHEMAS = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"]),
            "minLength": COUNTS, "maxLength": COUNTS, "enum": CHOICES, "description": TEXTS, "pattern": st.just("^x"),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {"type": st.sampled_from(["array", "object"]) | st.just(["array", "object"])},
        optional={
            "items": inner, "minItems": COUNTS, "maxItems": COUNTS, "uniqueItems": st.booleans(),
            "properties": st.dictionaries(NAMES, inner, max_size=3), "required": st.lists(NAMES, unique=True),
            "additionalProperties": st.booleans() | inner, "x-note": TEXTS,
        },
    ),
    max_leaves=6,
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.0, 1.0, 1.5]) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | TEXTS, inner, max_size=4),
    max_leaves=8,
)
many: Callable[..., Callable[..., None]] = settings(
    max_examples=150, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


@many
@given(schema=SCHEMAS, values=st.lists(VALUES, min_size=4, max_size=4), dialect=st.sampled_from(DIALECTS))
def test_what_gets_a_quick_yes_keeps_to_its_schema(schema: dict[str, Any], values: list[Any], dialect: str) -> None:
    schema = {"$schema": dialect, **schema}
    says_yes, validator = quick_yes(schema), validator_for(schema)(schema)
    for value in values:
        assert not says_yes(value) or validator.is_valid(value)


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
def test_the_common_keywords_get_their_yes(schema: dict[str, Any], good: list[Any], bad: list[Any]) -> None:
    says_yes = quick_yes(schema)
    assert [says_yes(value) for value in good] == [True] * len(good)
    assert [says_yes(value) for value in bad] == [False] * len(bad)


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
        {"type": "array", "items": {"$schema": DIALECTS[-1], "type": "string"}},
        {"$schema": DRAFT_3, "type": "object", "properties": {"a": {"type": "string", "required": True}}},
    ],
)
def test_what_it_does_not_know_is_left_to_jsonschema(schema: dict[str, Any]) -> None:
    says_yes = quick_yes(schema)
    assert not any(map(says_yes, ["a", "2026-11-27", ["a"], [[]], {"a": "a"}]))


def test_a_good_story_seed_needs_no_referee(schema: Schema, entry: dict[str, Any]) -> None:
    assert schema.surely_kept([entry])
    assert not schema.surely_kept([{**entry, "tone": "?"}])
    assert not schema.surely_kept([{**entry, "more": "a"}])
