import errno
import json
import shutil
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plotbot.errors import InputError, KeepError
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder
from plotbot.keep.run_reading import read_run
from plotbot.records import ItemResult
from plotbot.run.merge import write_merged

NEW = "20261124-000000-000000"
SECOND = "20261123-000000-000000"
WriteRun = Callable[..., RunFolder]
MakeRow = Callable[..., Any]
Merge = Callable[..., RunFolder]


def same(result: ItemResult) -> ItemResult:
    return result


@pytest.fixture
def merge(tmp_path: Path) -> Merge:
    def merged(
        *folders: RunFolder, disk: Disk | None = None, renamed: Callable[[ItemResult], ItemResult] = same
    ) -> RunFolder:
        plans = [json.loads(folder.plan.read_bytes()) for folder in folders]
        plan = {**plans[0], "run": NEW} | {
            name: [one for plan in plans for one in plan[name]] for name in ("cases", "items")
        }
        new = RunFolder(tmp_path / NEW)
        write_merged(new, plan, [read_run(folder, Disk()) for folder in folders], renamed, disk or Disk())
        return new

    return merged


def lines(folder: RunFolder, kind: str) -> list[Any]:
    records = map(json.loads, folder.journal.read_bytes().splitlines())
    return [record["data"] for record in records if record["kind"] == kind]


def test_every_exchange_and_the_last_word_on_every_item_are_there(
    tmp_path: Path, write_run: WriteRun, row: MakeRow, merge: Merge
) -> None:
    rows = [row("a"), row("b", said=None, outcome="error", category="timeout"), row("c", asked=False, outcome=None)]
    first = write_run(tmp_path, *rows)
    second = write_run(tmp_path, row("d", outcome="failed", category="schema", said="\ud800\0"), run_id=SECOND)
    new = merge(first, second)
    run = read_run(new, Disk())
    assert lines(new, "exchange") == [*lines(first, "exchange"), *lines(second, "exchange")]
    assert {result.case: result.outcome for result in run.results.values()} == {
        "m-a": "passed", "m-b": "error", "m-d": "failed"
    }  # fmt: skip
    assert run.replied == {"m-a", "m-d"}
    assert not run.damaged
    kept = run.exchange("m-d")
    assert kept is not None
    assert kept.reply is not None
    assert kept.reply.content == "\ud800\0"


def test_all_attempts_at_a_case_are_carried_over(
    tmp_path: Path, write_run: WriteRun, row: MakeRow, merge: Merge
) -> None:
    again = [row("a", said=None, outcome="error", category="timeout"), row("a", at="2026-11-22T13:00:00+00:00")]
    first = write_run(tmp_path, *again)
    new = merge(first)
    assert [bool(exchange["reply"]) for exchange in lines(new, "exchange")] == [False, True]
    assert [result["outcome"] for result in lines(new, "verdict")] == ["passed"]


def test_what_was_folded_elsewhere_is_to_be_folded_here(
    tmp_path: Path, write_run: WriteRun, row: MakeRow, merge: Merge
) -> None:
    new = merge(write_run(tmp_path, row("a", folded=True)))
    assert read_run(new, Disk()).folded == frozenset()


def test_results_are_written_under_their_new_names(
    tmp_path: Path, write_run: WriteRun, row: MakeRow, merge: Merge
) -> None:
    new = merge(write_run(tmp_path, row("a")), renamed=lambda result: replace(result, item="new"))
    assert [result["item"] for result in lines(new, "verdict")] == ["new"]


@pytest.mark.parametrize("damage", [b"\0\n", b'{"v":1,"kind":"exchange","at":"","data":{"case":"m-a"}}\n'])
def test_a_verdict_on_a_reply_that_is_lost_is_left_out(
    tmp_path: Path, write_run: WriteRun, row: MakeRow, merge: Merge, damage: bytes
) -> None:
    first = write_run(tmp_path, row("a"), row("b"), row("c", said=None, outcome="error", category="timeout"))
    intact = first.journal.read_bytes().splitlines(keepends=True)
    first.journal.write_bytes(b"".join([damage, *intact[1:]]))
    run = read_run(merge(first), Disk())
    assert {result.case for result in run.results.values()} == {"m-b", "m-c"}
    assert run.damaged == ()


def test_a_part_that_died_before_its_first_line_adds_its_plan_alone(
    tmp_path: Path, write_run: WriteRun, row: MakeRow, merge: Merge
) -> None:
    first = write_run(tmp_path, row("a"), row("b"))
    first.journal.unlink()
    run = read_run(merge(first), Disk())
    assert (len(run.items), dict(run.results), dict(run.offsets)) == (2, {}, {})


def test_a_call_that_fails_leaves_nothing(
    tmp_path: Path, write_run: WriteRun, row: MakeRow, merge: Merge, hooked: Callable[..., Disk]
) -> None:
    source = write_run(tmp_path, row("a"), row("b"))
    calls: list[str] = []
    merge(source, disk=hooked(lambda name, _: calls.append(name)))
    shutil.rmtree(tmp_path / NEW)
    refused = 0
    for fatal in range(len(calls)):
        calls.clear()

        def fail(name: str, _: object, fatal: int = fatal) -> None:
            calls.append(name)
            if len(calls) == fatal + 1:
                raise OSError(errno.ENOSPC, "No space left on device")

        with suppress(InputError, KeepError):
            merge(source, disk=hooked(fail))
            shutil.rmtree(tmp_path / NEW)
            continue
        refused += 1
        assert [path.name for path in tmp_path.iterdir()] == [source.run_id], calls[-1]
    assert refused > 10


def test_many_long_replies_are_never_in_memory_together(
    tmp_path: Path, write_run: WriteRun, row: MakeRow, merge: Merge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plotbot.run.merge._AT_ONCE", 5)
    source = write_run(tmp_path, *(row(f"t{number}", said="x" * 65_536) for number in range(60)))
    tracemalloc.start()
    try:
        merge(source)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert source.journal.stat().st_size > 3_900_000
    assert peak < 2_600_000
