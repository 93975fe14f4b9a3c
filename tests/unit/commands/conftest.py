"""A project to run commands in, what they printed, and the runs of shards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from plotbot.commands import main
from plotbot.keep.run_folder import RunFolder
from plotbot.plan.sample import rank
from plotbot.settings import load_settings

SEED = 7
EVAL = {
    "files": {"prompt": "data/prompt.txt", "schema": "data/story_seed.schema.json", "titles": "data/titles_index.json"},
    "hashes": ["9f2c41d0ab37"],
}
FINGERPRINT = {"key": "m", "quantization": "Q4_K_M", "context_length": 4096, "slots": 4, "server_version": "1"}


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


@pytest.fixture
def drawn() -> list[str]:
    """Seven titles in the order in which they are drawn."""
    return sorted("abcdefg", key=lambda title: rank(SEED, title))


@pytest.fixture
def shard(
    project: Path, runs_dir: Path, drawn: list[str], write_run: Callable[..., RunFolder], row: Callable[..., Any]
) -> Callable[..., RunFolder]:
    """Write the run of a shard; *rows* says by title what is special about it."""

    def write(
        number: int,
        of: int = 3,
        *,
        titles: list[str] | None = None,
        rows: Mapping[str, Mapping[str, Any]] = {},
        header: Mapping[str, Any] = {},
        folder: Path | None = None,
        **settings: object,
    ) -> RunFolder:
        values = load_settings(project, {}, {"SAMPLE_SEED": str(SEED), "SHARD": f"{number}/{of}"}).to_json()["values"]
        told = {
            "settings": {**values, **settings},
            "evals": [EVAL],
            "fingerprints": {"m": FINGERPRINT},
            "started": f"2026-11-22T12:0{number}:00+00:00",
            "servers": [{"url": f"http://host-{number}:1234", "kind": "lmstudio", "version": "1"}],
        }
        mine = drawn[number - 1 :: of] if titles is None else titles
        made = [row(title, **rows.get(title, {})) for title in mine]
        return write_run(folder or runs_dir, *made, run_id=f"20261122-12000{number}-{of:06}", **{**told, **header})

    return write
