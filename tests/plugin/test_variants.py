"""Variants as a user meets them: rows, names for `-k`, gates, and runs that are taken up again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.mock import MockServer, ModelSpec

pytest_plugins = ("pytester",)

Evals = Callable[..., pytest.RunResult]
StartMock = Callable[..., MockServer]
RunFile = Callable[[Path, str], Any]

OWN = """
import pytest

@pytest.mark.eval(prompt="data/short.txt")
def test_own(reply, results):
    results.keep(reply)

def test_set(reply, results):
    results.keep(reply)
"""
HOSTILE = "<img src=x> |`_*,.txt"
PROMPTS = "--prompt-path=data/prompt.txt,data/short.txt"
HEATS = "--temperature=0.8,0.2"


@pytest.fixture
def prompts(project: Path) -> Path:
    for name in ("short.txt", HOSTILE):
        (project / "data" / name).write_text(f"Be brief, {name}.", encoding="utf-8")
    return project


def tallies(project: Path, run_file: RunFile) -> dict[str, int]:
    """How many items passed in each variant of the newest run, of those that were planned."""
    rows = run_file(project, "summary.json")["models"]
    assert all(row["tally"]["planned"] == row["tally"]["passed"] for row in rows)
    return {row["variant"]: row["tally"]["passed"] for row in rows}


def test_an_eval_with_a_prompt_of_its_own_has_no_prompt_axis_and_shares_what_is_asked_alike(
    evals: Evals, start_mock: StartMock, prompts: Path, write_eval: Callable[..., None], run_file: RunFile
) -> None:
    write_eval(OWN)
    server = start_mock()
    assert evals(server, PROMPTS, HEATS).ret == 0
    expected = {"short.txt": 8, "short.txt t=0.2": 8, "prompt.txt t=0.8": 4, "t=0.2": 4}
    assert tallies(prompts, run_file) == expected
    assert next(iter(tallies(prompts, run_file))) == "prompt.txt t=0.8", "the run's first is the first row"
    assert server.stats().models["mock-model"].requests == 16, "two tests of one prompt share each exchange"
    # What is not set again is as the run had it; nothing is asked again.
    assert evals(server, "--resume").ret == 0
    assert tallies(prompts, run_file) == expected
    assert server.stats().models["mock-model"].requests == 16
    evals(server, "--replay=last").stdout.fnmatch_lines(["0 of 24 verdicts changed", "*24 passed*"])


def test_items_know_the_names_of_variants_and_k_selects_by_them(
    evals: Evals, start_mock: StartMock, prompts: Path, run_file: RunFile
) -> None:
    server = start_mock()
    result = evals(server, PROMPTS, HEATS, "-k", "short.txt-t-0.2", "--junitxml=junit.xml")
    result.assert_outcomes(passed=4, deselected=12)
    assert tallies(prompts, run_file) == {"short.txt t=0.2": 4}
    junit = (prompts / "junit.xml").read_text(encoding="utf-8")
    assert junit.count('<property name="variant" value="short.txt t=0.2" />') == 4
    items = [item for item, _ in run_file(prompts, "plan.json")["items"]]
    assert all(
        re.search(r"\[mock-model-short\.txt-t-0\.2-headline-\d\d-goose-elected-t\d\d-r1\]$", item) for item in items
    )


def test_a_failure_of_one_variant_is_run_again_alone(
    evals: Evals, start_mock: StartMock, prompts: Path, write_eval: Callable[..., None], run_file: RunFile
) -> None:
    write_eval('def test_own(reply, request):\n    assert "short.txt" not in request.node.name\n')
    result = evals(start_mock(), PROMPTS, HEATS, "--min-pass-rate=0,mock-model short.txt=0.5")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["  prompt.txt t=0.8 * 4 * 4 *", "  short.txt * 4 * 0 * 4 *", "mock-model short.txt"])
    gates = {row["variant"]: row["gate"]["verdict"] for row in run_file(prompts, "summary.json")["models"]}
    assert gates == {"prompt.txt t=0.8": "PASS", "t=0.2": "PASS", "short.txt": "FAIL", "short.txt t=0.2": "PASS"}
    write_eval("def test_own(reply): ...\n")
    again = evals(start_mock(), "--lf")
    again.assert_outcomes(passed=8)
    assert tallies(prompts, run_file) == {"short.txt": 4, "short.txt t=0.2": 4}


def test_hostile_prompt_names_stay_text(evals: Evals, start_mock: StartMock, prompts: Path, run_file: RunFile) -> None:
    (prompts / "config").mkdir()
    paths = json.dumps({"PROMPT_PATH": ["data/prompt.txt", f"data/{HOSTILE}"]})
    (prompts / "config" / "config.json").write_text(paths, encoding="utf-8")
    assert evals(start_mock()).ret == 0
    name = "<img-src=x>-|`_*-.txt"
    assert tallies(prompts, run_file) == {"prompt.txt": 4, name: 4}
    assert f"``mock-model {name.replace('|', chr(92) + '|')}``" in (prompts / "reports" / "summary.md").read_text()
    for page in (prompts / "reports").glob("*.html"):
        assert "<img src=x" not in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("given", ["all", "*two,*one"])
def test_all_and_patterns_ask_what_the_server_lists_the_loaded_model_first(
    evals: Evals, start_mock: StartMock, project: Path, run_file: RunFile, given: str
) -> None:
    models = (ModelSpec("a/one", loaded=False), ModelSpec("b/two"))
    server = start_mock(models=models)
    assert evals(server, f"--model={given}").ret == 0
    assert run_file(project, "plan.json")["header"]["models"] == ["b/two", "a/one"]
    assert evals(server, f"--model={given}", "--resume").ret == 0
