"""`--note`: kept with the run, and shown as its name wherever the run is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from plotbot.commands import main
from plotbot.mock import MockServer, Rule

pytest_plugins = ("pytester",)

Evals = Callable[..., pytest.RunResult]
Mock = Callable[..., MockServer]
HOSTILE = "<img src=x onerror=alert(1)>\x1b[2J\u202e'`|"
SHOWN = "<img src=x onerror=alert(1)>\\x1b[2J\\u202e'`|"


def _said(result: pytest.RunResult) -> str:
    return "\n".join([*result.outlines, *result.errlines])


def _commands(project: Path, capsys: pytest.CaptureFixture[str], *lines: str) -> str:
    capsys.readouterr()
    for line in lines:
        assert main([*line.split(), "--rootdir", str(project)]) == 0
    return capsys.readouterr().out


def test_a_note_is_the_name_of_its_run_everywhere_whatever_it_holds(
    evals: Evals, project: Path, start_mock: Mock, capsys: pytest.CaptureFixture[str]
) -> None:
    server = start_mock()
    first = evals(server, f"--note={HOSTILE}")
    assert SHOWN in _said(first)
    shown = _commands(project, capsys, "report last", "runs", "verify last", "compare last last", "baseline last")
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert shown.count(SHOWN) >= 6
    page = (project / "reports" / "index.html").read_text(encoding="utf-8")
    assert "<img" not in page.partition('id="index"')[2].partition("</script>")[0]
    assert json.dumps(HOSTILE)[1:-1].replace("<", "\\u003c").replace(">", "\\u003e") in page
    assert (
        "<img" not in (project / "reports" / "summary.md").read_text(encoding="utf-8").replace("`", "").split("run")[0]
    )


def test_resuming_says_what_is_on_record_and_keeps_the_note(evals: Evals, start_mock: Mock) -> None:
    broken = start_mock(rules=(Rule(status=400, body={"error": "Compute error."}, nth=(2, 3)),))
    assert evals(broken, "--request-retry-limit=0", "--note=before").ret == 10
    resumed = evals(broken, "--resume", "--note=after")
    assert "goes on: 2 on record, 2 to ask" in _said(resumed)
    assert "NOTE (--note) names a new run only: the run that goes on is named 'before'" in _said(resumed)
    with_workers = evals(broken, "--resume-run=before", "-n1")
    assert "'before' goes on: 4 on record, 0 to ask" in _said(with_workers)
