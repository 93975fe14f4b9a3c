from typing import Any

import pytest

from plotbot.errors import InputError
from plotbot.judge import Schema, compile_schema

DRAFT_7 = "http://json-schema.org/draft-07/schema#"


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "path", "says"),
    [
        ([], "$", "a JSON Schema is a JSON object"),
        (True, "$", "a JSON Schema is a JSON object"),
        ({"type": "objekt"}, "$.type", "'objekt'"),
        ({"items": {"minLength": -1}}, "$.items.minLength", "-1"),
        ({"requried": ["a"]}, "$.requried", "did you mean 'required'?"),
        ({"items": {"properties": {"a b": {"minLenght": 3}}}}, '$.items.properties["a b"].minLenght', "'minLength'"),
        ({"anyOf": [{}, {"not": {"tpye": "null"}}]}, "$.anyOf[1].not.tpye", "'type'"),
        ({"$defs": {"a": {"zzz": 1}}}, '$["$defs"].a.zzz', "begin with x-"),
        ({"$schema": DRAFT_7, "items": [{"enumm": [1]}]}, "$.items[0].enumm", "'enum'"),
        ({"$schema": "http://example.com/mine"}, '$["$schema"]', "unknown dialect"),
        ({"$schema": ["a"]}, '$["$schema"]', "unknown dialect"),
        ({"$ref": "http://example.com/schema.json"}, '$["$ref"]', "never fetched"),
        ({"$ref": "https://json-schema.org/draft/2020-12/schema"}, '$["$ref"]', "never fetched"),
        ({"$ref": "http://[bad"}, '$["$ref"]', "not in this file"),
        ({"items": {"$ref": "#/$defs/nope"}}, '$.items["$ref"]', "'#/$defs/nope' is not in this file"),
        ({"$ref": "#anchor"}, '$["$ref"]', "not in this file"),
        ({"$ref": "#/required", "required": ["a"]}, '$["$ref"]', "is not a schema"),
        ({"$ref": "#"}, "$", "refers to itself"),
        ({"items": {"anyOf": [{"$ref": "#/items"}]}}, "$.items", "refers to itself"),
        (
            {"properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}},
            '$.properties.x["$ref"]',
            "itself",
        ),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}}, '$["$defs"].a', "itself"),
        ({"pattern": "["}, "$.pattern", "'[' is not a regular expression: unterminated"),
        ({"pattern": r"\p{L}"}, "$.pattern", "is not a regular expression: bad escape"),
        ({"pattern": "a{99999999999999999999}"}, "$.pattern", "is not a regular expression"),
        ({"pattern": "(" * 5_000 + ")" * 5_000}, "$.pattern", "is not a regular expression"),
        ({"patternProperties": {"(": {}}}, '$.patternProperties["("]', "is not a regular expression"),
        ({"$defs": {"a": {"$schema": "x"}}}, '$["$defs"].a["$schema"]', "cannot have a dialect of its own"),
        (nested(3_000), "$", "nested too deep"),
    ],
)
def test_a_bad_schema_is_refused_with_source_and_path(schema: Any, path: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        compile_schema(schema, "my/s.json")
    message = str(caught.value)
    assert message.startswith(f"my/s.json: {path}: ")
    assert says in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"x-note": "mine", "$comment": "c", "examples": [{"requried": 1}], "default": {"tpye": 1}},
        {"properties": {"requried": {"type": "string"}}},
        {"enum": [{"tpye": 1}], "const": {"tpye": 1}},
        {"type": "array", "items": {"$ref": "#"}},
        {"$ref": "#/$defs/yes", "$defs": {"yes": True}},
        {"$ref": "#a", "$defs": {"a": {"$anchor": "a"}}},
        {"$id": "https://example.com/a", "$ref": "b", "$defs": {"b": {"$id": "b", "type": "null"}}},
        {"$schema": DRAFT_7, "definitions": {"a": {}}, "items": [{}], "additionalItems": False},
        {"if": {"type": "null"}, "then": {}, "else": {}, "contains": {}, "minContains": 0},
        {"pattern": "^[a-z]+(-[a-z]+)*$"},
    ],
)
def test_a_good_schema_is_taken_as_it_is(schema: dict[str, Any]) -> None:
    assert compile_schema(schema, "s.json").raw is schema


def test_the_story_seed_schema_wants_an_array(schema: Schema) -> None:
    assert schema.types == {"array"}
    assert "where and when" in schema.descriptions


@pytest.mark.parametrize(
    ("schema", "value", "found"),
    [
        ({"items": {"required": ["a"]}}, [{"a": 1}, {}], ("$[1]", "required")),
        ({"properties": {"a": {"type": "string"}}}, {"a": 1}, ("$.a", "type")),
        ({"additionalProperties": {"type": "null"}}, {"a \ud800\x1b": 1}, ('$["a \\\\ud800\\\\x1b"]', "type")),
        ({"items": {"format": "date"}}, ["2026-02-30"], ("$[0]", "format")),
        ({"uniqueItems": True}, [{"a": 1}, {"a": 1.0}], ("$", "uniqueItems")),
        ({"multipleOf": 2}, 10**299 + 1, ("$", "multipleOf")),
        ({"multipleOf": 0.5}, float("inf"), ("$", "unchecked")),
        ({"format": "regex"}, "a{99999999999999999999}", ("$", "unchecked")),
        ({"pattern": "a$"}, "a" * 3_000 + "b", ("$", "pattern")),
        ({"patternProperties": {"a": {"type": "null"}}}, {"a" * 3_000: 1}, (f'$["{"a" * 39}\\u2026"]', "type")),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}}, 1, ("$", "type")),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_a_violation_has_a_path_and_a_keyword(schema: dict[str, Any], value: Any, found: tuple[str, str]) -> None:
    violation = compile_schema(schema, "s.json").violations(value)[0]
    assert (violation.path, violation.keyword) == found


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"uniqueItems": True}, [1, True, "1", [1], {"a": 1}, None]),
        ({"uniqueItems": True}, {"not": "an array"}),
        ({"uniqueItems": False}, [1, 1]),
        ({"pattern": "^a"}, "abc"),
        ({"format": "date-time"}, "an annotation, whatever is installed"),
        ({"multipleOf": 0.1}, 1.1),
    ],
)
def test_a_valid_value_has_no_violation(schema: dict[str, Any], value: Any) -> None:
    assert compile_schema(schema, "s.json").violations(value) == ()


def test_a_value_that_nests_deeper_than_the_validator_can_follow_is_a_violation() -> None:
    value: list[Any] = []
    for _ in range(600):
        value = [value]
    violation = compile_schema({"items": {"$ref": "#"}}, "s.json").violations(value)[-1]
    assert (violation.keyword, violation.message) == ("unchecked", "could not be checked: RecursionError")


def test_a_message_cuts_a_long_value_but_not_the_reason() -> None:
    message = compile_schema({"type": "null"}, "s.json").violations(["word"] * 50_000)[0].message
    assert len(message) < 120
    assert message.startswith("['word', ")
    assert message.endswith("is not of type 'null'")


def test_many_distinct_items_are_compared_in_linear_time() -> None:
    items = [{"a": number} for number in range(20_000)]
    assert compile_schema({"uniqueItems": True}, "s.json").violations(items) == ()
