"""`--lf` means the last session, wherever its run and the project are; an empty plan says why it is empty."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from plotbot.commands import main
from plotbot.mock import MockServer, ModelSpec, Rule

pytest_plugins = ("pytester",)

Evals = Callable[..., pytest.RunResult]
Mock = Callable[..., MockServer]
ALL_BAD = Rule(reply="no JSON at all")


def test_it_asks_all_failures_of_a_run_with_missing(evals: Evals, start_mock: Mock) -> None:
    assert evals(start_mock()).ret == 0
    assert evals(start_mock(rules=(ALL_BAD,)), "--missing", "--test-sample-size=8").ret == 1
    good = start_mock()
    result = evals(good, "--lf", "--test-sample-size=4")
    result.assert_outcomes(passed=8)
    assert good.stats().models["mock-model"].requests == 8


def test_it_asks_the_failures_of_the_run_that_was_resumed_last(evals: Evals, start_mock: Mock, project: Path) -> None:
    bad = start_mock(rules=(ALL_BAD,))
    evals(bad)
    (first,) = [run.name for run in (project / "data" / "runs").iterdir()]
    evals(start_mock(), "--sample-seed=2")
    evals(bad, "--resume-run", first)
    good = start_mock()
    result = evals(good, "--lf")
    result.assert_outcomes(passed=4)


def test_a_last_run_that_was_deleted_is_named(evals: Evals, start_mock: Mock, project: Path) -> None:
    bad = start_mock(rules=(ALL_BAD,))
    evals(bad, "--test-sample-size=1")
    runs = project / "data" / "runs"
    (first,) = runs.iterdir()
    evals(bad)
    (second,) = set(runs.iterdir()) - {first}
    shutil.rmtree(second)
    result = evals(bad, "--lf")
    told = f"*last session's run {second.name} is not there any more, and run {first.name} is taken*"
    result.stdout.fnmatch_lines([told])


def test_a_model_that_the_last_run_did_not_ask_is_left_out(evals: Evals, start_mock: Mock) -> None:
    rule = Rule(model="bad", reply="no JSON at all")
    server = start_mock(models=(ModelSpec("bad"), ModelSpec("good")), rules=(rule,))
    assert evals(server, "--model=bad,good").ret == 1
    evals(server, "--model=bad,good", "-k", "good").assert_outcomes(passed=4, deselected=4)
    evals(server, "--lf").assert_outcomes(passed=4)
    evals(server, "--lf", "--model=bad").assert_outcomes(failed=4)


def test_it_works_in_a_project_that_has_moved(
    evals: Evals, start_mock: Mock, project: Path, run_pytest: Callable[..., object], tmp_path: Path
) -> None:
    evals(start_mock(rules=(ALL_BAD,)))
    moved = tmp_path / "moved"
    shutil.copytree(project, moved)
    shutil.rmtree(project / "data")
    result = run_pytest(moved, "evals", "--lf", "--lm-studio-url", start_mock().url)
    assert "4 passed" in str(getattr(result, "stdout", ""))


def test_nothing_missing_is_said(evals: Evals, start_mock: Mock) -> None:
    evals(start_mock(), "--test-sample-size=12")
    result = evals(start_mock(), "--missing", "--test-sample-size=12")
    assert result.ret == 5
    result.stdout.fnmatch_lines(["*every title has a valid answer to this prompt already*"])


def test_more_parts_than_titles_are_merged_without_the_empty_ones(
    evals: Evals, start_mock: Mock, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    statuses = [int(evals(start_mock(), f"--shard={part}/3", "--test-sample-size=2").ret) for part in (1, 2, 3)]
    assert statuses == [0, 0, 5]
    parts = [str(run) for run in (project / "data" / "runs").iterdir()]
    assert main(["merge", *parts]) == 0


@pytest.mark.parametrize(("workers", "seeds"), [("0", (0, 1)), ("2", (1,))])
@pytest.mark.parametrize("name", ["mock-model-t07-r1", "mock-model-headline-07-goose-elected-t07-r1"])
def test_a_node_id_runs_its_title_whatever_the_seed(
    pytester: pytest.Pytester, project: Path, start_mock: Mock, workers: str, seeds: tuple[int, ...], name: str
) -> None:
    """Also one of plotbot 0.1, without words of the headline."""
    del project
    for seed in seeds:
        server = start_mock()
        given = ("--lm-studio-url", server.url, f"--sample-seed={seed}", "--test-sample-size=1", "-n", workers)
        result = pytester.runpytest_inprocess(f"evals/test_story_seeds.py::test_story_seed[{name}]", *given)
        result.assert_outcomes(passed=1)
        assert server.stats().models["mock-model"].requests == 1


@pytest.mark.parametrize(
    ("name", "beside", "why"),
    [
        ("mock-model-gone7-r1", [], "its title is not in the titles file"),
        ("mock-model-headline-07-goose-elected-t07-r2", [], "no case of this session"),
        ("mock-model-headline-07-goose-elected-t07-r1", ["test_plain.py"], "no case of this session"),
    ],
)
def test_a_node_id_that_there_is_not_says_why(
    pytester: pytest.Pytester, project: Path, start_mock: Mock, name: str, beside: list[str], why: str
) -> None:
    (project / "test_plain.py").write_text("def test_plain():\n    pass\n", encoding="utf-8")
    named = f"evals/test_story_seeds.py::test_story_seed[{name}]"
    given = ("--sample-seed=1", "--test-sample-size=1", "--lm-studio-url", start_mock().url)
    result = pytester.runpytest_inprocess(named, *beside, *given)
    assert result.ret == 4
    result.stdout.fnmatch_lines([f"*{name}: {why}*"])
