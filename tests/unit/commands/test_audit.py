from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.auditing import compare, plant, write_dataset

Make = Callable[..., Any]
SEED = '[{"title": "About %s", "core_event": "The goose waits on the frozen pond until %s signs it away", "tone": "x"}]'
HOSTILE = "\x1b[2J\u202e<script>"


def test_planted_copies_are_found_and_others_are_not(plotbot: Make, project: Path) -> None:
    planted = plant(600, random.Random(3))
    (project / "pytest.ini").unlink()
    write_dataset(planted, project)
    output = project / "audit.json"
    printed = plotbot("audit", "--output", str(output))
    found = compare(planted, json.loads(output.read_bytes()))
    assert (printed.status, found.exact, found.false) == (0, 1.0, 0.0)
    assert found.near >= 0.95
    assert "30 exact copies" in printed.out


def test_a_run_is_audited_into_its_folder(plotbot: Make, runs_dir: Path, write_run: Make, row: Make) -> None:
    rows = [row(one, said=SEED % (one, "the mayor")) for one in "abcg"] + [
        row("d", said=SEED % ("d", json.dumps(HOSTILE)[1:-1]))
    ]
    folder = write_run(runs_dir, *rows, row("e", outcome="failed", category="schema"))
    printed = plotbot("audit", "last")
    assert (printed.status, printed.err) == (0, "")
    assert printed.out.splitlines()[1].split() == ["m", "5", "1", "20.0%", "3", "1", "0"]
    assert "'m': 'core_event' hardly varies: 'The goose waits" in printed.out
    assert "\x1b" not in printed.out
    written = json.loads((folder.path / "audit.json").read_bytes())
    assert written["of"] == folder.run_id
    assert [copy["kind"] for copy in written["copies"]] == ["exact", "exact", "exact", "near"]
    assert written["copies"][0]["second"] == {"title_id": "b", "model": "m", "case": "m-b"}


def test_the_headline_is_no_copy_and_alike_titles_are_named(
    plotbot: Make, project: Path, runs_dir: Path, write_run: Make, row: Make
) -> None:
    titles = {
        "1": "Goose sues town over pond",
        "2": "Goose sues town, over pond!",
        "3": "Goose sues the town over pond",
    }
    (project / "data").mkdir()
    (project / "data" / "titles_index.json").write_text(json.dumps(titles), encoding="ascii")
    printed = plotbot("audit")
    assert printed.out.splitlines() == [
        "no stories to audit",
        "1 title there already, of 3:",
        "  2 Goose sues town, over pond! as 1 Goose sues town over pond",
        "1 title nearly like another, of 3:",
        "  3 Goose sues the town over pond as 1 Goose sues town over pond, 83.3% in common",
    ]


def test_a_damaged_title_file_is_named(plotbot: Make, answers: Path, project: Path) -> None:
    answers.mkdir(parents=True)
    (answers / "a.json").write_bytes(b"{")
    printed = plotbot("audit")
    assert printed.status == 1
    assert "a.json: damaged" in printed.err


def test_the_page_of_the_run_shows_the_audit_and_a_damaged_one_is_named(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make
) -> None:
    folder = write_run(runs_dir, *(row(one, said=SEED % (one, "the mayor")) for one in "abcde"))
    assert "in the run's page, too" in plotbot("audit", "last").out
    page = (folder.path / "index.html").read_text(encoding="utf-8")
    index = json.loads(page.partition('id="index">')[2].partition("</script>")[0])
    assert index["audits"][0]["rows"] == [["m", "5", "1", "20.0%", "4", "0", "0"]]
    (folder.path / "audit.json").write_text('{"models": [{"model": 3}]}')
    assert "audit.json: damaged" in plotbot("report", "last").err


def test_the_last_run_is_the_last_that_judged_nothing_itself(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make
) -> None:
    subjects = write_run(runs_dir, *(row(one, said=SEED % (one, one)) for one in "ab"))
    files = {"prompt": "p", "schema": "s", "titles": str(subjects.path)}
    write_run(runs_dir, row("j"), run_id="20991122-121501-7f3a01", evals=[{"files": files, "hashes": ["9f2c41d0ab37"]}])
    assert plotbot("audit", "last").status == 0
    assert json.loads((subjects.path / "audit.json").read_bytes())["of"] == subjects.run_id
