"""Writing a run's journal: each record one line, whole or absent, on the disk before anybody is told of it.

One thread flushes. Whatever has queued up while it was busy goes out together under a single flush, so many records
that arrive at once cost one wait for the disk. A record that needs no flush is written by whoever brings it, unless
others wait before it: handing it over costs more than writing it. `plotbot.keep.journal_reading` reads the file back.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Self

from plotbot.errors import InputError, KeepError
from plotbot.keep.filesystem import Disk, describe
from plotbot.keep.locks import Lock, holder_of, take_lock

VERSION = 1
LOCK_NAME = "journal.lock"
# Ends a line that a crash left without its line break: so it is told from one that was damaged later. A line that lost
# nothing but its break stays JSON with it.
CLOSED_OFF = b"\t\n"
# ASCII escapes carry lone surrogates and NULs, and leave no raw line break in a line.
_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class _Entry:
    line: bytes
    durable: bool
    done: Future[int]


class Journal:
    """The live, only writer of one journal file. Open it with `Journal.open`."""

    def __init__(self, path: Path, disk: Disk, lock: Lock, fd: int) -> None:
        self._path = path
        self._disk = disk
        self._lock = lock
        self._fd = fd
        self._end = disk.size(fd)
        self._torn = False
        self._queue: SimpleQueue[_Entry | None] = SimpleQueue()
        # While something waits in the queue, or is being written from there, the file is the thread's alone.
        self._waiting = 0
        self._gate = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="plotbot-journal", daemon=True)

    @classmethod
    def open(cls, path: Path, disk: Disk) -> Self:
        """Open the journal at *path* for appending, made if missing; its folder must exist.

        Raises `InputError` while another process, or another `Journal`, has it open, and `KeepError` where it cannot be
        opened. A last line that a crash cut short is closed off, so that the next one starts fresh.
        """
        lock = _take_lock(path, disk)
        try:
            fd = disk.open_append(path)
            try:
                journal = cls(path, disk, lock, fd)
                journal._start_fresh_line()
            except BaseException:
                disk.close(fd)
                raise
        except OSError as error:
            lock.release()
            raise KeepError(describe(error, path)) from error
        except BaseException:
            lock.release()
            raise
        journal._thread.start()
        return journal

    @property
    def path(self) -> Path:
        return self._path

    def append(self, kind: str, data: Mapping[str, Any], *, durable: bool = True) -> Future[int]:
        """Write one record; the future gives the byte offset of its line.

        A durable line's future resolves after the flush, another one's after the write. Where the disk refuses it fails
        with `KeepError`, and nothing of the line is left in the file. Raises `KeepError` at once for data that is no
        JSON, and after `close`.
        """
        entry = _Entry(self._encode(kind, data), durable, Future())
        entry.done.set_running_or_notify_cancel()
        with self._gate:
            if self._closed:
                raise KeepError(f"{self._path}: the journal is closed")
            if durable or self._waiting:
                self._enqueue(entry)
            else:
                self._commit_here(entry)
        return entry.done

    def close(self, timeout: float | None = None) -> None:
        """Write out what is queued and let go of the file. Raises `KeepError` if that takes over *timeout* seconds."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise KeepError(f"{self._path}: still being written after {timeout:g} s")

    def _encode(self, kind: str, data: Mapping[str, Any]) -> bytes:
        record = {"v": VERSION, "kind": kind, "at": datetime.now(UTC).isoformat(), "data": data}
        try:
            return _ENCODER.encode(record).encode("ascii") + b"\n"
        except (TypeError, ValueError, RecursionError) as error:
            raise KeepError(f"{self._path}: a record of kind {kind!r} is no JSON: {error}") from error

    def _enqueue(self, entry: _Entry) -> None:
        self._waiting += 1
        self._queue.put(entry)

    def _commit_here(self, entry: _Entry) -> None:
        try:
            self._commit([entry])
        except BaseException:
            # A Ctrl-C, between any two steps. The thread, which it does not reach, cuts back what is there and starts
            # over; a line that was whole already may then stand there twice, which is no harm.
            self._enqueue(entry)
            raise

    def _start_fresh_line(self) -> None:
        """Close off a torn last line, and make the file's own name durable."""
        if self._end and self._disk.read_at(self._fd, self._end - 1, 1) != b"\n":
            self._disk.write(self._fd, CLOSED_OFF)
            self._end += len(CLOSED_OFF)
        self._disk.sync(self._fd)
        self._disk.sync_folder(self._path.parent)

    def _run(self) -> None:
        try:
            while group := self._next_group():
                self._commit(group)
                with self._gate:
                    self._waiting -= len(group)
        finally:
            self._let_go()

    def _next_group(self) -> list[_Entry]:
        """Everything that is queued, waiting for the first; empty when the journal is closed and drained."""
        first = self._queue.get()
        if first is None:
            return []
        group = [first]
        with suppress(Empty):
            while entry := self._queue.get_nowait():
                group.append(entry)
            # The closing mark was taken out early: put it back, behind nothing, for the next round.
            self._queue.put(None)
        return group

    def _commit(self, group: Sequence[_Entry]) -> None:
        try:
            offset = self._write(group)
        except OSError as error:
            self._fail(group, KeepError(describe(error, self._path)))
        except MemoryError:
            self._fail(group, KeepError(f"{self._path}: out of memory"))
        else:
            for entry in group:
                if not entry.done.done():
                    entry.done.set_result(offset)
                offset += len(entry.line)

    def _write(self, group: Sequence[_Entry]) -> int:
        """Write the lines, and flush them where one wants it; gives the offset of the first."""
        self._cut_back()
        self._torn = True
        offset, lines = self._end, b"".join(entry.line for entry in group)
        self._disk.write(self._fd, lines)
        if any(entry.durable for entry in group):
            self._disk.sync(self._fd)
        self._end = offset + len(lines)
        self._torn = False
        return offset

    def _fail(self, group: Sequence[_Entry], error: KeepError) -> None:
        # Cut back before the news is out: whoever hears of the failure finds no trace of the line. Where even that
        # fails, the next group tries again before it writes.
        with suppress(OSError):
            self._cut_back()
        for entry in group:
            if not entry.done.done():
                entry.done.set_exception(error)

    def _cut_back(self) -> None:
        """Remove what a failed group may have left behind the last good line."""
        if self._torn:
            self._disk.truncate(self._fd, self._end)
            self._torn = False

    def _let_go(self) -> None:
        with suppress(OSError):
            self._disk.close(self._fd)
        self._lock.release()


def _take_lock(path: Path, disk: Disk) -> Lock:
    lock_path = path.with_name(LOCK_NAME)
    try:
        lock = take_lock(lock_path, disk)
    except OSError as error:
        raise KeepError(describe(error, lock_path)) from error
    if lock is None:
        holder = holder_of(lock_path, disk)
        raise InputError(f"{path.parent}: this run still runs ({holder}); wait for it, or stop it first")
    lock.stamp()
    return lock
