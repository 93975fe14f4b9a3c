"""`--baseline FILE`, `plotbot baseline` and `plotbot compare`: what a run broke and fixed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from plotbot.commands import main
from plotbot.mock import MockServer, ModelSpec, Rule

pytest_plugins = ("pytester",)

Evals = Callable[..., pytest.RunResult]
StartMock = Callable[..., MockServer]
OPTIONS = ("--test-sample-size=0", "--sample-seed=1")
THREE_BAD = (Rule(headline="Headline 0[369]", reply="no JSON at all"),)


@pytest.fixture
def baseline(evals: Evals, start_mock: StartMock, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A baseline of a run in which every title is good but the first, in the project's own folder."""
    monkeypatch.chdir(project)
    server = start_mock(rules=(Rule(headline="Headline 01", reply="[]"),))
    assert evals(server, *OPTIONS).ret == 1
    assert main(["baseline", "last"]) == 0
    return project / "config" / "baseline.json"


def _below_the_summary(result: pytest.RunResult) -> str:
    lines = result.outlines
    start = next(number for number, line in enumerate(lines) if line.startswith(("compared: ", "baseline ")))
    return " ".join(" ".join(lines[start:]).split())


def test_a_run_like_the_baseline_shows_no_change(
    evals: Evals, start_mock: StartMock, baseline: Path, project: Path
) -> None:
    result = evals(start_mock(rules=(Rule(headline="Headline 01", reply="[]"),)), *OPTIONS, f"--baseline={baseline}")
    assert result.ret == 1, "its own failure decides"
    assert "no change in 12 titles, pass rate 91.7%" in _below_the_summary(result)
    assert "no change in 12 titles" in (project / "reports" / "summary.md").read_text(encoding="utf-8")


def test_planted_regressions_are_named_and_do_not_touch_a_gate_that_holds(
    evals: Evals, start_mock: StartMock, baseline: Path
) -> None:
    result = evals(start_mock(rules=THREE_BAD), *OPTIONS, "--baseline=config/baseline.json", "--min-pass-rate=0.5")
    assert result.ret == 0
    said = _below_the_summary(result)
    assert "newly broken: 3: Headline 03: a goose is elected (ok -> not_json); Headline 06" in said
    assert "newly fixed: 1: Headline 01: a goose is elected (schema -> ok)" in said
    assert re.search(r"\(91\.7%\) and \S.* \(75\.0%\) cannot be told apart: \+16\.7 points \[", said)
    assert "on the same 12 titles (p 0.62)." in said
    assert "not more than chance: 3 broken, 1 fixed" in said


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--temperature=0", "asked otherwise: parameter temperature 0.8 -> 0.0"),
        ("--prompt-path=data/other.txt", "asked otherwise: prompt "),
        ("--response-format=json_schema", "asked otherwise: response format none -> json_schema"),
    ],
)
def test_a_run_that_asked_otherwise_is_compared_and_says_so(
    evals: Evals, start_mock: StartMock, baseline: Path, project: Path, option: str, said: str
) -> None:
    (project / "data" / "other.txt").write_text("Be brief.", encoding="utf-8")
    result = evals(start_mock(), *OPTIONS, f"--baseline={baseline}", option)
    assert result.ret == 0
    assert said in _below_the_summary(result)
    assert "newly fixed: 1: Headline 01: a goose is elected (schema -> ok)" in _below_the_summary(result)


@pytest.mark.parametrize("content", [None, "{}", "\x00"])
def test_a_baseline_that_cannot_be_read_ends_with_4_before_anything_is_asked(
    evals: Evals, start_mock: StartMock, project: Path, content: str | None
) -> None:
    if content is not None:
        (project / "b.json").write_text(content, encoding="utf-8")
    server = start_mock()
    result = evals(server, f"--baseline={project / 'b.json'}")
    assert result.ret == 4
    assert "baseline" in result.stderr.str()
    assert server.requests == ()


def test_compare_reads_runs_and_baseline_files_alike(
    evals: Evals, start_mock: StartMock, baseline: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evals(start_mock(rules=THREE_BAD), *OPTIONS)
    first, second = sorted((project / "data" / "runs").iterdir())
    capsys.readouterr()
    said = set()
    for before, after in (
        (first.name, second.name),
        (str(baseline), str(second)),
        ("config/baseline.json", second.name),
    ):
        assert main(["compare", before, after]) == 0
        said.add(capsys.readouterr().out.partition("\n\n")[2])
    assert len(said) == 1, "the same comparison, whatever names the runs"
    assert "newly broken: 3: Headline 03" in said.pop()
    assert main(["compare", "last", second.name]) == 0
    assert "no change in 12 titles" in capsys.readouterr().out


def test_compare_shows_what_the_prompts_differ_in(
    evals: Evals, start_mock: StartMock, baseline: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = project / "data" / "prompt.txt"
    prompt.write_text(f"{prompt.read_text(encoding='utf-8').rstrip()}\nBe brief.\n", encoding="utf-8")
    evals(start_mock(), *OPTIONS, "--top-k=7")
    first, second = sorted((project / "data" / "runs").iterdir())
    capsys.readouterr()
    assert main(["compare", first.name, second.name]) == 0
    said = capsys.readouterr().out
    assert "parameter top_k 40 -> 7" in said
    assert "    +Be brief.\n" in said
    assert "newly fixed: 1: Headline 01: a goose is elected (schema -> ok)" in said
    assert said.endswith("not more than chance: 0 broken, 1 fixed\n")


def test_runs_without_a_common_title_are_refused_with_the_command_that_makes_one(
    evals: Evals, start_mock: StartMock, baseline: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    titles = project / "data" / "titles_index.json"
    titles.write_text('{"other": "Another headline"}', encoding="utf-8")
    evals(start_mock(), *OPTIONS)
    first, second = sorted((project / "data" / "runs").iterdir())
    capsys.readouterr()
    assert main(["compare", first.name, second.name]) == 4
    assert f"have no title in common. To ask the same titles again: pytest evals --like {first.name}" in (
        capsys.readouterr().err
    )


def test_compare_sets_two_models_of_one_run_against_each_other(
    evals: Evals, start_mock: StartMock, project: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(project)
    rules = (Rule(model="b", headline="Headline 0[1-6]", reply="no JSON at all"),)
    result = evals(start_mock(models=(ModelSpec("a"), ModelSpec("b")), rules=rules), "--model=a,b", *OPTIONS)
    summary = " ".join(result.stdout.str().split())
    run = max((project / "data" / "runs").iterdir()).name
    capsys.readouterr()
    assert main(["compare", run, run, "--models", "a", "b"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "asked otherwise: model a -> b" in said
    assert "newly broken: 6: Headline 01" in said
    sentence = "a (100.0%) is better than b (50.0%) by 50.0 points [15.4 to 74.7] on the same 12 titles (p 0.031)."
    assert sentence in said
    assert sentence in summary, "the terminal says the same"
    assert sentence in (project / "reports" / "summary.md").read_text(encoding="utf-8").replace("`", "")
    assert "by 50.0 points [15.4 to 74.7] on the same 12 titles (p 0.031)." in (
        project / "reports" / "index.html"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("compare", "nothing", "config/baseline.json"), "no run 'nothing'"),
        (("compare", "config/baseline.json", "no/such.json"), "no/such.json: no such file or folder"),
        (("compare", "config/baseline.json", "data/prompt.txt"), "prompt.txt: no baseline"),
        (("compare", "config/baseline.json", "config/baseline.json", "--models", "x", "y"), "has no model x; it has "),
        (("baseline", "20261122-120000-abcdef"), "no run '20261122-120000-abcdef'"),
        (("baseline", "evals"), "plan.json"),
    ],
)
def test_what_cannot_be_compared_ends_with_status_4_and_names_it(
    baseline: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    capsys.readouterr()
    assert main(arguments) == 4
    assert said in capsys.readouterr().err


def test_a_baseline_says_what_is_in_it(baseline: Path, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = max((project / "data" / "runs").iterdir())
    capsys.readouterr()
    assert main(["baseline", str(run), "--output", "kept/b.json"]) == 0
    assert "11 of 12 rated answers good" in capsys.readouterr().out
    assert (project / "kept" / "b.json").read_bytes() == baseline.read_bytes()
    assert json.loads(baseline.read_bytes())["run"] == run.name


def test_a_run_in_which_nothing_has_a_verdict_makes_no_baseline(
    evals: Evals, start_mock: StartMock, project: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(project)
    assert main(["baseline", "last"]) == 4
    assert "there is no run yet" in capsys.readouterr().err
    server = start_mock(rules=(Rule(headline="Headline", status=400, body='{"error": "no"}'),))
    assert evals(server).ret == 10
    capsys.readouterr()
    assert main(["baseline", "last"]) == 4
    assert "no case of this run has a verdict" in capsys.readouterr().err
    assert not (project / "config" / "baseline.json").exists()
