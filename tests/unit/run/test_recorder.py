import errno
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plotbot.errors import KeepError
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder
from plotbot.keep.run_reading import read_run
from plotbot.records import Attempt, Case, Exchange, Fault, ItemResult, PlannedItem, Reply, Title
from plotbot.run.recorder import Recorder

CASE = Case("c", "c", "m", Title("t", "A headline"), "h", "none", 1, 7)
CASES = {"c": CASE, "d": replace(CASE, id="d")}
OTHER = Exchange("d", "m", "", 0.1, (Attempt("", 0.1),), Reply("[1]"))
PASSED = ItemResult("c", "item", "passed", "ok", kept=True)


class Gated(Disk):
    """The journal's writes wait at a gate, and the disk may be full."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False
        self.gate = threading.Event()
        self.gate.set()

    def write(self, fd: int, data: bytes) -> None:
        assert self.gate.wait(10)
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(fd, data)


def _recorder(folder: Path, disk: Disk) -> Recorder:
    plan: Any = SimpleNamespace(questions={}, cases=CASES, models=("m",))
    recorder = Recorder(RunFolder(folder / "run"), plan, disk)
    recorder.items = (PlannedItem("item", "c"), PlannedItem("other item", "d"))
    recorder.keep(Exchange("c", "m", "", 0.1, (Attempt("", 0.1),), Reply("[]"))).result(10)
    return recorder


def test_noting_a_result_waits_until_it_is_written(tmp_path: Path) -> None:
    disk = Gated()
    recorder = _recorder(tmp_path, disk)
    disk.gate.clear()
    noting = threading.Thread(target=recorder.note, args=(PASSED,))
    noting.start()
    noting.join(0.1)
    assert noting.is_alive()
    disk.gate.set()
    noting.join(10)
    assert read_run(recorder.folder, disk).results == {"item": PASSED}
    recorder.close()


def test_an_answer_that_was_kept_is_held_until_its_folding_is_reported(tmp_path: Path) -> None:
    recorder = _recorder(tmp_path, Disk())
    assert recorder.held == []
    recorder.note(PASSED)
    assert recorder.held == ["c"]
    recorder.note_unfolded({"c": "the lock is held"})
    assert recorder.held == []
    del recorder.unfolded["c"]
    recorder.note_folded(["c"])
    assert recorder.held == []
    recorder.close()


@pytest.mark.parametrize("room", [10_000, 2, 0], ids=["all in memory", "the first in memory", "none in memory"])
def test_of_a_cases_exchanges_the_newest_durable_one_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setattr("plotbot.run.recorder.HELD_BYTES", room)
    recorder = _recorder(tmp_path, Disk())
    other = replace(OTHER, reply=None, fault=Fault("timeout", "nothing came"))
    for exchange in (other, OTHER):
        recorder.keep(exchange).result(10)
    recorder.close()
    assert list(recorder.exchanges()) == list(read_run(recorder.folder, Disk()).exchanges())
    assert [exchange.case for exchange in recorder.exchanges()] == ["c", "d"]
    assert [exchange.reply for exchange in recorder.exchanges()] == [Reply("[]"), Reply("[1]")]


def test_an_exchange_that_the_disk_refused_is_not_read_back(tmp_path: Path) -> None:
    disk = Gated()
    recorder = _recorder(tmp_path, disk)
    disk.full = True
    with pytest.raises(KeepError):
        recorder.keep(OTHER).result(10)
    recorder.close()
    assert [exchange.case for exchange in recorder.exchanges()] == ["c"]


def test_a_resumed_run_reads_back_what_it_had(tmp_path: Path) -> None:
    first = _recorder(tmp_path, Disk())
    first.close()
    again: Any = SimpleNamespace(questions={}, cases=CASES, models=("m",))
    recorder = Recorder(first.folder, again, Disk())
    recorder.resume(read_run(first.folder, Disk()))
    recorder.keep(OTHER).result(10)
    recorder.close()
    assert [exchange.case for exchange in recorder.exchanges()] == ["c", "d"]


def test_an_answer_that_comes_after_the_end_puts_no_run_on_the_disk(tmp_path: Path) -> None:
    plan: Any = SimpleNamespace(questions={}, cases=CASES, models=("m",))
    recorder = Recorder(RunFolder(tmp_path / "run"), plan, Disk())
    recorder.close()
    with pytest.raises(KeepError, match="the run has ended"):
        recorder.keep(OTHER)
    assert (recorder.opened, recorder.fault) == (False, None)
    assert list(tmp_path.iterdir()) == []
