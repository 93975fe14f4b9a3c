"""A project to run commands in, and what they printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from plotbot.commands import main


@dataclass(frozen=True, slots=True)
class Printed:
    status: int
    out: str
    err: str


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").touch()
    return tmp_path


@pytest.fixture
def plotbot(project: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Printed]:
    """Run a `plotbot` command in the project."""

    def run(*argv: str) -> Printed:
        status = main([*argv, "--rootdir", str(project)])
        captured = capsys.readouterr()
        return Printed(status, captured.out, captured.err)

    return run


@pytest.fixture
def runs_dir(project: Path) -> Path:
    return project / "data" / "runs"


@pytest.fixture
def answers(project: Path) -> Path:
    return project / "data" / "generated_data"
