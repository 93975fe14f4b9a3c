import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Make = Callable[..., Any]


def _kept(plotbot: Make, runs_dir: Path, write_run: Make, *rows: Any) -> None:
    write_run(runs_dir, *rows)
    assert plotbot("fold").status == 0


def test_every_answer_is_a_line_with_its_provenance(plotbot: Make, runs_dir: Path, write_run: Make, row: Make) -> None:
    _kept(plotbot, runs_dir, write_run, row("b"), row("a", model="z"), row("a"))
    printed = plotbot("export")
    assert (printed.status, printed.err) == (0, "")
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert [(line["title_id"], line["model"]) for line in lines] == [("a", "m"), ("a", "z"), ("b", "m")]
    assert lines[0] == {
        "title_id": "a",
        "title": "About a",
        "model": "m",
        "prompt_hash": "9f2c41d0ab37",
        "run": "20261122-121501-7f3a01",
        "case": "m-a",
        "at": "2026-11-22T12:15:02+00:00",
        "fingerprint": {},
        "params": {"temperature": 0.7},
        "response": [{"title": "A seed"}],
    }


def test_a_file_holds_the_same_lines_as_the_terminal(
    plotbot: Make, project: Path, runs_dir: Path, write_run: Make, row: Make
) -> None:
    _kept(plotbot, runs_dir, write_run, row("a", said='["猫\\u2028\\u0000\\n"]'), row("b"))
    target = project / "out.jsonl"
    assert plotbot("export", "--output", str(target)).out == f"2 answers in {target}\n"
    assert target.read_text(encoding="utf-8") == plotbot("export").out
    assert target.read_bytes().isascii()


def test_damaged_files_are_named_and_the_others_are_exported(
    plotbot: Make, runs_dir: Path, answers: Path, write_run: Make, row: Make
) -> None:
    _kept(plotbot, runs_dir, write_run, row("a"), row("b"), row("c"))
    (answers / "a.json").write_bytes(b"{")
    document = json.loads((answers / "b.json").read_bytes())
    document["llm_models"]["\x1b[2Jz"] = {"hash": None}
    (answers / "b.json").write_text(json.dumps(document))
    printed = plotbot("export")
    assert printed.status == 1
    assert [json.loads(line)["title_id"] for line in printed.out.splitlines()] == ["b", "c"]
    assert "a.json: damaged, no JSON" in printed.err
    assert "b.json: no answer where one of \\x1b[2Jz should be" in printed.err


def test_a_file_that_cannot_be_written_is_named_and_nothing_is_left(plotbot: Make, project: Path) -> None:
    printed = plotbot("export", "--output", str(project / "none" / "out.jsonl"))
    assert printed.status == 3
    assert "out.jsonl: No such file or directory" in printed.err
    assert [path.name for path in project.iterdir()] == ["pytest.ini"]


def test_no_answers_are_no_lines(plotbot: Make) -> None:
    printed = plotbot("export")
    assert (printed.status, printed.out, printed.err) == (0, "", "")
