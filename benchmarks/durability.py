"""What losing nothing costs, beside what the disk itself takes: `python -m benchmarks.durability [--folder F]`.

The bare write + flush of a line of the same size is measured in turn with the journal's lines, in the same folder and
the same minute, so that the ratio holds where the milliseconds do not.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import Journal
from plotbot.keep.locks import LOCKS_FOLDER, TitleLocks
from plotbot.keep.title_files import fold
from plotbot.records import Answer, Title

DATA = {"case": "0123456789ab", "reply": {"content": "x" * 2000}, "params": {"temperature": 0.7}}
LINE_BYTES = 2200
ROUNDS = 20
Row = tuple[str, Sequence[float]]


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        with _journal(folder) as journal, _bare(folder) as bare:
            rows = _lines(journal, bare, options.lines) + _saves(folder, options.lines)
    _show(rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(), help="where to write: the disk that is measured")
    parser.add_argument("--lines", type=int, default=1000, help="lines for each row of the table")
    return parser.parse_args()


@contextmanager
def _journal(folder: Path) -> Iterator[Journal]:
    journal = Journal.open(folder / "journal.jsonl", Disk())
    yield journal
    journal.close()


@contextmanager
def _bare(folder: Path) -> Iterator[Callable[[], None]]:
    """Writes and flushes one line, with nothing around it."""
    disk = Disk()
    fd = disk.open_append(folder / "bare")
    line = b"x" * (LINE_BYTES - 1) + b"\n"

    def write() -> None:
        os.write(fd, line)
        disk.sync(fd)

    yield write
    disk.close(fd)


def _lines(journal: Journal, bare: Callable[[], None], count: int) -> list[Row]:
    """Rounds of each in turn, so that a slow minute of the disk falls on all of them."""
    rows: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        share = max(count // ROUNDS, 1)
        rows.setdefault("bare write + flush", []).extend(_timed(bare, share))
        for width in (1, 4, 16):
            name = f"durable journal line, {width} in flight"
            rows.setdefault(name, []).extend(_timed(lambda width=width: _together(journal, width), share, width))  # type: ignore[misc]
        plain = _timed(lambda: journal.append("verdict", DATA, durable=False).result(), share)
        rows.setdefault("journal line without a flush", []).extend(plain)
    return list(rows.items())


def _together(journal: Journal, width: int) -> None:
    futures: list[Future[int]] = [journal.append("exchange", DATA) for _ in range(width)]
    for future in futures:
        future.result()


def _saves(folder: Path, count: int) -> list[Row]:
    disk = Disk()
    locks = TitleLocks(folder / LOCKS_FOLDER, disk)
    answers = [_answer(n) for n in range(count)]
    singles = iter(answers)
    single = _timed(lambda: fold([next(singles)], folder / "single", locks=locks, disk=disk), min(count, 200))
    batch = _timed(lambda: fold(answers, folder / "batch", locks=locks, disk=disk), 1, count)
    return [("title file, one by one", single), (f"title file, {count} in one batch", batch)]


def _answer(n: int) -> Answer:
    meta = {"run": "r", "case": f"c{n}", "at": "2026-11-22T12:00:00Z"}
    return Answer(Title(f"t{n}", "A headline"), "model", "9f2c41d0ab37", [{"core_event": "x" * 1000}], meta)


def _timed(work: Callable[[], object], count: int, parts: int = 1) -> list[float]:
    """Milliseconds for each of *count* calls, divided by the *parts* that one call does."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1000 / parts)
    return times


def _show(rows: Sequence[Row]) -> None:
    base = statistics.median(rows[0][1])
    print(f"{'milliseconds each':38} {'median':>8} {'p99':>8} {'ratio':>7}")
    for name, times in rows:
        median = statistics.median(times)
        p99 = sorted(times)[int(len(times) * 0.99)]
        print(f"{name:38} {median:8.3f} {p99:8.3f} {median / base:7.2f}")


if __name__ == "__main__":
    main()
