import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.errors import InputError
from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import Journal
from plotbot.keep.run_folder import RunFolder
from plotbot.keep.run_reading import is_running, read_run

WriteRun = Callable[..., RunFolder]
MakeRow = Callable[..., Any]


def _append(run: RunFolder, *records: tuple[str, Any]) -> None:
    journal = Journal.open(run.journal, Disk())
    for kind, data in records:
        journal.append(kind, data, durable=False)
    journal.close()


def test_a_run_is_read_back_whole(tmp_path: Path, write_run: WriteRun, row: MakeRow) -> None:
    rows = [row("a", folded=True), row("b", outcome="failed", category="schema"), row("c", asked=False, outcome=None)]
    run = read_run(write_run(tmp_path, *rows), Disk())
    assert [item.item for item in run.items] == [one.item for one in rows]
    assert run.cases == {one.case.id: one.case for one in rows}
    assert [question.prompt for question in run.questions.values()] == ["Write."]
    assert {item: result.outcome for item, result in run.results.items()} == {
        rows[0].item: "passed",
        rows[1].item: "failed",
    }
    assert run.folded == {"m-a"}
    assert run.damaged == ()
    assert run.exchange("m-a") == rows[0].exchange()
    assert run.exchange("m-c") is None
    assert run.header["sample_seed"] == 7


@pytest.mark.parametrize("cases", ["m-a", ["gone", "m-b"], [["m-b"]], 7, None])
def test_a_strange_record_of_a_swapped_model_names_no_case_that_the_plan_has_not(
    tmp_path: Path, write_run: WriteRun, row: MakeRow, cases: Any
) -> None:
    folder = write_run(tmp_path, row("a", folded=True), row("b", folded=True))
    _append(folder, ("wrong_model", {"why": "another", "cases": cases}))
    run = read_run(folder, Disk())
    assert run.suspect == ({"m-b"} if cases == ["gone", "m-b"] else set())
    assert run.folded == {"m-a", "m-b"} - run.suspect


def test_records_hold_no_texts(tmp_path: Path, write_run: WriteRun, row: MakeRow) -> None:
    records = read_run(write_run(tmp_path, row("a"), row("b", said=None)), Disk()).records()
    reply = records.exchanges["m-a"].reply
    assert reply is not None
    assert (reply.content, reply.details, records.exchanges["m-a"].seconds) == ("", {}, 0.5)
    assert records.exchanges["m-b"].fault is not None
    assert records.run == "20261122-121501-7f3a01"


def test_the_last_result_of_an_item_counts(tmp_path: Path, write_run: WriteRun, row: MakeRow) -> None:
    folder = write_run(tmp_path, row("a", said=None, outcome="error", category="timeout"))
    _append(folder, *row("a").records())
    run = read_run(folder, Disk())
    assert run.results[row("a").item].outcome == "passed"
    assert run.exchange("m-a") == row("a").exchange()
    assert list(run.replied) == ["m-a"]


def test_a_later_fault_does_not_supersede_a_reply(tmp_path: Path, write_run: WriteRun, row: MakeRow) -> None:
    folder = write_run(tmp_path, row("a", said="first"))
    _append(folder, *row("a", said="second", outcome=None).records(), *row("a", said=None, outcome=None).records())
    (exchange,) = read_run(folder, Disk()).exchanges()
    assert exchange.reply is not None
    assert exchange.reply.content == "second"


def test_exchanges_come_in_the_order_of_the_journal(tmp_path: Path, write_run: WriteRun, row: MakeRow) -> None:
    folder = write_run(tmp_path, row("a", said=None, outcome=None), row("b"))
    _append(folder, *row("a").records())
    assert [exchange.case for exchange in read_run(folder, Disk()).exchanges()] == ["m-b", "m-a"]


def test_damaged_lines_are_named_by_number_and_the_rest_is_used(
    tmp_path: Path, write_run: WriteRun, row: MakeRow
) -> None:
    folder = write_run(tmp_path, row("a"), row("b"))
    lines = folder.journal.read_bytes().splitlines(keepends=True)
    stray = row("z").exchange().to_json()
    bad = [
        b"\0" * 20 + b"\n",
        json.dumps({"v": 1, "kind": "exchange", "data": {"case": "m-a"}}).encode() + b"\n",
        json.dumps({"v": 1, "kind": "exchange", "data": stray}).encode() + b"\n",
        json.dumps({"v": 1, "kind": "folded", "data": {"cases": 5}}).encode() + b"\n",
        json.dumps({"v": 1, "kind": "of a later version", "data": {}}).encode() + b"\n",
    ]
    folder.journal.write_bytes(b"".join([lines[0], bad[0], *bad[1:], lines[1], lines[2], lines[3][:-9]]))
    run = read_run(folder, Disk())
    assert [damaged.line_number for damaged in run.damaged] == [2, 3, 4, 5, 9]
    reasons = [damaged.reason for damaged in run.damaged]
    assert reasons[0] == "zero-filled"
    assert "KeyError" in reasons[1]
    assert "'m-z' is not in the plan" in reasons[2]
    assert reasons[3].startswith("not folded as it should be")
    assert reasons[4] == "cut short by a crash"
    assert set(run.offsets) == {"m-a", "m-b"}
    assert set(run.results) == {row("a").item}


def test_a_run_that_died_before_its_first_line_is_empty(tmp_path: Path, write_run: WriteRun, row: MakeRow) -> None:
    folder = write_run(tmp_path, row("a"))
    folder.journal.unlink()
    run = read_run(folder, Disk())
    assert (run.results, run.offsets, len(run.items)) == ({}, {}, 1)


@pytest.mark.parametrize("content", [None, b"{", b"[]", b'{"header": {}}', b'{"header": 5, "questions": []}'])
def test_a_plan_that_cannot_be_used_is_named_with_the_next_step(
    tmp_path: Path, write_run: WriteRun, row: MakeRow, content: bytes | None
) -> None:
    folder = write_run(tmp_path, row("a"))
    folder.plan.unlink()
    if content is not None:
        folder.plan.write_bytes(content)
    with pytest.raises(InputError, match=r"plan\.json.*plotbot runs"):
        read_run(folder, Disk())


def test_a_run_is_running_while_a_process_holds_its_journal(tmp_path: Path, write_run: WriteRun, row: MakeRow) -> None:
    folder = write_run(tmp_path, row("a"))
    assert not is_running(folder)
    journal = Journal.open(folder.journal, Disk())
    assert is_running(folder)
    journal.close()
    assert not is_running(folder)


def test_looking_whether_a_run_is_running_makes_no_file(tmp_path: Path) -> None:
    (tmp_path / "20261122-121501-7f3a01").mkdir()
    assert not is_running(RunFolder(tmp_path / "20261122-121501-7f3a01"))
    assert list((tmp_path / "20261122-121501-7f3a01").iterdir()) == []


def test_the_formats_of_a_run_from_before_there_were_variants_are_its_variants(
    write_run: WriteRun, row: MakeRow, tmp_path: Path
) -> None:
    folder = write_run(tmp_path, row("a"), row("b"))
    plan = json.loads(folder.plan.read_bytes())
    assert all("variant" not in case for case in plan["cases"])
    plan["cases"][1]["response_format"] = "json_schema"
    folder.plan.write_text(json.dumps(plan), encoding="ascii")
    assert [case.variant for case in read_run(folder, Disk()).cases.values()] == ["free", "json"]


def test_fields_of_a_title_are_read_where_they_are_and_where_their_place_is(
    write_run: WriteRun, row: MakeRow, tmp_path: Path
) -> None:
    """Plans of version 0.1 repeat the fields of a title in each of its cases."""
    folder = write_run(tmp_path, row("a"), row("b"), row("c"))
    plan = json.loads(folder.plan.read_bytes())
    for case, fields in zip(plan["cases"], ({"kind": "old"}, 1, 0), strict=True):
        case["title"]["fields"] = fields
    plan["fields"] = [{"kind": "first"}, {"kind": "second"}]
    folder.plan.write_text(json.dumps(plan), encoding="ascii")
    kinds = [case.title.fields["kind"] for case in read_run(folder, Disk()).cases.values()]
    assert kinds == ["old", "second", "first"]
    for place in (2, -1):
        plan["cases"][1]["title"]["fields"] = place
        folder.plan.write_text(json.dumps(plan), encoding="ascii")
        with pytest.raises(InputError, match=rf"plan.json: damaged.*its fields have no place {place}"):
            read_run(folder, Disk())
