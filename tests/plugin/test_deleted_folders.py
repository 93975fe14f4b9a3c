"""Folders that disappear while a run is on, and parts of what is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.keep.locks import LOCKS_FOLDER
from plotbot.mock import MockServer

pytest_plugins = ("pytester",)

Evals = Callable[..., pytest.RunResult]
StartMock = Callable[..., MockServer]
RunFile = Callable[[Path, str], Any]

DELETES = """
import shutil

def pytest_runtest_logreport(report):
    if report.when == "call" and not deleted:
        deleted.append(shutil.rmtree({folder!r}, ignore_errors=True))

deleted = []
"""


@pytest.mark.parametrize("arguments", [(), ("-n", "2")])
def test_answers_that_are_deleted_while_the_run_is_on_are_named(
    evals: Evals, start_mock: StartMock, project: Path, run_file: RunFile, arguments: tuple[str, ...]
) -> None:
    (project / "evals" / "conftest.py").write_text(DELETES.format(folder="data/generated_data"), encoding="utf-8")
    result = evals(start_mock(), "--max-in-flight=1", *arguments)
    assert result.ret == 3
    result.stdout.fnmatch_lines(["*deleted while the run was on; plotbot export --all still has it*"])
    summary = run_file(project, "summary.json")
    kept = {path.stem for path in (project / "data" / "generated_data").glob("*.json")}
    assert len(summary["unfolded"]) == 4 - len(kept) > 0


@pytest.mark.parametrize("arguments", [(), ("-n", "2")])
def test_a_run_folder_that_is_deleted_while_the_run_is_on_is_no_success(
    evals: Evals, start_mock: StartMock, project: Path, arguments: tuple[str, ...]
) -> None:
    (project / "evals" / "conftest.py").write_text(DELETES.format(folder="data/runs"), encoding="utf-8")
    result = evals(start_mock(), "--max-in-flight=1", "--test-sample-size=12", *arguments)
    assert result.ret not in {0, 1}
    assert "it was deleted while the run was writing it" in result.stdout.str()


def test_a_plan_that_is_deleted_while_the_run_is_on_is_no_success(
    evals: Evals, start_mock: StartMock, project: Path
) -> None:
    gone = """
import pathlib

def pytest_runtest_logreport(report):
    for plan in pathlib.Path("data/runs").glob("*/plan.json"):
        plan.unlink()
"""
    (project / "evals" / "conftest.py").write_text(gone, encoding="utf-8")
    result = evals(start_mock(), "--test-sample-size=4")
    assert result.ret == 3
    assert "plan.json: it was deleted while the run was on" in result.stdout.str()


CUT = """
import pathlib

def pytest_runtest_logreport(report):
    for journal in pathlib.Path("data/runs").glob("*/journal.jsonl"):
        if report.when == "call" and not cut:
            cut.append(journal.write_bytes({content!r}))

cut = []
"""


@pytest.mark.parametrize("content", [b"", b"x" * 100_000], ids=["emptied", "written over"])
def test_a_journal_that_another_program_writes_while_the_run_is_on_is_no_success(
    evals: Evals, start_mock: StartMock, project: Path, content: bytes
) -> None:
    (project / "evals" / "conftest.py").write_text(CUT.format(content=content), encoding="utf-8")
    result = evals(start_mock(), "--max-in-flight=1", "--test-sample-size=12")
    assert result.ret == 3
    assert "another program changed it while the run was writing it" in " ".join(result.stdout.str().split())


def test_a_file_in_the_place_of_the_locks_is_named_before_anything_is_asked(
    evals: Evals, start_mock: StartMock, project: Path
) -> None:
    locks = project / "data" / "generated_data" / LOCKS_FOLDER
    locks.parent.mkdir(parents=True)
    locks.write_text("no folder", encoding="utf-8")
    server = start_mock()
    result = evals(server)
    assert result.ret == 4
    assert f"{LOCKS_FOLDER}: Not a directory: nothing can be written there" in " ".join(result.stderr.str().split())
    assert server.stats().models["mock-model"].requests == 0


def test_a_shard_of_what_is_missing_is_refused(evals: Evals, start_mock: StartMock, project: Path) -> None:
    server = start_mock()
    result = evals(server, "--missing", "--shard=1/2")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--missing and SHARD (--shard) do not go together*"])
    assert server.stats().models["mock-model"].requests == 0
