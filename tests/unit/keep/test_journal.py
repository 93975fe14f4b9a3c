import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import plotbot
from plotbot.errors import DiskError, InputError, KeepError
from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import Journal
from plotbot.keep.journal_reading import read_journal, read_line_at

Hooked = Callable[[Callable[[str, tuple[Any, ...]], None]], Disk]
WAIT = 30
# The journal, and its lock.
CLOSED = ["close", "close"]
# Where a child process finds the package, installed or not.
ROOT = Path(plotbot.__file__).parents[1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@contextmanager
def _open(path: Path, disk: Disk | None = None) -> Iterator[Journal]:
    journal = Journal.open(path, disk or Disk())
    try:
        yield journal
    finally:
        journal.close(WAIT)


def _written(path: Path, count: int = 3) -> bytes:
    with _open(path) as journal:
        for n in range(count):
            journal.append("exchange", {"n": n}).result(WAIT)
    return path.read_bytes()


def _numbers(path: Path) -> list[int]:
    return [line.data["n"] for line in read_journal(path).lines]


class Gate:
    """Holds the journal's thread inside its first flush until it is opened, and counts flushes and writes."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.entered, self.opened = threading.Event(), threading.Event()
        self.fail_sync_number = 0

    def __call__(self, name: str, _: tuple[Any, ...]) -> None:
        if threading.current_thread().name != "plotbot-journal":
            return
        self.calls.append(name)
        if name == "sync" and not self.entered.is_set():
            self.entered.set()
            assert self.opened.wait(WAIT)
        if name == "sync" and self.calls.count("sync") == self.fail_sync_number:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


def _three_groups(journal: Journal, gate: Gate) -> list[Future[int]]:
    """One line in the first group, ten in the second; then, once those are settled, one more in a third."""
    futures = [journal.append("exchange", {"n": 0})]
    assert gate.entered.wait(WAIT)
    futures += [journal.append("exchange", {"n": n}) for n in range(1, 11)]
    gate.opened.set()
    for future in futures:
        future.exception(WAIT)
    return [*futures, journal.append("exchange", {"n": 11})]


class CutShort(Disk):
    """Writes half of the line with number 1 and then raises *error*, the first time."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._errors = [error]

    def write(self, fd: int, data: bytes) -> None:
        if b'"n":1' in data and self._errors:
            os.write(fd, data[: len(data) // 2])
            raise self._errors.pop()
        super().write(fd, data)


def test_what_is_appended_is_read_back_at_its_offset(path: Path) -> None:
    with _open(path) as journal:
        offsets = [journal.append(kind, {"n": kind}).result(WAIT) for kind in ("exchange", "verdict", "folded")]
    contents = read_journal(path)
    assert [line.offset for line in contents.lines] == offsets
    assert [line.kind for line in contents.lines] == ["exchange", "verdict", "folded"]
    assert [read_line_at(path, offset).data["n"] for offset in offsets] == ["exchange", "verdict", "folded"]
    assert contents.damaged == ()


def test_a_reopened_journal_is_continued(path: Path) -> None:
    first = _written(path)
    with _open(path) as journal:
        assert journal.append("exchange", {"n": 3}).result(WAIT) == len(first)
    assert _numbers(path) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "text", ["\ud800", "\0\x1b\r\n\u2028\u0085", "猫", "x" * 10_000_000], ids=["surrogate", "controls", "cat", "10 MB"]
)
def test_hostile_text_is_one_ascii_line_and_comes_back(path: Path, text: str) -> None:
    with _open(path) as journal:
        journal.append("exchange", {text[:9]: text}).result(WAIT)
    raw = path.read_bytes()
    assert raw.isascii()
    assert raw.count(b"\n") == 1
    assert b"\0" not in raw
    assert read_journal(path).lines[0].data == {text[:9]: text}


def test_a_future_resolves_only_after_the_flush(path: Path, hooked: Hooked) -> None:
    gate = Gate()
    with _open(path, hooked(gate)) as journal:
        future = journal.append("exchange", {"n": 0})
        assert gate.entered.wait(WAIT)
        assert not future.done()
        gate.opened.set()
        assert future.result(WAIT) == 0


def test_lines_that_queue_up_share_one_write_and_one_flush(path: Path, hooked: Hooked) -> None:
    gate = Gate()
    with _open(path, hooked(gate)) as journal:
        _three_groups(journal, gate)[-1].result(WAIT)
    assert gate.calls == ["has_name", "size", "write", "sync"] * 3 + CLOSED
    assert _numbers(path) == list(range(12))


def test_lines_that_need_not_be_durable_cost_no_flush(path: Path, hooked: Hooked) -> None:
    calls: list[str] = []
    with _open(path, hooked(lambda name, _: calls.append(name))) as journal:
        calls.clear()
        journal.append("verdict", {"n": 0}, durable=False).result(WAIT)
    assert calls == ["has_name", "size", "write", *CLOSED]


def test_a_failing_flush_fails_its_group_alone_and_leaves_no_trace(path: Path, hooked: Hooked) -> None:
    gate = Gate()
    gate.fail_sync_number = 2
    with _open(path, hooked(gate)) as journal:
        first, *group, last = _three_groups(journal, gate)
        assert first.result(WAIT) == 0
        for future in group:
            with pytest.raises(KeepError, match=r"journal\.jsonl: Input/output error"):
                future.result(WAIT)
        assert read_line_at(path, last.result(WAIT)).data == {"n": 11}
    assert _numbers(path) == [0, 11]
    assert read_journal(path).damaged == ()


@pytest.mark.parametrize("stuck", [0, 1, 2], ids=["cut back at once", "cut back later", "cut back much later"])
def test_a_torn_write_is_truncated_before_the_next_line(path: Path, hooked: Hooked, stuck: int) -> None:
    faults = {"write": 1, "truncate": stuck}

    def full(name: str, arguments: tuple[Any, ...]) -> None:
        if threading.current_thread().name == "plotbot-journal" and faults.get(name, 0):
            faults[name] -= 1
            if name == "write":
                os.write(arguments[0], arguments[1][:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with _open(path, hooked(full)) as journal:
        outcomes = [journal.append("exchange", {"n": n}).exception(WAIT) for n in range(3)]
    failed = 1 if stuck < 2 else 2
    assert [type(outcome) for outcome in outcomes] == [DiskError] * failed + [type(None)] * (3 - failed)
    assert _numbers(path) == list(range(failed, 3))
    assert read_journal(path).damaged == ()


def test_data_that_is_no_json_is_refused_at_once(path: Path) -> None:
    with _open(path) as journal:
        with pytest.raises(KeepError, match="'exchange' is no JSON"):
            journal.append("exchange", {"n": object()})
        journal.append("exchange", {"n": 1}).result(WAIT)
    assert _numbers(path) == [1]


def test_closing_writes_out_what_is_queued_and_refuses_more(path: Path) -> None:
    journal = Journal.open(path, Disk())
    futures = [journal.append("exchange", {"n": n}) for n in range(100)]
    journal.close(WAIT)
    assert all(future.done() for future in futures)
    assert _numbers(path) == list(range(100))
    with pytest.raises(KeepError, match="is closed"):
        journal.append("exchange", {})
    with _open(path) as reopened:
        reopened.append("exchange", {"n": 100}).result(WAIT)
    journal.close(WAIT)


def test_a_close_that_takes_too_long_says_so(path: Path, hooked: Hooked) -> None:
    gate = Gate()
    with _open(path, hooked(gate)) as journal:
        journal.append("exchange", {"n": 0})
        assert gate.entered.wait(WAIT)
        with pytest.raises(KeepError, match=r"still being written after 0\.001 s"):
            journal.close(0.001)
        gate.opened.set()


def test_a_second_opener_is_refused_while_the_first_lives(path: Path) -> None:
    with _open(path), pytest.raises(InputError, match=rf"still runs \(process {os.getpid()}\)"):
        Journal.open(path, Disk())
    with _open(path) as journal:
        journal.append("exchange", {"n": 1}).result(WAIT)


def test_a_dead_process_does_not_keep_the_journal(path: Path) -> None:
    die = "import os, sys; from pathlib import Path; from plotbot.keep.filesystem import Disk\n"
    die += "from plotbot.keep.journal import Journal; journal = Journal.open(Path(sys.argv[1]), Disk())\n"
    die += "journal.append('exchange', {'n': 0}).result(); os._exit(7)"
    assert subprocess.run([sys.executable, "-c", die, str(path)], check=False, timeout=60, cwd=ROOT).returncode == 7
    with _open(path) as journal:
        journal.append("exchange", {"n": 1}).result(WAIT)
    assert _numbers(path) == [0, 1]


@pytest.mark.parametrize("call", ["open_append", "size", "sync", "sync_folder"])
def test_a_journal_that_cannot_be_opened_says_why_and_releases_its_lock(path: Path, hooked: Hooked, call: str) -> None:
    def refuse(name: str, _: tuple[Any, ...]) -> None:
        if name == call:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    with pytest.raises(KeepError, match=r"journal\.jsonl: Permission denied"):
        Journal.open(path, hooked(refuse))
    assert _written(path)


def test_opening_makes_the_new_file_durable_in_its_folder(path: Path, hooked: Hooked) -> None:
    calls: list[str] = []
    with _open(path, hooked(lambda name, _: calls.append(name))):
        assert calls[-2:] == ["sync", "sync_folder"]


def test_a_line_without_a_flush_is_written_when_append_returns(path: Path) -> None:
    journal = Journal.open(path, Disk())
    offsets = [journal.append("verdict", {"n": n}, durable=False).result(0) for n in range(3)]
    assert [read_line_at(path, offset).data["n"] for offset in offsets] == [0, 1, 2]
    journal.close(WAIT)


def test_a_line_without_a_flush_does_not_overtake_one_that_is_being_flushed(path: Path, hooked: Hooked) -> None:
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


def test_a_journal_that_is_deleted_while_it_is_written_refuses_the_next_line(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal.jsonl", Disk())
    journal.append("exchange", {"n": 1}).result(5)
    (tmp_path / "journal.jsonl").unlink()
    for durable in (True, False):
        with pytest.raises(KeepError, match="it was deleted while the run was writing it"):
            journal.append("exchange", {"n": 2}, durable=durable).result(5)
    journal.close()
