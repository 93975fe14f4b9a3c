"""Writing a run's journal: a record is one line, whole or absent, and durable before its future resolves.

One thread flushes. The records that queue up during a flush share the next one, so records that arrive together cost
one wait for the disk. A record that needs no flush is written on the caller's thread unless others are queued before
it, because handing it over costs more than writing it. `plotbot.keep.journal_reading` reads the file back.
"""

from __future__ import annotations

import errno
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

from plotbot.errors import DiskError, InputError, KeepError
from plotbot.keep.filesystem import Disk, describe
from plotbot.keep.locks import Lock, holder_of, take_lock

VERSION = 1
LOCK_NAME = "journal.lock"
# Ends a line that a crash left without its line break, so that it differs from a line that was damaged later. A line
# that has lost only its line break stays JSON with it.
CLOSED_OFF = b"\t\n"
# ASCII escapes can express lone surrogates and NULs, and leave no raw line break in a line.
_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class _Entry:
    line: bytes
    durable: bool
    done: Future[int]


class Journal:
    """The only writer of a journal file. Open it with `Journal.open`."""

    def __init__(self, path: Path, disk: Disk, lock: Lock, fd: int) -> None:
        self._path = path
        self._disk = disk
        self._lock = lock
        self._fd = fd
        self._end = disk.size(fd)
        self._torn = False
        self._queue: SimpleQueue[_Entry | None] = SimpleQueue()
        # While entries are queued, or being written from the queue, only the thread may write to the file.
        self._waiting = 0
        self._gate = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="plotbot-journal", daemon=True)

    @classmethod
    def open(cls, path: Path, disk: Disk) -> Self:
        """Open the journal at *path* for appending, created if missing; its folder must exist.

        A last line that a crash cut short gets a line break. Raises `InputError` while another process or `Journal` has
        the file open, and `DiskError` if it cannot be opened.
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
            raise DiskError(describe(error, path)) from error
        except BaseException:
            lock.release()
            raise
        journal._thread.start()
        return journal

    def append(self, kind: str, data: Mapping[str, Any], *, durable: bool = True) -> Future[int]:
        """Write one record; the future gives the byte offset of its line.

        The future of a *durable* line resolves after the flush, any other after the write. If the disk refuses, it
        fails with `DiskError` and nothing of the line stays in the file. Raises `KeepError` at once for data that is
        not JSON, and after `close`.
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
        """Write what is queued and release the file. Raises `KeepError` if that takes more than *timeout* seconds."""
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
            # Ctrl-C, at any step. The thread, which it does not reach, truncates the file and writes the line again. A
            # line that was complete may then be in the file twice, which readers ignore.
            self._enqueue(entry)
            raise

    def _start_fresh_line(self) -> None:
        """End a torn last line, and make the file's own name durable."""
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
            self._release()

    def _next_group(self) -> list[_Entry]:
        """Wait for an entry and take all that are queued; empty once the journal is closed and the queue drained."""
        first = self._queue.get()
        if first is None:
            return []
        group = [first]
        with suppress(Empty):
            while entry := self._queue.get_nowait():
                group.append(entry)
            # This took out the None that closes the journal: put it back for the next call.
            self._queue.put(None)
        return group

    def _commit(self, group: Sequence[_Entry]) -> None:
        try:
            offset = self._write(group)
        except OSError as error:
            self._fail(group, DiskError(describe(error, self._path)))
        except MemoryError:
            self._fail(group, KeepError(f"{self._path}: out of memory"))
        else:
            for entry in group:
                if not entry.done.done():
                    entry.done.set_result(offset)
                offset += len(entry.line)

    def _write(self, group: Sequence[_Entry]) -> int:
        """Write the lines, and flush if one of them is durable; gives the offset of the first."""
        if not self._disk.has_name(self._fd):
            # Lines would go on into a file that no reader can open.
            raise FileNotFoundError(errno.ENOENT, "it was deleted while the run was writing it")
        if not self._torn and self._disk.size(self._fd) != self._end:
            # What was shown may not be there any more, and no line would be found at its offset.
            raise OSError(errno.EIO, "another program changed it while the run was writing it")
        self._truncate_torn()
        self._torn = True
        offset, lines = self._end, b"".join(entry.line for entry in group)
        self._disk.write(self._fd, lines)
        if any(entry.durable for entry in group):
            self._disk.sync(self._fd)
        self._end = offset + len(lines)
        self._torn = False
        return offset

    def _fail(self, group: Sequence[_Entry], error: KeepError) -> None:
        # Truncate before the futures fail, so that their callers find no trace of the line. If even that fails, the
        # next group tries again before it writes.
        with suppress(OSError):
            self._truncate_torn()
        for entry in group:
            if not entry.done.done():
                entry.done.set_exception(error)

    def _truncate_torn(self) -> None:
        """Truncate what a failed group may have left after the last good line."""
        if self._torn:
            self._disk.truncate(self._fd, self._end)
            self._torn = False

    def _release(self) -> None:
        with suppress(OSError):
            self._disk.close(self._fd)
        self._lock.release()


def _take_lock(path: Path, disk: Disk) -> Lock:
    lock_path = path.with_name(LOCK_NAME)
    try:
        lock = take_lock(lock_path, disk)
    except OSError as error:
        raise DiskError(describe(error, lock_path)) from error
    if lock is None:
        holder = holder_of(lock_path, disk)
        raise InputError(f"{path.parent}: this run still runs ({holder}); wait for it, or stop it first")
    lock.stamp()
    return lock
