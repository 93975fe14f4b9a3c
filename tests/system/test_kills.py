"""SIGKILL loses nothing that was shown: a few of the trials that `python -m benchmarks.kills` makes by the hundred."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.kills import GROUP, WORKER, run_all, trials

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and process groups")


@pytest.mark.parametrize("victim", [WORKER, GROUP])
def test_a_kill_at_any_moment_loses_nothing_that_was_shown(victim: str, tmp_path: Path) -> None:
    # Six meet each size of batch and, twice, each next start. Two at a time: a run spends much of its time starting.
    outcomes = run_all(trials(victim, 6), tmp_path, jobs=2)
    assert [outcome for outcome in outcomes if outcome.faults] == []
    assert len({outcome.shown for outcome in outcomes}) > 1 or victim == WORKER, "the kills came at different moments"
