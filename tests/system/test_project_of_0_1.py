"""A project folder that version 0.1.0 has left opens with this version: data_0_1 was made by it, with its own mock.

Four titles: two passed, one answer was fenced, one ended in an error of the server.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from plotbot.testing import StartMock, run_evals
from tests.processes import run_module

LEFT = Path(__file__).parent / "data_0_1"
RUN = "20261129-031951-e65994"
Plotbot = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(LEFT, tmp_path, dirs_exist_ok=True)
    for path in tmp_path.rglob("*.txt"):
        if path.name != "prompt.txt":
            path.rename(path.with_suffix(""))
    return tmp_path


@pytest.fixture
def plotbot(project: Path) -> Plotbot:
    """Run `plotbot` in the project; it has to succeed."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = run_module(project, "plotbot", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    return run


def test_its_run_is_listed_reported_compared_exported_verified_and_kept_as_a_baseline(
    project: Path, plotbot: Plotbot
) -> None:
    assert f"{RUN} incomplete    4    2    1     1" in plotbot("runs").stdout
    assert "planned 4 = 2 passed + 1 failed + 1 error" in plotbot("report", "last").stdout
    assert (project / "reports" / "index.html").is_file()
    assert len(plotbot("export").stdout.splitlines()) == 2
    assert "Proved" in plotbot("verify").stdout
    assert plotbot("compare", "config/baseline.json", "last").stderr == ""
    former = plotbot("compare", "config/baseline.json", "last", "--anyway")
    assert "--anyway is deprecated" in former.stderr
    assert len(former.stderr.splitlines()) == 1
    before = json.loads((project / "config" / "baseline.json").read_bytes())
    plotbot("baseline", "last", "--output", "config/again.json")
    after = json.loads((project / "config" / "again.json").read_bytes())
    assert after.keys() >= before.keys()


def test_its_run_is_resumed_and_only_the_error_is_asked_again(project: Path, plotbot_mock: StartMock) -> None:
    server = plotbot_mock()
    done = run_evals(project, server, "--resume", "--confirm", "skip")
    assert "planned 4 = 3 passed + 1 failed + 0 error" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1
    assert sum(model.requests for model in server.stats().models.values()) == 1


def test_its_pin_is_kept_to_and_its_baseline_is_compared_with(project: Path, plotbot_mock: StartMock) -> None:
    done = run_evals(
        project, plotbot_mock(), "--pinned", "--baseline", "config/baseline.json", "--sample-seed", "7",
        "--test-sample-size", "4",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "baseline" in done.stdout or "compared" in done.stdout


def test_its_answers_are_not_missing_and_its_replies_are_judged_again(project: Path, plotbot_mock: StartMock) -> None:
    server = plotbot_mock()
    done = run_evals(project, server, "--replay", "last")
    assert "0 of " in done.stdout, done.stdout + done.stderr
    done = run_evals(project, server, "--missing")
    assert "planned 2 = 2 passed" in done.stdout, done.stdout + done.stderr
