"""Lines that need no flush: the caller's thread writes them, unless other lines are queued before them."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.errors import KeepError
from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import Journal
from plotbot.keep.journal_reading import read_journal, read_line_at

Hooked = Callable[[Callable[[str, tuple[Any, ...]], None]], Disk]
WAIT = 30


class CutShort(Disk):
    """Of the line with number 1 it gets half out; then *error* comes, the first time."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._errors = [error]

    def write(self, fd: int, data: bytes) -> None:
        if b'"n":1' in data and self._errors:
            os.write(fd, data[: len(data) // 2])
            raise self._errors.pop()
        super().write(fd, data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def _numbers(path: Path) -> list[int]:
    return [line.data["n"] for line in read_journal(path).lines]


def test_a_line_that_need_not_be_flushed_is_written_when_append_returns(path: Path) -> None:
    journal = Journal.open(path, Disk())
    offsets = [journal.append("verdict", {"n": n}, durable=False).result(0) for n in range(3)]
    assert [read_line_at(path, offset).data["n"] for offset in offsets] == [0, 1, 2]
    journal.close(WAIT)


def test_it_does_not_overtake_a_line_that_is_being_flushed(path: Path, hooked: Hooked) -> None:
    entered, opened = threading.Event(), threading.Event()

    def hold(name: str, _: tuple[Any, ...]) -> None:
        if name == "sync" and threading.current_thread().name == "plotbot-journal":
            entered.set()
            assert opened.wait(WAIT)

    journal = Journal.open(path, hooked(hold))
    journal.append("exchange", {"n": 0})
    assert entered.wait(WAIT)
    behind = journal.append("verdict", {"n": 1}, durable=False)
    assert not behind.done()
    opened.set()
    behind.result(WAIT)
    journal.close(WAIT)
    assert _numbers(path) == [0, 1]


def test_an_interrupt_in_the_middle_of_a_line_costs_neither_it_nor_the_next(path: Path) -> None:
    journal = Journal.open(path, CutShort(KeyboardInterrupt()))
    journal.append("verdict", {"n": 0}, durable=False).result(0)
    with pytest.raises(KeyboardInterrupt):
        journal.append("verdict", {"n": 1}, durable=False)
    offset = journal.append("exchange", {"n": 2}).result(WAIT)
    journal.close(WAIT)
    assert _numbers(path) == [0, 1, 2]
    assert read_journal(path).damaged == ()
    assert read_line_at(path, offset).data["n"] == 2


def test_a_line_that_the_disk_refuses_leaves_no_trace(path: Path) -> None:
    journal = Journal.open(path, CutShort(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
    journal.append("verdict", {"n": 0}, durable=False).result(0)
    with pytest.raises(KeepError, match="No space left"):
        journal.append("verdict", {"n": 1}, durable=False).result(0)
    offset = journal.append("verdict", {"n": 2}, durable=False).result(0)
    journal.close(WAIT)
    assert _numbers(path) == [0, 2]
    assert read_line_at(path, offset).data["n"] == 2
