from __future__ import annotations

import json
from dataclasses import fields
from importlib.resources import files
from pathlib import Path

import pytest

from plotbot.errors import InputError
from plotbot.mock import Latency, ModelSpec, Rule, Scenario
from plotbot.mock.scenario import load_scenario


def written(tmp_path: Path, scenario: object) -> Path:
    path = tmp_path / "scenario.json"
    path.write_text(scenario if isinstance(scenario, str) else json.dumps(scenario), "utf-8")
    return path


def test_an_empty_scenario_is_the_default_one(tmp_path: Path) -> None:
    assert load_scenario(written(tmp_path, {})) == Scenario()


def test_a_full_scenario_is_read(tmp_path: Path) -> None:
    data = {
        "models": [{"key": "a", "parallel": 2, "latency": 0.5}, {"key": "b", "loaded": False}],
        "latency": {"mean": 0.1, "sigma": 0.3, "seed": 7},
        "jit": False,
        "unknown_model": "fallback",
        "rules": [
            {"headline": "goose", "fault": "F05.lead-in", "nth": 2},
            {"model": "a", "nth": [1, 3], "status": 500, "body": {"error": "x"}, "shape": "trickle", "seconds": 0.1},
            {"nth": 9, "swap": {"quantization": "Q2_K"}},
        ],
    }
    assert load_scenario(written(tmp_path, data)) == Scenario(
        models=(ModelSpec("a", parallel=2, latency=Latency(0.5)), ModelSpec("b", loaded=False)),
        latency=Latency(0.1, 0.3, 7),
        jit=False,
        unknown_model="fallback",
        rules=(
            Rule(headline="goose", fault="F05.lead-in", nth=(2,)),
            Rule(model="a", nth=(1, 3), status=500, body={"error": "x"}, shape="trickle", seconds=0.1),
            Rule(nth=(9,), swap={"quantization": "Q2_K"}),
        ),
    )


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        ("{", "the scenario is not JSON in UTF-8: "),
        ([], "$: [] is not of type 'object'"),
        ('{"latency": NaN}', "the scenario is not JSON in UTF-8: NaN is no number"),
        ({"jti": True}, "$: Additional properties are not allowed ('jti' was unexpected)"),
        ({"models": [{"key": "a", "parallel": 0}]}, "$.models[0].parallel: 0 is less than the minimum of 1"),
        ({"rules": [{"reply": ""}, {"reply": 5}]}, "$.rules[1].reply: 5 is not of type 'string'"),
        ({"rules": [{"fault": "F99"}]}, "$.rules[0].fault: 'F99' is none of F01, F02,"),
        ({"rules": [{"nth": 1}]}, "$.rules[0].fault: the rule says what to match but not what to do"),
        ({"rules": [{"swap": {"quant": "x"}}]}, "$.rules[0].swap: a model has no field 'quant'"),
        ({"unknown_model": "maybe"}, "$.unknown_model: 'maybe' is not one of"),
    ],
)
def test_a_bad_scenario_is_refused_with_file_and_key(tmp_path: Path, scenario: object, says: str) -> None:
    path = written(tmp_path, scenario)
    with pytest.raises(InputError) as refused:
        load_scenario(path)
    assert str(refused.value).startswith(f"{path}: {says}")


def test_a_scenario_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json: the scenario cannot be read: No such file"):
        load_scenario(tmp_path / "nowhere.json")


def test_the_schema_knows_every_field_and_no_other() -> None:
    schema = json.loads(files("plotbot.mock").joinpath("scenario.schema.json").read_text("utf-8"))
    for told, kind in [
        (schema, Scenario),
        (schema["$defs"]["model"], ModelSpec),
        (schema["$defs"]["rule"], Rule),
        (schema["$defs"]["latency"]["anyOf"][1], Latency),
    ]:
        assert set(told["properties"]) == {field.name for field in fields(kind)}
