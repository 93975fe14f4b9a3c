import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from plotbot.keep.disk import Disk
from plotbot.keep.run_folder import RunFolder
from plotbot.keep.run_reading import read_run
from plotbot.plugin.books import Books
from plotbot.records import Attempt, Case, Exchange, ItemResult, PlannedItem, Reply, Title

CASE = Case("c", "c", "m", Title("t", "A headline"), "h", "none", 1, 7)
PASSED = ItemResult("c", "item", "passed", "ok", kept=True)


class Gated(Disk):
    """The journal's writes wait at a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()

    def write(self, fd: int, data: bytes) -> None:
        assert self.gate.wait(10)
        super().write(fd, data)


def _books(folder: Path, disk: Disk) -> Books:
    plan: Any = SimpleNamespace(questions={}, cases={"c": CASE}, models=("m",))
    books = Books(RunFolder(folder / "run"), plan, disk)
    books.items = (PlannedItem("item", "c"),)
    books.keep(Exchange("c", "m", "", 0.1, (Attempt("", 0.1),), Reply("[]"))).result(10)
    return books


def test_a_result_is_shown_only_when_it_is_written_down(tmp_path: Path) -> None:
    disk = Gated()
    books = _books(tmp_path, disk)
    disk.gate.clear()
    noting = threading.Thread(target=books.note, args=(PASSED,))
    noting.start()
    noting.join(0.1)
    assert noting.is_alive()
    disk.gate.set()
    noting.join(10)
    assert read_run(books.folder, disk).results == {"item": PASSED}
    books.close()


def test_an_answer_that_was_kept_is_held_until_somebody_speaks_of_it(tmp_path: Path) -> None:
    books = _books(tmp_path, Disk())
    assert books.held == []
    books.note(PASSED)
    assert books.held == ["c"]
    books.unfolded["c"] = "the lock is held"
    assert books.held == []
    del books.unfolded["c"]
    books.folded(["c"])
    assert books.held == []
    books.close()
