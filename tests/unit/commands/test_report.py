import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import Journal
from plotbot.keep.run_folder import RunFolder

OTHER = "20261123-090000-000000"
Make = Callable[..., Any]


def _summary(run: RunFolder) -> Any:
    summary = json.loads(run.summary.read_bytes())
    schema = json.loads(resources.files("plotbot.report").joinpath("summary.schema.json").read_bytes())
    jsonschema.validate(summary, schema)
    return summary


def test_a_dead_run_gets_its_summary_and_reports(
    plotbot: Make, project: Path, runs_dir: Path, write_run: Make, row: Make
) -> None:
    rows = [row("a", folded=True), row("b"), row("c", outcome="failed", category="schema"), row("d", outcome=None)]
    run = write_run(runs_dir, *rows)
    printed = plotbot("report")
    assert printed.status == 0
    summary = _summary(run)
    assert summary["total"] == {
        "planned": 4,
        "passed": 2,
        "failed": 1,
        "error": 0,
        "skipped": 0,
        "not_run": 1,
        "not_needed": 0,
    }
    assert summary["exit_status"] is None
    assert summary["unfolded"] == {"m-b": "not yet in its title file: plotbot fold puts it there"}
    assert summary["models"][0]["not_run"] == [rows[3].item]
    assert "planned 4 = 2 passed + 1 failed" in printed.out
    assert "1 not run" in printed.out
    assert "2 of 4 passed" in (project / "reports" / "summary.md").read_text(encoding="utf-8")
    assert b"<!doctype html>" in (project / "reports" / "index.html").read_bytes()[:100].lower()


def test_the_last_run_is_meant_unless_others_are_named(
    plotbot: Make, project: Path, runs_dir: Path, write_run: Make, row: Make
) -> None:
    first, last = write_run(runs_dir, row("a")), write_run(runs_dir, row("b"), run_id=OTHER)
    assert plotbot("report").status == 0
    assert (first.summary.exists(), last.summary.exists()) == (False, True)
    printed = plotbot("report", first.run_id, OTHER)
    assert [line for line in printed.out.splitlines() if line.startswith("run 2")] == [
        f"run {first.run_id}",
        f"run {OTHER}",
    ]
    assert (project / "reports" / "summary.md").read_text(encoding="utf-8").count("### plotbot") == 2


def test_a_running_run_is_reported_as_far_as_it_has_come(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make
) -> None:
    journal = Journal.open(write_run(runs_dir, row("a"), row("b", outcome=None)).journal, Disk())
    printed = plotbot("report")
    journal.close()
    assert printed.status == 0
    assert "1 passed + 0 failed + 0 error + 0 skipped + 1 not run" in printed.out


@pytest.mark.parametrize(("passed", "status"), [(1, 10), (0, None)])
def test_the_runs_own_exit_status_stays_while_nothing_has_happened_since(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make, passed: int, status: int | None
) -> None:
    run = write_run(runs_dir, row("a"), row("b", outcome=None))
    total = {"planned": 2, "passed": passed, "failed": 0, "error": 0, "skipped": 0, "not_run": 2 - passed}
    run.summary.write_text(json.dumps({"total": total, "exit_status": 10}))
    plotbot("report")
    assert _summary(run)["exit_status"] == status


def test_the_gate_is_the_runs_own(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLOTBOT_MIN_PASS_RATE", "0.1")
    settings = {"MIN_PASS_RATE": {"*": 0.9}, "GATE": "point"}
    run = write_run(runs_dir, row("a"), row("b", outcome="failed", category="schema"), settings=settings)
    printed = plotbot("report")
    assert "gate: FAIL" in printed.out
    assert _summary(run)["models"][0]["gate"]["threshold"] == 0.9


def test_damaged_lines_are_named_and_the_rest_is_counted(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make
) -> None:
    run = write_run(runs_dir, row("a"), row("b"))
    lines = run.journal.read_bytes().splitlines(keepends=True)
    run.journal.write_bytes(b"".join([*lines[:3], b"\0\n"]))
    printed = plotbot("report")
    assert printed.status == 0
    assert "line 4: zero-filled" in printed.err
    assert _summary(run)["total"]["not_run"] == 1


def test_a_run_whose_settings_are_damaged_is_named(plotbot: Make, runs_dir: Path, write_run: Make, row: Make) -> None:
    write_run(runs_dir, row("a"), settings=None)
    printed = plotbot("report")
    assert printed.status == 4
    assert "plan.json: its settings are damaged" in printed.err


def test_a_report_folder_that_cannot_be_written_is_named(
    plotbot: Make, project: Path, runs_dir: Path, write_run: Make, row: Make
) -> None:
    write_run(runs_dir, row("a"))
    (project / "reports").touch()
    printed = plotbot("report")
    assert printed.status == 3
    assert "summary.md: File exists" in printed.err


def test_without_a_run_the_next_step_is_said(plotbot: Make) -> None:
    printed = plotbot("report")
    assert printed.status == 4
    assert "there is no run yet: start one with pytest evals" in printed.err


def test_one_case_is_printed_whole_and_harmless(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make, project: Path
) -> None:
    rows = [row("a"), row("b", outcome="failed", category="schema")]
    run = write_run(runs_dir, *rows)
    printed = plotbot("report", "--case", rows[1].case.id)
    assert printed.status == 0
    assert printed.out.startswith(f"case {rows[1].case.id} of run {run.run_id}: ")
    assert f"{rows[1].item}: failed, schema" in printed.out
    assert "--- user" in printed.out
    assert "--- reply (" in printed.out
    assert rows[0].item not in printed.out
    assert plotbot("report", "--case", rows[1].case.title.id).out == printed.out
    assert not (project / "reports").exists(), "nothing is written"
    unknown = plotbot("report", "--case", "no\x1b[2Jne")
    assert unknown.status == 4
    assert "no case has the id, the name or the title id no\\x1b[2Jne" in unknown.err


def test_one_case_is_a_page_of_its_own(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make, project: Path
) -> None:
    rows = [row("a"), row("b", outcome="failed", category="schema")]
    write_run(runs_dir, *rows)
    names = (rows[1].case.id, rows[1].item, rows[1].item.rpartition("::")[2], f"{rows[1].case.id}.2")
    for name in names:
        printed = plotbot("report", "--single-case", name)
        assert printed.status == 0
        page = (project / printed.out.strip()).read_text("utf-8")
        assert f'"entries":{{"key":["{rows[1].case.id}"],' in page
    assert [path.name for path in (project / "reports").iterdir()] == [Path(printed.out.strip()).name]
    unknown = plotbot("report", "--single-case", "../\x1b[2Jx")
    assert unknown.status == 4
    assert "no case has the id, the name or the title id ../\\x1b[2Jx" in unknown.err
