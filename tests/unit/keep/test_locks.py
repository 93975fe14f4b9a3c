import errno
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.errors import KeepError, LockBusyError
from plotbot.keep.filesystem import Disk
from plotbot.keep.locks import SHARDS, TitleLocks, read_stamp

Hooked = Callable[[Callable[[str, tuple[Any, ...]], None]], Disk]


@pytest.fixture
def locks(tmp_path: Path) -> TitleLocks:
    return TitleLocks(tmp_path, Disk(), timeout=0.0, stale_seconds=300.0)


def test_titles_share_a_fixed_number_of_lock_files(locks: TitleLocks) -> None:
    shards = {locks.shard(f"title-{n}") for n in range(2000)}
    assert len(shards) == SHARDS
    assert {shard.parent for shard in shards} == {locks.folder}


def test_a_holder_stamps_its_pid_and_the_file_stays(locks: TitleLocks, tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with locks.hold(path):
        stamp = read_stamp(path, Disk())
    assert stamp is not None
    assert stamp.pid == os.getpid()
    assert path.exists()


def test_a_live_holder_is_never_robbed_however_old_its_stamp(tmp_path: Path) -> None:
    locks = TitleLocks(tmp_path, Disk(), timeout=0.0, stale_seconds=0.0, clock=lambda: 1e12)
    with locks.hold(tmp_path / "a.lock"):
        with pytest.raises(LockBusyError, match=f"held by process {os.getpid()}"), locks.hold(tmp_path / "a.lock"):
            pass
        with pytest.raises(LockBusyError), locks.hold(tmp_path / "a.lock"):
            pass


@pytest.mark.parametrize(("age", "warnings"), [(299.0, 0), (301.0, 1)])
def test_waiting_for_an_old_holder_warns_once_with_its_pid(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, age: float, warnings: int
) -> None:
    path = tmp_path / "a.lock"
    with TitleLocks(tmp_path, Disk()).hold(path):
        stamp = read_stamp(path, Disk())
        assert stamp is not None
        waiting = TitleLocks(tmp_path, Disk(), timeout=0.0, clock=lambda: stamp.at + age)
        with caplog.at_level(logging.WARNING, "plotbot.keep"), pytest.raises(LockBusyError), waiting.hold(path):
            pass
    assert len(caplog.messages) == warnings
    assert all(f"process {os.getpid()}" in message for message in caplog.messages)


def test_a_lock_that_is_released_in_time_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    waiting = threading.Event()
    got = threading.Event()

    def patient() -> bool:
        waiting.set()
        return False

    def wait() -> None:
        with TitleLocks(tmp_path, Disk(), timeout=30.0, poll_interval=0.001).hold(path, give_up=patient):
            got.set()

    thread = threading.Thread(target=wait)
    with TitleLocks(tmp_path, Disk()).hold(path):
        thread.start()
        assert waiting.wait(30)
        assert not got.is_set()
    assert got.wait(30)
    thread.join()


def test_a_caller_that_gives_up_stops_waiting(tmp_path: Path) -> None:
    locks = TitleLocks(tmp_path, Disk(), timeout=3600.0)
    path = tmp_path / "a.lock"
    with locks.hold(path), pytest.raises(LockBusyError), locks.hold(path, give_up=lambda: True):
        pass


def test_an_error_in_the_body_frees_the_lock(locks: TitleLocks, tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with pytest.raises(ZeroDivisionError), locks.hold(path):
        raise ZeroDivisionError
    with locks.hold(path):
        pass


def test_a_stamp_that_cannot_be_written_does_not_cost_the_lock(tmp_path: Path, hooked: Hooked) -> None:
    def full(name: str, _: tuple[Any, ...]) -> None:
        if name == "write_at":
            raise OSError(errno.ENOSPC, "full")

    locks = TitleLocks(tmp_path, hooked(full), timeout=0.0)
    path = tmp_path / "a.lock"
    with locks.hold(path), pytest.raises(LockBusyError, match="another process"), locks.hold(path):
        pass


def test_a_lock_file_that_cannot_be_opened_is_named(locks: TitleLocks, tmp_path: Path) -> None:
    (tmp_path / "a.lock").mkdir()
    with pytest.raises(KeepError, match=r"a\.lock: "), locks.hold(tmp_path / "a.lock"):
        pass


@pytest.mark.parametrize("content", [b"", b"\0" * 80, b"\n{}", b"\n[1]", b'\n{"pid": null, "at": 1}', b"\n\xff"])
def test_a_stamp_that_makes_no_sense_is_no_stamp(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.lock").write_bytes(content)
    assert read_stamp(tmp_path / "a.lock", Disk()) is None
