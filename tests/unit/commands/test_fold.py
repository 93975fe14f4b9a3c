from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import Journal

OTHER = "20261123-090000-000000"
Make = Callable[..., Any]


def test_what_dead_runs_left_is_folded_and_counted(
    plotbot: Make, runs_dir: Path, answers: Path, write_run: Make, row: Make
) -> None:
    run = write_run(runs_dir, row("a"), row("b"))
    write_run(runs_dir, row("c"), run_id=OTHER)
    printed = plotbot("fold")
    assert printed.status == 0
    assert printed.out.splitlines() == [f"{run.run_id}: 2 answers folded", f"{OTHER}: 1 answer folded"]
    assert sorted(path.stem for path in answers.glob("*.json")) == ["a", "b", "c"]
    assert plotbot("fold").out == "Nothing was left to fold.\n"


@pytest.mark.parametrize("name", [OTHER, f"data/runs/{OTHER}"])
def test_only_the_named_run_is_folded(
    plotbot: Make, runs_dir: Path, answers: Path, write_run: Make, row: Make, name: str
) -> None:
    write_run(runs_dir, row("a"))
    write_run(runs_dir, row("c"), run_id=OTHER)
    assert plotbot("fold", name).status == 0
    assert [path.stem for path in answers.glob("*.json")] == ["c"]


def test_a_tolerated_answer_is_folded_as_it_was_recovered(
    plotbot: Make, runs_dir: Path, answers: Path, write_run: Make, row: Make
) -> None:
    write_run(runs_dir, row("a", said='```json\n[{"title": "x"}]\n```', category="fenced"))
    assert plotbot("fold").status == 0
    assert '"title": "x"' in (answers / "a.json").read_text()


def test_a_run_that_still_runs_is_said_and_no_failure(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make
) -> None:
    journal = Journal.open(write_run(runs_dir, row("a")).journal, Disk())
    printed = plotbot("fold")
    journal.close()
    assert printed.status == 0
    assert "left alone." in printed.out
    assert "still runs" in printed.out


def test_what_cannot_be_folded_is_named_with_status_1(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make
) -> None:
    write_run(runs_dir, row("a", said="\x1b[2J no JSON"), row("b"))
    (write_run(runs_dir, row("c"), run_id=OTHER).plan).write_bytes(b"{")
    printed = plotbot("fold")
    assert printed.status == 1
    assert "1 answer folded" in printed.out
    assert "case m-a stays in the journal: " in printed.err
    assert f"{OTHER}/plan.json: damaged" in printed.err.replace("\\", "/")


def test_a_damaged_title_file_that_was_moved_aside_is_named(
    plotbot: Make, runs_dir: Path, answers: Path, write_run: Make, row: Make
) -> None:
    answers.mkdir(parents=True)
    (answers / "a.json").write_bytes(b"{")
    write_run(runs_dir, row("a"))
    printed = plotbot("fold")
    assert printed.status == 0
    assert "a.json was damaged" in printed.err


def test_an_unknown_run_is_a_usage_mistake(plotbot: Make, runs_dir: Path, write_run: Make, row: Make) -> None:
    write_run(runs_dir, row("a"))
    printed = plotbot("fold", "20270101-000000-000000")
    assert printed.status == 4
    assert "no run '20270101-000000-000000'; the newest here: 20261122-121501-7f3a01" in printed.err
