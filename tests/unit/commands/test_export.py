import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.commands import main

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
        "fields": {},
        "model": "m",
        "prompt_hash": "9f2c41d0ab37",
        "variant": None,
        "response_format": "none",
        "repeat": 1,
        "eval": "evals/test_story_seeds.py::test_story_seed[*]",
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


def test_a_model_a_run_an_eval_and_a_prompt_hash_choose_the_answers(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make
) -> None:
    write_run(runs_dir, row("a"), row("a", model="z"))
    write_run(runs_dir, row("b"), run_id="20261122-121502-7f3a02")
    assert plotbot("fold").status == 0

    def chosen(*options: str) -> list[tuple[str, str]]:
        lines = plotbot("export", *options).out.splitlines()
        return [(line["title_id"], line["model"]) for line in map(json.loads, lines)]

    assert chosen("--model", "z") == [("a", "z")]
    assert chosen("--model", "z,m", "--run", "last") == [("b", "m")]
    assert chosen("--eval", "test_story") == [("a", "m"), ("a", "z"), ("b", "m")]
    assert chosen("--prompt-hash", "9f2c") == chosen()


@pytest.mark.parametrize(
    ("option", "named", "known"),
    [("--model", "mm", "m"), ("--eval", "test_haiku", "evals/test_story"), ("--prompt-hash", "0", "9f2c")],
)
def test_what_no_answer_has_is_refused_with_what_the_answers_have(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make, option: str, named: str, known: str
) -> None:
    _kept(plotbot, runs_dir, write_run, row("a"))
    printed = plotbot("export", option, named)
    assert (printed.status, printed.out) == (4, "")
    assert f"{option} {named}: there is no answer of it, but of {known}" in printed.err


def test_all_answers_are_those_of_the_journals_also_where_a_later_run_has_replaced_them(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make
) -> None:
    write_run(runs_dir, row("a", said='["first"]'))
    write_run(runs_dir, row("a", said='["second"]', at="2026-11-23T00:00:00+00:00"), run_id="20261123-000000-000001")
    assert plotbot("fold").status == 0
    latest = [json.loads(line)["response"] for line in plotbot("export").out.splitlines()]
    every = [json.loads(line)["response"] for line in plotbot("export", "--all").out.splitlines()]
    assert (latest, every) == ([["second"]], [["first"], ["second"]])


def test_an_answer_that_two_evals_have_kept_is_one_line_with_both(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make
) -> None:
    _kept(plotbot, runs_dir, write_run, row("a"), row("a", test="test_tone"), row("b"))
    [line] = map(json.loads, plotbot("export", "--eval", "test_tone").out.splitlines())
    assert [line["title_id"], *line["eval"].split(", ")] == [
        "a", "evals/test_story_seeds.py::test_story_seed[*]", "evals/test_story_seeds.py::test_tone[*]",
    ]  # fmt: skip
    for option in ((), ("--all",)):
        lines = plotbot("export", *option, "--eval", "test_story_seed[", "--model", " m ,m").out.splitlines()
        assert [json.loads(line)["title_id"] for line in lines] == ["a", "b"]


def test_all_answers_are_each_there_once_where_another_run_has_copied_them(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make
) -> None:
    first, again = row("a"), row("a", at="2026-11-23T00:00:00+00:00")
    for run, rows in (("01", [first]), ("02", [again]), ("03", [first, again, row("b")])):
        write_run(runs_dir, *rows, run_id=f"20261123-000000-0000{run}")
    lines = [json.loads(line) for line in plotbot("export", "--all").out.splitlines()]
    assert [(line["title_id"], line["run"][-2:]) for line in lines] == [("a", "01"), ("a", "02"), ("b", "03")]
    assert len(plotbot("export", "--all", "--run", "last").out.splitlines()) == 2


def test_answers_whose_run_is_gone_are_exported_without_what_only_the_run_knew(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make
) -> None:
    _kept(plotbot, runs_dir, write_run, row("a"))
    shutil.rmtree(runs_dir)
    [line] = map(json.loads, plotbot("export").out.splitlines())
    assert (line["eval"], line["repeat"], line["run"]) == (None, None, "20261122-121501-7f3a01")


def test_csv_has_a_header_and_no_cell_that_a_spreadsheet_would_run(
    plotbot: Make, runs_dir: Path, write_run: Make, row: Make
) -> None:
    _kept(plotbot, runs_dir, write_run, row("=cmd|' /C calc'!A0", said='[{"title": "a, \\"b\\""}]'))
    [found] = csv.DictReader(io.StringIO(plotbot("export", "--format", "csv").out))
    assert found["title_id"] == "'=cmd|' /C calc'!A0"
    assert json.loads(found["response"]) == [{"title": 'a, "b"'}]
    assert found["repeat"] == "1"


def test_a_setting_that_a_command_would_ignore_is_refused_by_name(plotbot: Make) -> None:
    for argv in (("export", "--temperature", "0"), ("runs", "--model", "m"), ("verify", "--tolerate", "fenced")):
        printed = plotbot(*argv)
        assert (printed.status, printed.out) == (4, "")
        assert f"plotbot {argv[0]} does not use {argv[1]}" in printed.err


def test_help_shows_the_settings_that_a_command_uses_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "-h"])
    shown = capsys.readouterr().out
    assert "--generated-dir" in shown
    assert "--top-k" not in shown
