"""`--junitxml`: pytest's file, with what plotbot knows of each case."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from plotbot.mock import MockServer, ModelSpec, Rule

pytest_plugins = ("pytester",)

NASTY = "<img src=x onerror=alert(1)>]]></system-out>\x1b[31m\u202e\ud800"


@pytest.fixture
def cases(
    evals: Callable[..., pytest.RunResult], project: Path, start_mock: Callable[..., MockServer]
) -> list[ET.Element]:
    model = "evil/<b>]]>"
    server = start_mock(models=(ModelSpec(model),), rules=(Rule(reply=NASTY, nth=(2,)),))
    evals(server, "--junitxml=junit.xml", "--model", model)
    return ET.parse(project / "junit.xml").getroot().findall(".//testcase")


def test_every_case_tells_model_category_seconds_and_tokens(cases: list[ET.Element]) -> None:
    assert len(cases) == 4
    for case in cases:
        properties = {one.get("name"): one.get("value") for one in case.findall(".//property")}
        assert properties.keys() == {"model", "category", "seconds", "attempts", "tokens"}
        assert properties["model"] == "evil/<b>]]>"
        assert float(properties["seconds"] or "") >= 0


def test_a_hostile_reply_is_text_in_a_file_that_parses(cases: list[ET.Element]) -> None:
    categories = [one.get("value") for case in cases for one in case.iter("property") if one.get("name") == "category"]
    assert sorted(categories, key=str) == ["not_json", "ok", "ok", "ok"]
    assert not [element for case in cases for element in case.iter("img")]
