"""SIGKILL loses nothing that was shown: a few of the trials that `python -m benchmarks.kills` makes by the hundred."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.kills import GROUP, WORKER, Trial, mock_server, run_trial, trials

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and process groups")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with mock_server() as address:
        yield address


def _name(trial: Trial) -> str:
    return f"{trial.batch[0]} or {trial.batch[1]:g} s, {trial.next_start}"


@pytest.mark.parametrize("trial", trials(WORKER, 10), ids=_name)
def test_a_killed_worker_loses_nothing_that_was_shown(trial: Trial, tmp_path: Path, url: str) -> None:
    assert run_trial(trial, tmp_path, url).faults == ()


@pytest.mark.parametrize("trial", trials(GROUP, 10), ids=_name)
def test_a_killed_process_group_loses_nothing_that_was_shown(trial: Trial, tmp_path: Path, url: str) -> None:
    assert run_trial(trial, tmp_path, url).faults == ()
