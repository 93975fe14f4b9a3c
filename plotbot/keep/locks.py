"""Locks between processes: one writer at a time for a title file or a journal.

The kernel holds the locks: the death of a holder frees its lock at once, and a live holder keeps it however long it
takes. Titles share a fixed number of lock files in one folder. Those files are never deleted, because deleting one
while a process waits for it would give it two holders.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import lock_descriptor, unlock_descriptor

from plotbot.errors import DiskError, LockBusyError
from plotbot.keep.filesystem import Disk, describe
from plotbot.safe import digest

LOCKS_FOLDER = ".locks"
SHARDS = 64
# Seconds between two looks at the holder's stamp by a process that waits.
_LOOK_SECONDS = 1.0
# Windows forbids other processes to read the locked byte 0, so the stamp starts behind it. Its length is fixed, so that
# a shorter stamp overwrites all of a longer one.
_STAMP_OFFSET = 1
_STAMP_SIZE = 63

_log = logging.getLogger("plotbot.keep")


@dataclass(frozen=True, slots=True)
class Stamp:
    """The process that took a lock, and when (seconds since the epoch)."""

    pid: int
    at: float


def never() -> bool:
    """The *give_up* of a caller that waits as long as it takes."""
    return False


@dataclass(frozen=True, slots=True)
class Lock:
    """A held lock. It is held until `release`, or until this process ends in any way."""

    fd: int
    disk: Disk

    def stamp(self) -> None:
        """Write this process into the file. It only informs those that wait, so a full disk does not cost the lock."""
        stamp = json.dumps({"pid": os.getpid(), "at": round(time.time(), 3)})
        with suppress(OSError):
            self.disk.write_at(self.fd, _STAMP_OFFSET, stamp.ljust(_STAMP_SIZE - 1).encode() + b"\n")

    def release(self) -> None:
        """Release the lock; call it once. Raises `OSError` if the system does not unlock."""
        try:
            # Closing the file unlocks it too, but on Windows only after a while.
            unlock_descriptor(self.fd)
        finally:
            # An error here could only be about unwritten data, and there is none.
            with suppress(OSError):
                self.disk.close(self.fd)


def take_lock(path: Path, disk: Disk) -> Lock | None:
    """Take the lock of a lock file, created if missing; None if another process holds it. Raises `OSError`.

    `filelock.FileLock` takes the same lock at five times the cost: it resolves the path and cares for threads and
    forks, which do not matter here because every holder opens the file for itself.
    """
    fd = _open(path, disk)
    try:
        # The lock of a file that was removed meanwhile protects nothing: the next process creates a new file.
        if lock_descriptor(fd, blocking=False) and disk.has_name(fd):
            return Lock(fd, disk)
    except BaseException:
        disk.close(fd)
        raise
    disk.close(fd)
    return None


def _open(path: Path, disk: Disk) -> int:
    try:
        return disk.open_lock(path)
    except FileNotFoundError:
        disk.make_folder(path.parent)
        return disk.open_lock(path)


def read_stamp(path: Path, disk: Disk) -> Stamp | None:
    """The last holder's stamp; None if there is none or it cannot be read."""
    try:
        with disk.open_read(path) as file:
            file.seek(_STAMP_OFFSET)
            data = json.loads(file.read(_STAMP_SIZE))
        return Stamp(int(data["pid"]), float(data["at"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def holder_of(path: Path, disk: Disk) -> str:
    """The last holder in words, with its pid if there is a stamp."""
    stamp = read_stamp(path, disk)
    return "another process" if stamp is None else f"process {stamp.pid}"


@dataclass(frozen=True, slots=True)
class TitleLocks:
    """The locks of a folder's title files.

    *timeout* and *poll_interval* are FILE_LOCK_TIMEOUT and FILE_LOCK_POLL_INTERVAL. Waiting for a holder whose stamp is
    older than *stale_seconds* logs one warning, with its pid, to `plotbot.keep`. All are in seconds.
    """

    folder: Path
    disk: Disk
    timeout: float = 10.0
    poll_interval: float = 0.01
    stale_seconds: float = 300.0
    clock: Callable[[], float] = time.time

    def shard(self, stem: str) -> Path:
        """The lock file that guards the title file named *stem*."""
        return self.folder / f"{int(digest(stem), 16) % SHARDS:02d}.lock"

    @contextmanager
    def hold(self, path: Path, give_up: Callable[[], bool] = never, *, wait: bool = True) -> Iterator[None]:
        """Hold the lock of the lock file *path* (see `shard`) within the context.

        Raises `LockBusyError` after *timeout* seconds, or as soon as *give_up* returns True, or at once unless *wait*.
        Raises `DiskError` if the lock file itself cannot be used.
        """
        try:
            lock = take_lock(path, self.disk)
            if lock is None and not wait:
                raise LockBusyError(self._busy(path))
            lock = lock or self._wait(path, give_up)
        except OSError as error:
            raise DiskError(describe(error, path)) from error
        try:
            lock.stamp()
            yield
        finally:
            lock.release()

    def _wait(self, path: Path, give_up: Callable[[], bool]) -> Lock:
        begun = time.monotonic()
        look_at, warned = begun, False
        while (lock := take_lock(path, self.disk)) is None:
            now = time.monotonic()
            if not warned and now >= look_at:
                warned, look_at = self._warn_if_stale(path), now + _LOOK_SECONDS
            left = begun + self.timeout - now
            if left <= 0 or give_up():
                raise LockBusyError(self._busy(path))
            time.sleep(min(self.poll_interval, left))
        return lock

    def _warn_if_stale(self, path: Path) -> bool:
        stamp = read_stamp(path, self.disk)
        if stamp is None or self.clock() - stamp.at < self.stale_seconds:
            return False
        age = self.clock() - stamp.at
        _log.warning("%s has been held by process %d for %.0f s; waiting, it is alive", path, stamp.pid, age)
        return True

    def _busy(self, path: Path) -> str:
        return f"{path}: held by {holder_of(path, self.disk)}; gave up after at most {self.timeout:g} s"
