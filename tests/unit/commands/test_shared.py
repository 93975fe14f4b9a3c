"""What commands share: among it, that what they print for a person fits a narrow terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Make = Callable[..., Any]
COMMANDS = (
    "report", "report nothing", "report --no-such-option", "runs", "runs --html", "verify", "fold", "audit last",
    "compare last~1 last", "baseline last", "doctor", "gate --plan --min-pass-rate=0.9 --test-sample-size=40",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_a_narrow_terminal_holds_each_line_but_for_single_words(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    for run_id in ("20260101-000000-000001", "20260101-000000-000002"):
        write_run(runs_dir, row("a"), row("b", outcome="failed"), row("c", outcome="error"), run_id=run_id)
    damaged = write_run(runs_dir, row("a"), run_id="20260101-000000-000003")
    damaged.plan.write_text(json.dumps([]), encoding="utf-8")
    printed = plotbot(*command.split())
    lines = f"{printed.out}\n{printed.err}".splitlines()
    assert [line for line in lines if len(line) > 40 and " " in line.strip()] == []
    assert any(lines)
