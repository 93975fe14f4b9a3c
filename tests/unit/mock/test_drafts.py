from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from plotbot.mock.drafts import headline_in, story_seed, value_for

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "data" / "story_seed.schema.json").read_text("utf-8"))
TITLES = [entry["title"] for entry in json.loads((ROOT / "data" / "titles_index.json").read_text("utf-8")).values()]


def test_every_title_of_the_data_set_gets_a_valid_story_seed() -> None:
    validator = Draft202012Validator(SCHEMA)
    assert [title for title in TITLES if not validator.is_valid([story_seed(title, 7)])] == []
    assert all(story_seed(title, 7)["title"] == title for title in TITLES)


def test_the_core_event_is_short_and_the_hooks_differ() -> None:
    for seed in range(50):
        entry = story_seed("Goose Wins", seed)
        assert len(entry["core_event"].split()) <= 50
        assert len(set(entry["potential_story_hooks"])) == 2


def test_headline_and_seed_alone_decide_the_story() -> None:
    assert story_seed("Goose Wins", 1) == story_seed("Goose Wins", 1)
    assert story_seed("Goose Wins", 1) != story_seed("Goose Wins", 2)
    assert story_seed("Goose Wins", 1)["core_event"] != story_seed("Swan Wins", 1)["core_event"]


def test_a_lone_surrogate_in_a_title_is_no_obstacle() -> None:
    assert story_seed("\ud800", 1)["title"] == "\ud800"


@pytest.mark.parametrize("title", ['Say "Cheese: \\ {now}"', "Headline: nested", "a\nb\u2028c", "🎺", "\ud800", ""])
def test_a_quoted_headline_is_read_back_letter_for_letter(title: str) -> None:
    message = f"Write a story.\n- field: text\nHeadline: {json.dumps(title, ensure_ascii=False)}"
    assert headline_in(message) == title


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("nothing here", None),
        ("the Headline: is in the middle", None),
        ("Headline: plain words", "plain words"),
        ('Headline: "broken', '"broken'),
        ("Headline: [1]", "[1]"),
        ("Headline: " + "[" * 100_000, "[" * 100_000),
        ('x\nHeadline: "one"\nmore text', "one"),
    ],
)
def test_a_headline_line_of_another_kind_is_taken_as_it_is(message: str, found: str | None) -> None:
    assert headline_in(message) == found


@pytest.mark.parametrize(
    "schema",
    [
        SCHEMA,
        SCHEMA["items"],
        {"type": "object", "properties": {"stories": SCHEMA}, "required": ["stories"]},
        {"type": "object", "properties": {"ready": {"const": True}, "n": {"type": "integer"}}, "required": ["ready"]},
        {"type": "object", "properties": {"title": {"type": "integer"}, "tone": {"enum": ["dry"]}}},
        {"anyOf": [{"type": "number"}, {"type": "null"}]},
        {"type": ["null", "string"]},
        {"type": "array", "minItems": 3, "items": {"type": "boolean"}},
        {"type": "string", "minLength": 33},
        {},
    ],
)
def test_a_schema_gets_an_answer_of_its_own_kind(schema: dict[str, Any]) -> None:
    value = value_for(schema, story_seed("Goose Wins", 1))
    Draft202012Validator(schema).validate(value)


def test_known_fields_of_a_schema_are_those_of_the_story() -> None:
    story = story_seed("Goose Wins", 1)
    assert value_for(SCHEMA, story) == [story]
