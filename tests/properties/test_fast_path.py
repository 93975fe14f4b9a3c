"""The fast path is never wrong: jsonschema finds nothing in a value that it accepts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema.validators import validator_for

from plotbot.judge.fast_path import fast_check

NAMES = st.sampled_from(["a", "b", "c"])
TEXTS = st.text("xyé😀", max_size=4)
COUNTS = st.integers(0, 3) | st.just(2.0)
CHOICES = st.lists(TEXTS | st.integers(0, 1) | st.booleans() | st.none(), max_size=4)
DIALECTS = [
    "https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema#", "http://json-schema.org/draft-04/schema#",
]  # fmt: skip
# Keywords that the fast path knows, under every type, and some that it must leave to jsonschema.
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
def test_a_surely_valid_value_satisfies_its_schema(schema: dict[str, Any], values: list[Any], dialect: str) -> None:
    schema = {"$schema": dialect, **schema}
    is_surely_valid, validator = fast_check(schema), validator_for(schema)(schema)
    for value in values:
        assert not is_surely_valid(value) or validator.is_valid(value)
