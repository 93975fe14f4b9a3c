import json
from pathlib import Path
from typing import Any

import pytest

from plotbot.judge import Schema, compile_schema
from plotbot.records import Title

SCHEMA = Path(__file__).parents[3] / "data" / "story_seed.schema.json"


@pytest.fixture(scope="session")
def raw_schema() -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return raw


@pytest.fixture(scope="session")
def schema(raw_schema: dict[str, Any]) -> Schema:
    return compile_schema(raw_schema, "story_seed.schema.json")


@pytest.fixture(scope="session")
def title() -> Title:
    return Title("goose", "Man’s goose wins seat on town council")


@pytest.fixture
def entry() -> dict[str, Any]:
    return {
        "title": "Man's goose wins seat on town council",
        "core_event": "A goose is elected and refuses to leave the chamber.",
        "themes": ["power", "absurdity"],
        "tone": "wry",
        "conflict_type": "person vs society",
        "stakes": "the town's good name",
        "setting_hint": "a small fenland town",
        "characters": ["Mabel, the goose", "the mayor"],
        "potential_story_hooks": ["Who voted for the goose?", "What does the goose want?"],
    }
