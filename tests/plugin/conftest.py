"""Sessions of pytest inside the test's own process, in a project of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.keep.journal_reading import read_journal
from plotbot.mock import MockServer

TITLES = 100
"""How many titles the project of `many` has."""


def newest_summary(project: Path) -> dict[str, Any]:
    """The summary of the project's newest run."""
    newest = max((project / "data" / "runs").iterdir())
    summary: dict[str, Any] = json.loads((newest / "summary.json").read_text(encoding="utf-8"))
    return summary


@pytest.fixture
def project(pytester: pytest.Pytester, make_project: Callable[[Path], Path]) -> Path:
    return make_project(pytester.path)


@pytest.fixture
def evals(pytester: pytest.Pytester, project: Path) -> Callable[..., pytest.RunResult]:
    """Run the project's evals against a stand-in server, with a sample seed that never changes."""

    def run(server: MockServer, *arguments: str) -> pytest.RunResult:
        given = ("--lm-studio-url", server.url, "--sample-seed=1", "--test-sample-size=4", *arguments)
        return pytester.runpytest_inprocess("evals", *given)

    return run


@pytest.fixture
def many(project: Path) -> Path:
    """The project, with so many titles that a sequential test may end before the last one."""
    titles = {f"t{number:03}": f"Headline {number:03}: a goose is elected" for number in range(TITLES)}
    (project / "data" / "titles_index.json").write_text(json.dumps(titles), encoding="utf-8")
    return project


@pytest.fixture
def write_eval(project: Path) -> Callable[..., None]:
    """Replace the project's evals by a file of these lines."""

    def write(text: str, name: str = "test_own.py") -> None:
        for file in (project / "evals").glob("test_*.py"):
            file.unlink()
        (project / "evals" / name).write_text(text, encoding="utf-8")

    return write


@pytest.fixture
def verdicts(project: Path) -> Callable[[], list[dict[str, Any]]]:
    """The verdict lines of the newest run's journal."""

    def read() -> list[dict[str, Any]]:
        newest = max((project / "data" / "runs").iterdir())
        return [dict(line.data) for line in read_journal(newest / "journal.jsonl").lines if line.kind == "verdict"]

    return read
