import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import Journal
from plotbot.keep.run_folder import RunFolder

LATER = "20261123-090000-000000"
Make = Callable[..., Any]


@pytest.fixture
def folded(plotbot: Make, runs_dir: Path, write_run: Make, row: Make) -> RunFolder:
    """A run of two answers, folded, and one failure."""
    run: RunFolder = write_run(runs_dir, row("a"), row("b"), row("c", outcome="failed", category="schema"))
    assert plotbot("fold").status == 0
    return run


def _change(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(path.read_bytes())
    change(document["llm_models"]["m"]["9f2c41d0ab37"])
    path.write_text(json.dumps(document))


def _lines(run: RunFolder) -> list[bytes]:
    return run.journal.read_bytes().splitlines(keepends=True)


def test_a_folded_run_is_proved(plotbot: Make, folded: RunFolder) -> None:
    printed = plotbot("verify")
    assert printed.status == 0
    assert printed.out.splitlines() == [
        f"ok  run {folded.run_id}: planned 3 = 2 passed + 1 failed + 0 error + 0 skipped + 0 not run",
        "    answers kept: 2 = 2 in their title files",
        "ok  title files: 2, with 2 answers",
        "",
        "Proved.",
    ]


def test_verifying_changes_nothing(plotbot: Make, project: Path, folded: RunFolder) -> None:
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    plotbot("verify")
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


def test_an_answer_that_is_not_folded_is_missing(plotbot: Make, runs_dir: Path, write_run: Make, row: Make) -> None:
    run = write_run(runs_dir, row("a"))
    printed = plotbot("verify")
    assert printed.status == 1
    assert "answers kept: 1 = 1 missing" in printed.out
    assert f"title 'a' of m is not in its title file: plotbot fold {run.run_id} puts it into" in printed.out


def test_an_answer_of_a_run_that_still_runs_is_waited_for(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make
) -> None:
    journal = Journal.open(write_run(runs_dir, row("a")).journal, Disk())
    printed = plotbot("verify")
    journal.close()
    assert printed.status == 0
    assert "still running: " in printed.out
    assert "1 still to be folded by the run" in printed.out


def test_superseded_removed_and_changed_answers_are_counted_and_no_problem(
    plotbot: Make, runs_dir: Path, answers: Path, write_run: Make, row: Make
) -> None:
    run = write_run(runs_dir, row("a"), row("b"), row("c"), row("d"))
    plotbot("fold")
    write_run(runs_dir, row("a", at="2026-11-23T09:00:00+00:00"), run_id=LATER)
    plotbot("fold")
    (answers / "b.json").unlink()
    _change(answers / "c.json", lambda entry: entry.update(response=[{"title": "By hand"}]))
    printed = plotbot("verify", run.run_id)
    assert printed.status == 0
    fates = "1 superseded by a later one, 1 removed since, 1 changed since, 1 in their title"
    assert f"answers kept: 4 = {fates} files" in printed.out


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"{", "damaged, no JSON"), (b"", "damaged, no JSON"), (b"[]", "damaged, no JSON object with a title_id")],
)
def test_a_damaged_title_file_is_named(
    plotbot: Make, answers: Path, folded: RunFolder, content: bytes, reason: str
) -> None:
    (answers / "a.json").write_bytes(content)
    printed = plotbot("verify")
    assert printed.status == 1
    assert f"NO: {answers / 'a.json'}: {reason}" in printed.out
    assert "1 in a title file that cannot be used" in printed.out


def test_a_title_file_under_another_name_is_named(plotbot: Make, answers: Path, folded: RunFolder) -> None:
    (answers / "z.json").write_bytes((answers / "a.json").read_bytes())
    printed = plotbot("verify")
    assert printed.status == 1
    assert "z.json: its name does not fit the title in it, 'a'" in printed.out


def test_an_answer_that_breaks_its_schema_is_named(plotbot: Make, answers: Path, folded: RunFolder) -> None:
    _change(answers / "a.json", lambda entry: entry.update(response=[{"nothing": 1}]))
    printed = plotbot("verify")
    assert printed.status == 1
    assert "a.json: m, 9f2c41d0ab37: breaks its schema: $[0] " in printed.out


def test_an_answer_that_an_eval_kept_by_its_own_rule_is_no_damage(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make
) -> None:
    write_run(runs_dir, row("a", said='["of another shape"]'))
    plotbot("fold")
    assert plotbot("verify").status == 0


def test_an_entry_that_is_no_answer_is_named(plotbot: Make, answers: Path, folded: RunFolder) -> None:
    _change(answers / "a.json", lambda entry: entry.pop("response"))
    assert "a.json: the entry of m, 9f2c41d0ab37 is no answer" in plotbot("verify").out


def test_answers_of_runs_that_are_gone_are_counted(plotbot: Make, answers: Path, folded: RunFolder) -> None:
    for path in folded.path.iterdir():
        path.unlink()
    folded.path.rmdir()
    printed = plotbot("verify")
    assert printed.status == 0
    assert "2 from runs that are not here any more" in printed.out


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda lines: [*lines[:1], b"\0" * 30 + b"\n", *lines[1:]], "line 2: zero-filled"),
        (lambda lines: [*lines[:1], b"garbage\n", *lines[1:]], "line 2: torn, or no JSON"),
        (lambda lines: [lines[0][:50] + b"\n", *lines[1:]], "line 1: torn, or no JSON"),
        (lambda lines: [lines[0][:50] + b"\n", *lines[1:]], "has passed, but its reply is not there"),
        (lambda lines: lines[1:], "has passed, but its reply is not there"),
    ],
)
def test_a_damaged_journal_is_named_with_its_line(
    plotbot: Make, folded: RunFolder, damage: Callable[[list[bytes]], list[bytes]], reason: str
) -> None:
    folded.journal.write_bytes(b"".join(damage(_lines(folded))))
    printed = plotbot("verify")
    assert printed.status == 1
    assert f"{folded.journal}: " in printed.out
    assert reason in printed.out


def test_a_line_that_a_crash_cut_short_is_said_and_no_loss(plotbot: Make, folded: RunFolder) -> None:
    with folded.journal.open("ab") as journal:
        journal.write(b'{"v":1,"kind":"exchange","at":"2026')
    printed = plotbot("verify")
    assert printed.status == 0
    assert "cut short by a crash" in printed.out
    Journal.open(folded.journal, Disk()).close()
    assert plotbot("verify").out == printed.out


def test_a_line_that_stands_twice_is_said_and_no_loss(plotbot: Make, folded: RunFolder) -> None:
    folded.journal.write_bytes(b"".join([*_lines(folded), _lines(folded)[1]]))
    printed = plotbot("verify")
    assert printed.status == 0
    assert "the same line again" in printed.out


def test_a_lost_verdict_contradicts_the_summary(plotbot: Make, folded: RunFolder) -> None:
    plotbot("report")
    lines = _lines(folded)
    folded.journal.write_bytes(b"".join([*lines[:1], *lines[2:]]))
    printed = plotbot("verify")
    assert printed.status == 1
    assert "summary.json: it counts 3 finished of 3 planned, the journal 2 of 3" in printed.out


def test_an_old_summary_is_said_and_no_loss(plotbot: Make, folded: RunFolder) -> None:
    plotbot("report")
    summary = json.loads(folded.summary.read_bytes())
    summary["total"]["passed"] = 1
    folded.summary.write_text(json.dumps(summary))
    printed = plotbot("verify")
    assert printed.status == 0
    assert "summary.json is older than the journal" in printed.out


@pytest.mark.parametrize("name", ["plan.json", "summary.json"])
def test_a_damaged_file_of_a_run_is_named(plotbot: Make, folded: RunFolder, name: str) -> None:
    (folded.path / name).write_bytes(b"{")
    printed = plotbot("verify")
    assert printed.status == 1
    assert f"{folded.path / name}: damaged" in printed.out


def test_a_journal_that_is_gone_though_the_run_ended_is_named(plotbot: Make, folded: RunFolder) -> None:
    plotbot("report")
    folded.journal.unlink()
    printed = plotbot("verify")
    assert printed.status == 1
    assert "it counts 3 finished of 3 planned, the journal 0 of 3" in printed.out


def test_an_answer_whose_reply_is_gone_but_that_is_on_disk_is_not_missing(
    plotbot: Make, answers: Path, folded: RunFolder
) -> None:
    folded.journal.write_bytes(b"".join(_lines(folded)[1:]))
    assert "answers kept: 2 = 2 in their title files" in plotbot("verify").out
    folded.journal.write_bytes(b"".join(line for line in _lines(folded) if b'"folded"' not in line))
    (answers / "a.json").unlink()
    printed = plotbot("verify")
    assert "1 missing" in printed.out
    assert "the reply to case m-a is not there any more" in printed.out


def test_unfinished_work_is_said_with_the_command_that_goes_on(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make
) -> None:
    run = write_run(runs_dir, row("a", asked=False, outcome=None), row("b", said=None, outcome="error"))
    printed = plotbot("verify")
    assert printed.status == 0
    assert "2 not run or an error: pytest evals --resume asks again" in printed.out
    write_run(runs_dir, row("c"), run_id="20991122-121501-7f3a01")
    assert f"pytest evals --resume-run {run.run_id} asks again" in plotbot("verify").out


def test_nothing_at_all_is_proved(plotbot: Make) -> None:
    printed = plotbot("verify")
    assert printed.status == 0
    assert printed.out == "ok  title files: 0, with 0 answers\n\nProved.\n"
