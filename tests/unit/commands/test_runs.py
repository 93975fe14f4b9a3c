import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import Journal
from plotbot.keep.run_folder import RunFolder

Make = Callable[..., Any]
BOXES = ("planned", "passed", "failed", "error", "skipped", "not_run")


def _sum_up(run: RunFolder, *counts: int, exit_status: int | None = 0, models: str = "m") -> None:
    """The summary that a run writes at its end, after its journal is closed."""
    total = dict(zip(BOXES, counts, strict=True))
    run.summary.write_text(json.dumps({"header": {"models": [models]}, "total": total, "exit_status": exit_status}))
    os.utime(run.journal, (1, 1))


def _states(printed: Any) -> dict[str, list[str]]:
    rows = [line.split() for line in printed.out.split("\n\n")[0].splitlines()[1:]]
    return {row[0]: row[1:] for row in rows}


def test_each_run_has_a_line_with_its_counts_the_newest_last(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make
) -> None:
    rows = [row("a"), row("b", outcome="failed"), row("c", outcome="error"), row("d", outcome=None)]
    write_run(runs_dir, *rows, row("e", outcome="skipped"), run_id="20261123-000000-000000", models=["m", "猫\x1b"])
    write_run(runs_dir, row("a"))
    printed = plotbot("runs")
    assert printed.status == 0
    assert list(_states(printed)) == ["20261122-121501-7f3a01", "20261123-000000-000000"]
    assert _states(printed)["20261123-000000-000000"][:7] == ["dead", "5", "1", "1", "1", "1", "1"]
    assert "m, 猫\\x1b" in printed.out


def test_a_run_is_complete_incomplete_dead_running_or_damaged(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make
) -> None:
    good, bad = row("a"), row("b", outcome=None)
    write_run(runs_dir, good, run_id="20260101-000000-000001")
    _sum_up(write_run(runs_dir, good, bad, run_id="20260101-000000-000002"), 2, 1, 0, 0, 0, 1, exit_status=10)
    write_run(runs_dir, good, bad, run_id="20260101-000000-000003")
    live = Journal.open(write_run(runs_dir, good, bad, run_id="20260101-000000-000004").journal, Disk())
    write_run(runs_dir, good, run_id="20260101-000000-000005").plan.write_bytes(b"[]")
    states = _states(plotbot("runs"))
    live.close()
    assert [cells[0] for cells in states.values()] == ["complete", "incomplete", "dead", "running", "damaged"]


def test_a_summary_that_is_newer_than_the_journal_is_believed(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make
) -> None:
    _sum_up(write_run(runs_dir, row("a")), 40, 39, 1, 0, 0, 0)
    assert _states(plotbot("runs"))["20261122-121501-7f3a01"][:3] == ["complete", "40", "39"]


@pytest.mark.parametrize("exit_status", [10, None])
def test_a_run_that_was_killed_after_its_summary_is_dead(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make, exit_status: int | None
) -> None:
    run = write_run(runs_dir, row("a"), row("b"), row("c", outcome=None))
    _sum_up(run, 3, 1, 0, 0, 0, 2, exit_status=exit_status)
    os.utime(run.summary, (0, 0))
    assert _states(plotbot("runs"))[run.run_id][:3] == ["dead", "3", "2"]


def test_the_table_keeps_to_100_columns(plotbot: Make, runs_dir: Path, write_run: Make, row: Make) -> None:
    write_run(runs_dir, *(row(f"t{number}") for number in range(12)), models=["qwen/qwen3-4b-2507@q4_k_m"] * 9)
    lines = plotbot("runs").out.splitlines()
    assert max(map(len, lines[:2])) == 100
    assert max(map(len, lines)) <= 120


def test_without_runs_the_next_step_is_said(plotbot: Make) -> None:
    assert plotbot("runs").out == "There is no run yet. Start one with pytest evals.\n"
