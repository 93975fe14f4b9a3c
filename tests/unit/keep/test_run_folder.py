import errno
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plotbot.errors import InputError, KeepError
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import (
    RunFolder,
    check_writable,
    last_run,
    list_runs,
    new_run_id,
    short_id,
    unfinished_folders,
)
from plotbot.safe import is_plain_name
from plotbot.settings import Settings, load_settings

Hooked = Callable[[Callable[[str, tuple[Any, ...]], None]], Disk]
OLDER = "20251122-121501-ffff01"
NOON = datetime(2026, 11, 22, 12, 15, 1, tzinfo=UTC)

RUN_ID = "20261122-121501-7f3a01"


def _denying(hooked: Hooked, call: str) -> Disk:
    def deny(name: str, _: tuple[Any, ...]) -> None:
        if name == call:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    return hooked(deny)


def _run(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "plan.json").touch()


def _settings(runs_dir: Path, root: Path | None = None) -> Settings:
    return load_settings(root or runs_dir, {}, {"RUNS_DIR": str(runs_dir)})


def test_a_run_id_is_a_safe_name_that_sorts_by_time() -> None:
    ids = [new_run_id(lambda n=n: NOON + timedelta(milliseconds=n)) for n in range(2000)]  # type: ignore[misc]
    assert ids == sorted(ids)
    assert ids[0].startswith("20261122-121501-")
    assert all(is_plain_name(run_id) for run_id in ids)


def test_two_runs_of_one_second_have_two_ids() -> None:
    assert len({new_run_id(lambda: NOON) for _ in range(5)}) > 1


def test_a_run_folder_is_made_on_demand_and_never_over_another(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs" / new_run_id())
    assert not run.path.exists()
    run.create({"n": 1}, Disk())
    with pytest.raises(KeepError, match=run.run_id):
        run.create({"n": 2}, Disk())
    assert run.read_json(run.plan, Disk()) == {"n": 1}
    assert {run.plan.name, run.journal.name, run.summary.name} == {"plan.json", "journal.jsonl", "summary.json"}
    assert {run.plan.parent, run.journal.parent, run.summary.parent} == {run.path}


def test_json_is_written_whole_and_durably_and_read_back(tmp_path: Path, hooked: Hooked) -> None:
    calls: list[str] = []
    run = RunFolder(tmp_path)
    run.write_json(run.plan, {"title": "\ud800猫"}, hooked(lambda name, _: calls.append(name)))
    assert calls == ["create", "write", "sync", "close", "replace", "sync_folder"]
    assert run.read_json(run.plan, Disk()) == {"title": "\ud800猫"}
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_a_failed_write_keeps_the_old_file_and_names_it(tmp_path: Path, hooked: Hooked) -> None:
    run = RunFolder(tmp_path)
    run.write_json(run.summary, {"n": 1}, Disk())
    with pytest.raises(KeepError, match=r"summary\.json: Permission denied"):
        run.write_json(run.summary, {"n": 2}, _denying(hooked, "replace"))
    assert json.loads(run.summary.read_bytes()) == {"n": 1}


@pytest.mark.parametrize(
    ("content", "says"), [(None, r"plan\.json: No such file"), (b"{", "damaged"), (b"[" * 100_000, "damaged")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, says: str) -> None:
    run = RunFolder(tmp_path)
    if content is not None:
        run.plan.write_bytes(content)
    with pytest.raises(InputError, match=says):
        run.read_json(run.plan, Disk())


def test_runs_are_listed_oldest_first_and_nothing_else_is(tmp_path: Path) -> None:
    for name in ("20261122-121501-7f3a01", OLDER, "notes", "20261122-121501-zzzzzz"):
        _run(tmp_path / name)
    (tmp_path / "20271122-121501-000001").write_bytes(b"a file")
    assert [run.run_id for run in list_runs(tmp_path)] == [OLDER, "20261122-121501-7f3a01"]
    newest = last_run(tmp_path)
    assert newest is not None
    assert newest.run_id == "20261122-121501-7f3a01"


@pytest.mark.parametrize("folder", ["", "not/yet/there"])
def test_a_writable_folder_is_left_as_it_was(tmp_path: Path, folder: str) -> None:
    check_writable(tmp_path / folder, Disk())
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_named_with_the_reason_and_what_to_do(tmp_path: Path, hooked: Hooked) -> None:
    with pytest.raises(InputError, match=r"x: Permission denied: nothing can be written there; allow it"):
        check_writable(tmp_path / "x", _denying(hooked, "create"))
    with pytest.raises(InputError, match="Permission denied"):
        RunFolder(tmp_path / "run").create({}, _denying(hooked, "make_folder"))


def test_a_file_in_the_folders_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"")
    with pytest.raises(InputError, match=r"generated: .*: nothing can be written"):
        check_writable(tmp_path / "data" / "generated", Disk())


@pytest.mark.parametrize("step", ["create", "write", "sync", "replace", "sync_folder"])
def test_a_folder_appears_with_its_plan_or_not_at_all(tmp_path: Path, hooked: Hooked, step: str) -> None:
    folder = RunFolder(tmp_path / RUN_ID)
    with pytest.raises((KeepError, InputError)):
        folder.create({"run": RUN_ID}, _denying(hooked, step))
    assert list_runs(tmp_path) == ()
    assert not folder.hidden.path.exists()
    folder.create({"run": RUN_ID}, Disk())
    assert [run.run_id for run in list_runs(tmp_path)] == [RUN_ID]


def test_what_a_kill_left_before_the_first_reply_is_no_run_and_is_told_apart(tmp_path: Path) -> None:
    empty = tmp_path / RUN_ID
    hidden = RunFolder(tmp_path / RUN_ID.replace("a", "b")).hidden.path
    for path in (empty, hidden, tmp_path / "other"):
        path.mkdir()
    assert list_runs(tmp_path) == ()
    assert set(unfinished_folders(tmp_path)) == {empty, hidden}
    RunFolder(empty).journal.touch()
    assert unfinished_folders(tmp_path) == (hidden,)


def test_a_short_id_is_that_of_one_run_only() -> None:
    runs = [RunFolder(Path(run_id)) for run_id in (OLDER, "20261122-223000-7f3a01", "20261122-223011-7f3a01")]
    assert [short_id(run.run_id, runs) for run in runs] == ["20251122-1215", "20261122-22300", "20261122-22301"]
