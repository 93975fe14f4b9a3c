"""The file of criteria: what it must say, and that a wording is identified by its words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.errors import InputError
from plotbot.plan.criteria import Criterion, read_criteria

CRITERIA = Path(__file__).parents[3] / "data" / "criteria.json"


def test_the_criteria_that_come_with_plotbot_are_three_to_six_questions() -> None:
    criteria = read_criteria(CRITERIA)
    assert 3 <= len(criteria) <= 6
    assert all(one.wording.endswith("?") for one in criteria)
    assert len({one.digest for one in criteria}) == len(criteria)


def test_a_wording_is_its_words() -> None:
    assert Criterion("a", "Is it good?").digest == Criterion("b", " Is  it\ngood? ").digest
    assert Criterion("a", "Is it good?").digest != Criterion("a", "Is it Good?").digest


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda schema: schema.update(properties={}), "1 to 6"),
        (lambda schema: schema.update(required=[]), "required"),
        (lambda schema: schema["properties"]["hook"].update(description=" "), "no `description`"),
        (lambda schema: schema["properties"]["hook"].update(properties={"verdict": {}, "why": {}}), "a reason comes"),
        (lambda schema: schema["properties"]["hook"]["properties"]["verdict"].update(enum=["no", "yes"]), "verdict of"),
        (lambda schema: schema["properties"].update(hook=True), "no `description`"),
    ],
)
def test_another_file_is_refused_with_the_reason(tmp_path: Path, change: Callable[[Any], None], why: str) -> None:
    schema = json.loads(CRITERIA.read_bytes())
    change(schema)
    path = tmp_path / "c.json"
    path.write_text(json.dumps(schema), encoding="utf-8")
    with pytest.raises(InputError, match=why) as caught:
        read_criteria(path)
    assert str(path) in str(caught.value)
