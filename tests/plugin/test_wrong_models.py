"""A model that was swapped during a pinned run stays on record until its answers have been asked again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from plotbot.commands import main
from plotbot.mock import MockServer, ModelSpec, Rule
from tests.plugin.conftest import newest_summary

pytest_plugins = ("pytester",)

Evals = Callable[..., pytest.RunResult]
Mock = Callable[..., MockServer]

MODEL = ModelSpec("qwen/qwen3-4b", context=16384)
SWAPPED = "quantization: pinned Q4_K_M, served Q8_0"


@pytest.fixture
def swapped(evals: Evals, start_mock: Mock, project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run pinned evals during which Q8_0 takes the place of Q4_K_M; return the exit status."""
    monkeypatch.chdir(project)

    def run(*arguments: str) -> int:
        server = start_mock(models=(MODEL,), rules=(Rule(nth=(2,), swap={"quantization": "Q8_0"}),))
        assert main(["pin", "--lm-studio-url", server.url]) == 0
        return int(evals(server, "--pinned", *arguments).ret)

    return run


def test_it_is_in_the_journal_and_outlives_thenewest_summary(
    swapped: Callable[..., int], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert swapped() == 10
    (run,) = (project / "data" / "runs").iterdir()
    (run / "summary.json").unlink()
    assert main(["report"]) == 0
    (told,) = newest_summary(project)["wrong_models"]
    assert SWAPPED in told
    assert " what config/pin.json pins" in told
    capsys.readouterr()
    assert main(["runs"]) == 0
    # Without its summary a run counts as dead, and not as complete.
    assert " dead " in capsys.readouterr().out


def test_its_answers_are_asked_again_on_resuming_and_only_then_the_run_is_good(
    swapped: Callable[..., int], evals: Evals, start_mock: Mock, project: Path
) -> None:
    assert swapped() == 10
    good = start_mock(models=(MODEL,))
    some = evals(good, "--resume", "--pinned", "-k", "t05 or t06")
    assert some.ret == 10
    assert SWAPPED in some.stdout.str()
    rest = evals(good, "--resume", "--pinned")
    assert rest.ret == 0
    assert good.stats().models[MODEL.key].requests == 4
    assert newest_summary(project)["wrong_models"] == []


def _in_dataset(project: Path) -> set[str]:
    return {path.stem for path in (project / "data" / "generated_data").glob("*.json")}


@pytest.mark.parametrize("arguments", [(), ("-n", "2", "--write-strategy", "batch")], ids=["one process", "workers"])
def test_its_answers_leave_the_dataset_and_come_back_only_if_the_pinned_model_gives_good_ones(
    swapped: Callable[..., int],
    evals: Evals,
    start_mock: Mock,
    project: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
) -> None:
    assert swapped(*arguments) == 10
    (run,) = (project / "data" / "runs").iterdir()
    lines = [json.loads(line) for line in (run / "journal.jsonl").read_bytes().splitlines()]
    suspect = {case for line in lines if line["kind"] == "wrong_model" for case in line["data"]["cases"]}
    plan = json.loads((run / "plan.json").read_bytes())
    titles = {case["title"]["id"] for case in plan["cases"]}
    lost = {case["title"]["id"] for case in plan["cases"] if case["id"] in suspect}
    assert lost
    assert _in_dataset(project) == titles - lost
    assert main(["verify"]) == 0
    capsys.readouterr()
    assert main(["export", "--all"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(titles - lost)
    bad = start_mock(models=(MODEL,), rules=(Rule(reply="no JSON"),))
    assert evals(bad, "--resume", "--pinned").ret == 1
    assert _in_dataset(project) == titles - lost
    assert main(["verify"]) == 0
    assert newest_summary(project)["wrong_models"] == []
    assert newest_summary(project)["total"]["failed"] == len(lost)
    assert main(["fold"]) == 0
    assert _in_dataset(project) == titles - lost


def test_a_merge_knows_it_whether_its_part_was_reported_again_or_not(
    swapped: Callable[..., int], evals: Evals, start_mock: Mock, project: Path
) -> None:
    assert swapped("--shard=1/2", "--test-sample-size=8") == 10
    assert evals(start_mock(models=(MODEL,)), "--pinned", "--shard=2/2", "--test-sample-size=8").ret == 0
    parts = sorted(str(run) for run in (project / "data" / "runs").iterdir())
    (Path(parts[0]) / "summary.json").unlink()
    assert main(["merge", *parts]) == 10
    assert SWAPPED in newest_summary(project)["wrong_models"][0]
    assert evals(start_mock(models=(MODEL,)), "--resume", "--pinned", "--test-sample-size=8").ret == 0


@pytest.mark.parametrize("change", ["renamed", "added"])
def test_a_run_is_not_resumed_with_an_eval_that_it_did_not_have(
    evals: Evals, start_mock: Mock, project: Path, change: str
) -> None:
    server = start_mock()
    assert evals(server).ret == 0
    file = project / "evals" / "test_story_seeds.py"
    text = file.read_text(encoding="utf-8").replace("def test_story_seed(", "def test_another(")
    (file if change == "renamed" else file.with_name("test_more.py")).write_text(text, encoding="utf-8")
    before = newest_summary(project)
    result = evals(server, "--resume")
    assert result.ret == 4
    said = "\n".join([*result.outlines, *result.errlines])
    assert "::test_another[*], which it does not have: it ran evals/test_story_seeds.py::test_story_seed[*]" in said
    assert newest_summary(project) == before
    if change == "added":
        assert evals(server, "--resume", "-k", "story_seed").ret == 0


@pytest.mark.parametrize("option", ["--replay=", "--resume-run="])
def test_an_empty_name_of_a_run_is_refused(evals: Evals, start_mock: Mock, option: str) -> None:
    server = start_mock()
    evals(server)
    result = evals(server, option)
    assert result.ret == 4
    assert "this one is empty" in "\n".join([*result.outlines, *result.errlines])
