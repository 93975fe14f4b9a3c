import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.errors import KeepError
from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import Journal
from plotbot.keep.run_folder import RunFolder
from plotbot.keep.run_reading import read_run
from plotbot.run.recovery import Recovered, kept_answers, recover_run
from plotbot.settings import load_settings

WriteRun = Callable[..., RunFolder]
MakeRow = Callable[..., Any]


@pytest.fixture
def recover(tmp_path: Path) -> Callable[[RunFolder], Recovered]:
    settings = load_settings(tmp_path, {}, {"FILE_LOCK_TIMEOUT": "0.001"})
    return lambda folder: recover_run(read_run(folder, Disk()), settings)


def _kept(tmp_path: Path, title: str) -> Any:
    document = json.loads((tmp_path / "data" / "generated_data" / f"{title}.json").read_bytes())
    return document["llm_models"]["m"]["9f2c41d0ab37"]


def _lines(folder: RunFolder, kind: str) -> list[Any]:
    records = map(json.loads, folder.journal.read_bytes().splitlines())
    return [record["data"] for record in records if record["kind"] == kind]


def test_what_an_eval_kept_and_no_run_folded_is_folded_once(
    tmp_path: Path, write_run: WriteRun, row: MakeRow, recover: Callable[[RunFolder], Recovered]
) -> None:
    rows = [
        row("a"),
        row("b", folded=True),
        row("c", outcome="failed", category="schema"),
        row("d", kept=False),
        row("e", outcome=None),
        row("f", said=None, outcome="error", category="timeout"),
    ]
    folder = write_run(tmp_path, *rows)
    assert recover(folder) == Recovered(folded=1)
    assert [path.name for path in (tmp_path / "data" / "generated_data").glob("*.json")] == ["a.json"]
    assert _kept(tmp_path, "a")["response"] == [{"title": "A seed"}]
    assert _kept(tmp_path, "a")["meta"] == {
        "run": folder.run_id,
        "case": "m-a",
        "at": "2026-11-22T12:15:02+00:00",
        "fingerprint": {},
        "params": {"temperature": 0.7},
    }
    assert _lines(folder, "folded") == [{"cases": ["m-b"]}, {"cases": ["m-a"]}]
    before = folder.journal.read_bytes()
    assert recover(folder) == Recovered()
    assert folder.journal.read_bytes() == before


def test_more_answers_than_fit_in_memory_at_a_time_are_all_folded(
    tmp_path: Path, write_run: WriteRun, row: MakeRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plotbot.run.recovery._AT_ONCE", 3)
    folder = write_run(tmp_path, *(row(f"t{number}") for number in range(7)))
    settings = load_settings(tmp_path, {}, {})
    assert recover_run(read_run(folder, Disk()), settings).folded == 7
    assert [len(line["cases"]) for line in _lines(folder, "folded")] == [3, 3, 1]


def test_a_title_file_deleted_after_folding_stays_deleted(
    tmp_path: Path, write_run: WriteRun, row: MakeRow, recover: Callable[[RunFolder], Recovered]
) -> None:
    folder = write_run(tmp_path, row("a"))
    recover(folder)
    (tmp_path / "data" / "generated_data" / "a.json").unlink()
    assert recover(folder) == Recovered()
    assert not (tmp_path / "data" / "generated_data" / "a.json").exists()


def test_a_run_that_still_runs_is_left_alone(
    tmp_path: Path, write_run: WriteRun, row: MakeRow, recover: Callable[[RunFolder], Recovered]
) -> None:
    folder = write_run(tmp_path, row("a"))
    journal = Journal.open(folder.journal, Disk())
    outcome = recover(folder)
    journal.close()
    assert "still runs (process " in outcome.running
    assert outcome.folded == 0
    assert not (tmp_path / "data" / "generated_data").exists()


def test_an_answer_whose_reply_is_gone_is_named_and_the_others_are_folded(
    tmp_path: Path, write_run: WriteRun, row: MakeRow, recover: Callable[[RunFolder], Recovered]
) -> None:
    folder = write_run(tmp_path, row("a"), row("b", said="no JSON any more"), row("c"))
    lines = folder.journal.read_bytes().splitlines(keepends=True)
    folder.journal.write_bytes(b"".join([b"\0\n", *lines[1:]]))
    outcome = recover(folder)
    assert outcome.folded == 1
    assert "is not there any more" in outcome.unfolded["m-a"]
    assert "Expecting value" in outcome.unfolded["m-b"]


def test_a_title_file_that_refuses_it_leaves_the_answer_in_the_journal(
    tmp_path: Path, write_run: WriteRun, row: MakeRow, recover: Callable[[RunFolder], Recovered]
) -> None:
    foreign = tmp_path / "data" / "generated_data" / "a.json"
    foreign.parent.mkdir(parents=True)
    foreign.write_text('{"title_id": "other", "title": "", "llm_models": {}}')
    folder = write_run(tmp_path, row("a"))
    outcome = recover(folder)
    assert "two titles claim this file" in outcome.unfolded["m-a"]
    foreign.unlink()
    assert recover(folder) == Recovered(folded=1)


def test_a_damaged_title_file_is_moved_aside_and_named(
    tmp_path: Path, write_run: WriteRun, row: MakeRow, recover: Callable[[RunFolder], Recovered]
) -> None:
    damaged = tmp_path / "data" / "generated_data" / "a.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"{")
    outcome = recover(write_run(tmp_path, row("a")))
    assert [moved.path for moved in outcome.damaged] == [damaged]
    assert _kept(tmp_path, "a")["response"] == [{"title": "A seed"}]


def test_a_torn_last_line_does_not_swallow_the_folded_line_after_it(
    tmp_path: Path, write_run: WriteRun, row: MakeRow, recover: Callable[[RunFolder], Recovered]
) -> None:
    folder = write_run(tmp_path, row("a"))
    with folder.journal.open("ab") as journal:
        journal.write(b'{"v":1,"kind":"exch')
    assert recover(folder) == Recovered(folded=1)
    assert read_run(folder, Disk()).folded == {"m-a"}


def test_answers_come_one_at_a_time(tmp_path: Path, write_run: WriteRun, row: MakeRow) -> None:
    run = read_run(write_run(tmp_path, row("a"), row("b", said="{")), Disk())
    answers = kept_answers(run)
    assert next(answers).title.id == "a"
    assert list(answers) == []


def test_a_journal_that_cannot_be_written_is_named(
    tmp_path: Path, write_run: WriteRun, row: MakeRow, hooked: Callable[..., Disk]
) -> None:
    def refuse(call: str, _arguments: tuple[Any, ...]) -> None:
        if call == "open_append":
            raise PermissionError(13, "Permission denied")

    folder = write_run(tmp_path, row("a"))
    settings = load_settings(tmp_path, {}, {})
    with pytest.raises(KeepError, match=r"journal\.jsonl: Permission denied"):
        recover_run(read_run(folder, hooked(refuse)), settings)
