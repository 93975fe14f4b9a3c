"""`plotbot report RUN` after a run that has ended writes the same files again: nothing changes but the time."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from plotbot.commands import main
from plotbot.keep.filesystem import Disk
from plotbot.keep.locks import LOCKS_FOLDER, TitleLocks
from plotbot.keep.run_folder import RunFolder
from plotbot.measure.judged import CHOICE, JudgedAnswer, Judgements
from plotbot.measure.tally import ModelVariant
from plotbot.mock import MockServer, ModelSpec, Rule
from plotbot.run.judged import write_judgements

pytest_plugins = ("pytester",)

Evals = Callable[..., pytest.RunResult]
Mock = Callable[..., MockServer]

MODEL = ModelSpec("qwen/qwen3-4b", context=16384)
BAD = Rule(headline="Headline 0[1-4]", reply="no JSON at all")
ERRORS = Rule(status=400, body={"error": "Compute error."}, nth=(2, 3))
ALL = "--test-sample-size=12"


@pytest.fixture(autouse=True)
def in_the_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def artifacts(project: Path) -> dict[str, str]:
    """The newest run's three files, without the time at which the page was made."""
    run = max((project / "data" / "runs").iterdir())
    paths = (run / "summary.json", project / "reports" / "summary.md", project / "reports" / "index.html")
    return {path.name: re.sub(r'"made_at":"[^"]+"', "", path.read_text(encoding="utf-8")) for path in paths}


def unchanged_by_report(project: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Report the newest run again, compare the files, and return `summary.json`."""
    before = artifacts(project)
    assert main(["report", "last"]) == 0, capsys.readouterr().err
    after = artifacts(project)
    for name, text in before.items():
        assert after[name] == text, name
    return after["summary.json"]


def test_a_plain_run(evals: Evals, start_mock: Mock, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = start_mock(rules=(BAD, ERRORS))
    assert evals(server, ALL, "--request-retry-limit=0", "--min-pass-rate=0.5").ret == 10
    assert '"exit_status": 10' in unchanged_by_report(project, capsys)


def test_what_a_judge_said_stays_when_the_run_is_resumed(
    evals: Evals, start_mock: Mock, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = start_mock(rules=(BAD, ERRORS))
    assert evals(server, ALL, "--request-retry-limit=0").ret == 10
    (run,) = map(RunFolder, (project / "data" / "runs").iterdir())
    answers = {f"a{number}": JudgedAnswer(ModelVariant("mock-model"), f"t{number}") for number in range(6)}
    said = {CHOICE: {one: [True] for one in answers}}
    write_judgements(run, Judgements(run.run_id, "judge", "j", {}, {}, answers, said), Disk())
    assert evals(server, ALL, "--resume").ret == 1
    assert '"judged"' in unchanged_by_report(project, capsys)
    assert all("6 of 6 chosen right" in artifacts(project)[name] for name in ("summary.md", "index.html"))
    run.judged.write_text("{", encoding="ascii")
    resumed = evals(server, ALL, "--resume")
    assert resumed.ret == 1
    resumed.stdout.fnmatch_lines("*judged.json: damaged*")


@pytest.mark.parametrize("gate", [(), ("--min-pass-rate=0.9",)])
def test_a_resumed_run(
    evals: Evals, start_mock: Mock, project: Path, capsys: pytest.CaptureFixture[str], gate: tuple[str, ...]
) -> None:
    server = start_mock(rules=(BAD, ERRORS))
    assert evals(server, ALL, "--request-retry-limit=0", "--min-pass-rate=0.5").ret == 10
    assert evals(server, ALL, "--resume", *gate).ret == 1
    assert '"exit_status": 1' in unchanged_by_report(project, capsys)


def test_a_pinned_run_whose_model_was_swapped(
    evals: Evals, start_mock: Mock, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = start_mock(models=(MODEL,), rules=(Rule(nth=(2,), swap={"quantization": "Q8_0"}),))
    assert main(["pin", "--lm-studio-url", server.url]) == 0
    assert evals(server, "--pinned").ret == 10
    summary = unchanged_by_report(project, capsys)
    assert "quantization: pinned Q4_K_M, served Q8_0" in summary
    assert '"exit_status": 10' in summary


def test_a_merged_run(evals: Evals, start_mock: Mock, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = start_mock(rules=(BAD,))
    for part in ("1/2", "2/2"):
        evals(server, ALL, f"--shard={part}")
    assert main(["merge", *sorted(str(run) for run in (project / "data" / "runs").iterdir())]) == 1
    assert '"exit_status": 1' in unchanged_by_report(project, capsys)


def test_a_run_on_several_hosts(
    evals: Evals, start_mock: Mock, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = (start_mock(models=(ModelSpec("m", quantization=name),), rules=(BAD,)) for name in ("Q4_K_M", "Q8_0"))
    assert evals(one, "--lm-studio-url", other.url, ALL, "--max-in-flight=4").ret == 1
    assert '"hosts"' in unchanged_by_report(project, capsys)


def test_a_run_with_an_answer_whose_title_file_was_busy(
    evals: Evals, start_mock: Mock, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reason why an answer is in the journal alone is the run's own; it stays until the answer is folded."""
    locks = TitleLocks(project / "data" / "generated_data" / LOCKS_FOLDER, Disk(), timeout=0.0)
    with locks.hold(locks.shard("t01")):
        assert evals(start_mock(), ALL, "--file-lock-timeout=0.05", "--write-batch-retry-limit=0").ret == 10
    assert "gave up after at most 0.05 s" in unchanged_by_report(project, capsys)


def test_every_run_keeps_its_own_page_and_a_replay_does_not_touch_it(
    evals: Callable[..., pytest.RunResult], project: Path, start_mock: Callable[..., MockServer]
) -> None:
    server = start_mock()
    for note in ("first", "second"):
        evals(server, f"--note={note}")
    first, second = sorted((project / "data" / "runs").iterdir())
    pages = {folder: (folder / "index.html").read_bytes() for folder in (first, second)}
    assert b"'first'" in pages[first]
    assert b"'second'" not in pages[first]
    assert b"'second'" in pages[second]
    evals(server, "--replay=first", "--tolerate=fenced")
    assert b"'first'" in (project / "reports" / "index.html").read_bytes()
    assert {folder: (folder / "index.html").read_bytes() for folder in pages} == pages
