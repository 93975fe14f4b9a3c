"""One writer at a time for a title file, across processes.

The locks are the kernel's, so a holder's death frees them at once and a live holder is never robbed, however long it
takes. Titles share a fixed number of lock files in one folder; those are never deleted, because deleting a lock file
that somebody waits for makes two holders.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from plotbot.errors import KeepError, LockBusyError
from plotbot.keep.disk import Disk, describe
from plotbot.safe import digest

LOCKS_FOLDER = ".locks"
SHARDS = 64
_SLICE_SECONDS = 1.0
# Windows locks byte 0 against everybody else's reads, so the stamp starts behind it. Its length is fixed: a shorter
# stamp leaves nothing of a longer one.
_STAMP_OFFSET = 1
_STAMP_SIZE = 63

_log = logging.getLogger("plotbot.keep")


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who took a lock, and when (seconds since the epoch)."""

    pid: int
    at: float


def never() -> bool:
    """The answer of a caller who is in no hurry."""
    return False


def open_lock(path: Path, disk: Disk, *, thread_local: bool = True) -> FileLock:
    """A kernel lock that stamps its file with the holder's pid and time as soon as it is held."""
    return FileLock(
        path,
        thread_local=thread_local,
        fallback_to_soft=False,
        preserve_lock_file=True,
        on_acquired=lambda fd: _write_stamp(fd, disk),
    )


def read_stamp(path: Path, disk: Disk) -> Stamp | None:
    """The last holder's stamp; None where there is none or it cannot be read."""
    try:
        with disk.open_read(path) as file:
            file.seek(_STAMP_OFFSET)
            data = json.loads(file.read(_STAMP_SIZE))
        return Stamp(int(data["pid"]), float(data["at"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class TitleLocks:
    """The locks of a folder's title files.

    *timeout* and *poll_interval* are FILE_LOCK_TIMEOUT and FILE_LOCK_POLL_INTERVAL; from *stale_seconds* of a holder's
    stamp on, waiting for it logs one warning to `plotbot.keep` that names its pid. All in seconds.
    """

    folder: Path
    disk: Disk
    timeout: float = 10.0
    poll_interval: float = 0.01
    stale_seconds: float = 300.0
    clock: Callable[[], float] = time.time
    _idle: dict[Path, FileLock] = field(default_factory=dict, init=False, repr=False, compare=False)

    def shard(self, stem: str) -> Path:
        """The lock file that guards the title file named *stem*."""
        return self.folder / f"{int(digest(stem), 16) % SHARDS:02d}.lock"

    @contextmanager
    def hold(self, path: Path, give_up: Callable[[], bool] = never) -> Iterator[None]:
        """Hold the lock file *path* (of `shard`), on this thread.

        Raises `LockBusyError` after *timeout* seconds, or as soon as *give_up* says so while waiting, and `KeepError`
        where the lock file itself cannot be used.
        """
        # Making a lock takes a third as long as taking it. Out of the store, it is nobody else's: not even of a second
        # holder on this thread, to whom it would give way.
        lock = self._idle.pop(path, None) or open_lock(path, self.disk, thread_local=False)
        try:
            self._acquire(lock, path, give_up)
            yield
        finally:
            # Also where an interrupt came between the two; what is not held is let go of without a word.
            lock.release(force=True)
        self._idle[path] = lock

    def _acquire(self, lock: FileLock, path: Path, give_up: Callable[[], bool]) -> None:
        try:
            self._wait(lock, path, give_up)
        except OSError as error:
            raise KeepError(describe(error, path)) from error

    def _wait(self, lock: FileLock, path: Path, give_up: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.timeout
        warned = False
        while True:
            left = deadline - time.monotonic()
            try:
                lock.acquire(min(max(left, 0.0), _SLICE_SECONDS), self.poll_interval, cancel_check=give_up)
            except Timeout:
                warned = warned or self._warn_if_stale(path)
                if time.monotonic() >= deadline or give_up():
                    raise LockBusyError(self._busy(path)) from None
            else:
                return

    def _warn_if_stale(self, path: Path) -> bool:
        stamp = read_stamp(path, self.disk)
        if stamp is None or self.clock() - stamp.at < self.stale_seconds:
            return False
        age = self.clock() - stamp.at
        _log.warning("%s has been held by process %d for %.0f s; waiting, it is alive", path, stamp.pid, age)
        return True

    def _busy(self, path: Path) -> str:
        stamp = read_stamp(path, self.disk)
        holder = "another process" if stamp is None else f"process {stamp.pid}"
        return f"{path}: held by {holder}; gave up after at most {self.timeout:g} s"


def _write_stamp(fd: int, disk: Disk) -> None:
    stamp = json.dumps({"pid": os.getpid(), "at": round(time.time(), 3)})
    # The stamp only helps whoever waits: a full disk must not cost the lock.
    with suppress(OSError):
        disk.write_at(fd, _STAMP_OFFSET, stamp.ljust(_STAMP_SIZE - 1).encode() + b"\n")
