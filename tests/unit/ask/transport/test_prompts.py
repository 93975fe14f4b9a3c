from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from plotbot.ask.transport.prompts import make_structured_prompt, messages, prompt_hash

SHIPPED: dict[str, Any] = json.loads(
    (Path(__file__).parents[4] / "data" / "story_seed.schema.json").read_text(encoding="utf-8")
)
FIELDS = list(SHIPPED["items"]["properties"])


def entry(**properties: Any) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "object", "properties": properties}}


def changed(**fields: Any) -> dict[str, Any]:
    schema = copy.deepcopy(SHIPPED)
    schema["items"]["properties"].update(fields)
    return schema


def test_the_prompt_asks_for_exactly_the_schemas_fields_in_their_order() -> None:
    lines = make_structured_prompt("A goose", SHIPPED).splitlines()
    assert [line.split(" ", 2)[1] for line in lines if line.startswith("- ")] == FIELDS
    assert lines[0].startswith("Write a JSON array of 1 to 3 objects: story seeds")
    assert "Each object has these fields and no others:" in lines
    assert lines[-1] == 'Headline: "A goose"'


def test_another_field_in_the_schema_is_another_line_in_the_prompt() -> None:
    schema = changed(weather={"type": "string", "description": "rain or shine"})
    before, after = make_structured_prompt("x", SHIPPED), make_structured_prompt("x", schema)
    assert set(after.splitlines()) - set(before.splitlines()) == {"- weather (optional, string): rain or shine"}


@pytest.mark.parametrize(
    ("schema", "line"),
    [
        ({"type": "string"}, "- f (optional, string)"),
        ({"type": "string", "minLength": 2, "maxLength": 9}, "- f (optional, string of 2 to 9 characters)"),
        ({"type": "string", "maxLength": 9}, "- f (optional, string of up to 9 characters)"),
        ({"type": "string", "pattern": "^a"}, '- f (optional, string, satisfying {"pattern": "^a"})'),
        ({"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 3},
         "- f (optional, array of 3: string)"),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 1},
         '- f (optional, array of at least 1: {"type": "integer"})'),
        ({"enum": ["a", 1, None]}, '- f (optional, one of "a", 1, null)'),
        ({"type": "number", "minimum": 0, "description": "how much"},
         '- f (optional, {"type": "number", "minimum": 0}): how much'),
        ({"oneOf": [{"type": "null"}]}, '- f (optional, {"oneOf": [{"type": "null"}]})'),
        (True, "- f: true"),
        ({}, "- f (optional, {})"),
    ],
)  # fmt: skip
def test_every_keyword_reaches_the_prompt_in_words_or_as_json(schema: object, line: str) -> None:
    assert line in make_structured_prompt("x", entry(f=schema)).splitlines()


def test_what_is_no_array_of_objects_is_asked_for_as_it_is() -> None:
    assert "one JSON object: a note" in make_structured_prompt(
        "x", {"type": "object", "description": "a note", "properties": {"a": {"type": "string"}}}
    )
    assert 'JSON that satisfies {"type": "integer"}: ' in make_structured_prompt("x", {"type": "integer"})


@pytest.mark.parametrize(
    "title", ['say "hello"', "a {brace}", "line\nbreak", "%s", "\x1b[2J", "غراب", "\ud800", "\x00"]
)
def test_a_headline_is_quoted_whole_and_cannot_begin_a_line_of_its_own(title: str) -> None:
    prompt = make_structured_prompt(title, SHIPPED)
    assert json.loads(prompt.rpartition("Headline: ")[2]) == title
    assert prompt.count("\n") == make_structured_prompt("", SHIPPED).count("\n")


def test_the_conversation_is_the_prompt_file_and_the_structured_prompt() -> None:
    assert messages("Be brief.", "A goose", SHIPPED) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": make_structured_prompt("A goose", SHIPPED)},
    ]


@pytest.mark.parametrize(
    ("prompt", "schema", "response_format"),
    [
        ("Be long.", SHIPPED, "none"),
        ("Be brief.", changed(tone={"type": "string"}), "none"),
        ("Be brief.", {**SHIPPED, "$comment": "only a remark, but the server may be sent it"}, "none"),
        ("Be brief.", SHIPPED, "json_schema"),
    ],
)
def test_the_hash_changes_with_all_that_is_asked_but_the_title(
    prompt: str, schema: dict[str, Any], response_format: str
) -> None:
    before = prompt_hash("Be brief.", SHIPPED, "none")
    assert prompt_hash(prompt, schema, response_format) != before
    assert len(before) == 12
    assert set(before) <= set("0123456789abcdef")


def test_the_hash_does_not_change_with_the_layout_of_the_schema_file_but_with_the_order_of_fields() -> None:
    again = json.loads(json.dumps(SHIPPED, indent=7))
    assert prompt_hash("p", again, "none") == prompt_hash("p", SHIPPED, "none")
    turned = copy.deepcopy(SHIPPED)
    turned["items"]["properties"] = dict(reversed(SHIPPED["items"]["properties"].items()))
    assert prompt_hash("p", turned, "none") != prompt_hash("p", SHIPPED, "none"), "the prompt lists them otherwise"
