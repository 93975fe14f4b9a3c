from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from plotbot.commands import mock
from plotbot.errors import UsageProblem
from plotbot.mock import FAULTS, SHAPES, Latency, ModelSpec, Rule, Scenario


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    mock.add_arguments(parser)
    return parser.parse_args(words)


def test_without_options_it_is_the_default_scenario_on_lm_studios_port() -> None:
    assert mock.scenario_from(parsed()) == Scenario()
    assert (parsed().host, parsed().port) == ("127.0.0.1", 1234)


def test_options_describe_models_latency_and_faults() -> None:
    args = parsed(
        "--model", "a", "--model", "b", "--parallel", "2", "--context", "99", "--not-loaded", "--load-seconds", "0.5",
        "--latency", "0.05", "--sigma", "0.3", "--seed", "7", "--fault", "F05:0.1", "--fault", "F18.reloaded",
        "--token", "sk",
    )  # fmt: skip
    spec = ModelSpec("a", loaded=False, context=99, parallel=2, load_seconds=0.5)
    assert mock.scenario_from(args) == Scenario(
        models=(spec, ModelSpec("b", loaded=False, context=99, parallel=2, load_seconds=0.5)),
        latency=Latency(0.05, 0.3, 7),
        rules=(Rule(fault="F05", probability=0.1), Rule(fault="F18.reloaded")),
        token="sk",
        seed=7,
    )


def test_options_override_the_scenario_file_and_its_rules_come_last(tmp_path: Path) -> None:
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps({"models": [{"key": "a"}], "latency": 1, "jit": False, "rules": [{"reply": "[]"}]}))
    args = parsed("--scenario", str(path), "--latency", "0.5", "--fault", "F01", "--parallel", "9")
    assert mock.scenario_from(args) == Scenario(
        models=(ModelSpec("a", parallel=9),),
        latency=Latency(0.5),
        jit=False,
        rules=(Rule(fault="F01"), Rule(reply="[]")),
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--fault", "F99"], r"--fault F99: fault: 'F99' is none of F01,"),
        (["--fault", "F22"], r"--fault F22: fault: F22 needs streaming, which the mock does not do"),
        (["--fault", "F05:often"], r"--fault F05:often: could not convert string to float: 'often'"),
        (["--fault", "F05:2"], r"--fault F05:2: probability: 2.0 is not between 0 and 1"),
        (["--parallel", "0"], r"--parallel 0: out of range"),
        (["--load-seconds", "-1"], r"--load-seconds -1.0: out of range"),
        (["--sigma", "0.5"], r"--latency 0.0 --sigma 0.5: neither is negative, and sigma needs a latency over 0"),
        (["--load-seconds", "inf"], r"--load-seconds inf: out of range"),
        (["--latency", "nan"], r"--latency nan --sigma 0.0: neither is negative"),
    ],
)
def test_a_bad_option_is_named(words: list[str], says: str) -> None:
    with pytest.raises(UsageProblem, match=says):
        mock.scenario_from(parsed(*words))


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_an_impossible_port_is_a_usage_problem(port: str) -> None:
    with pytest.raises(UsageProblem, match=r"cannot listen on 127\.0\.0\.1:"):
        mock.run(parsed("--port", port))


def test_all_faults_and_shapes_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert mock.run(parsed("--list-faults")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines if line} >= {*FAULTS, *SHAPES}
    assert next(line for line in lines if line.startswith("F33 ")).endswith("UNVERIFIED")
    assert next(line for line in lines if line.startswith("F22 ")).endswith("needs streaming: not played")
