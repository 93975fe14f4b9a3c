"""The one seam between this folder and the file system.

Every file that must survive a crash is touched through a `Disk` that is passed in, so that a test can record the order
of the calls, or let the k-th one fail. Each method is one call that can fail on its own and raises `OSError`.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

if sys.platform == "darwin":
    from fcntl import F_FULLFSYNC, fcntl

# ACCESS_DENIED, SHARING_VIOLATION and LOCK_VIOLATION: a virus scanner or a reader has the file open for a moment.
_WINDOWS_BUSY = frozenset({5, 32, 33})
_REPLACE_DELAYS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)
_BINARY: int = getattr(os, "O_BINARY", 0)
_NO_LINK: int = getattr(os, "O_NOFOLLOW", 0)
# What file systems answer that cannot flush a folder, or have no full flush; EIO and its kin are not among them.
_NOT_SUPPORTED = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.ENOTTY})


class Disk:
    """The file system as it is. *sleep* takes seconds and is called only between tries of a busy Windows rename."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep

    def create(self, path: Path) -> int:
        """A new file, open for writing; FileExistsError where the name is taken."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)

    def open_append(self, path: Path) -> int:
        """The file, made if missing; every write goes to its end."""
        return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _BINARY, 0o666)

    def open_lock(self, path: Path) -> int:
        """A lock file, made if missing, and no other's by way of a link; what it holds stays."""
        return os.open(path, os.O_RDWR | os.O_CREAT | _BINARY | _NO_LINK, 0o666)

    def open_read(self, path: Path) -> BinaryIO:
        return path.open("rb")

    def read(self, path: Path) -> bytes:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  Path.open would build a reader around it
            return file.readall()

    def read_at(self, fd: int, offset: int, size: int) -> bytes:
        """At most *size* bytes from *offset*; fewer, or none, at the end of the file."""
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, size)

    def write(self, fd: int, data: bytes) -> None:
        """All of *data*, however many writes that takes; part of it may be there when this raises."""
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]

    def write_at(self, fd: int, offset: int, data: bytes) -> None:
        os.lseek(fd, offset, os.SEEK_SET)
        self.write(fd, data)

    def sync(self, fd: int) -> None:
        """Through to the medium: a power cut after this loses nothing of the file."""
        if sys.platform == "darwin":
            # On macOS fsync stops at the drive's own cache.
            try:
                fcntl(fd, F_FULLFSYNC)
            except OSError as error:
                if error.errno not in _NOT_SUPPORTED:
                    raise
            else:
                return
        os.fsync(fd)

    def size(self, fd: int) -> int:
        """Bytes in the open file."""
        return os.fstat(fd).st_size

    def has_name(self, fd: int) -> bool:
        """Whether the open file is still to be found in some folder."""
        return os.fstat(fd).st_nlink > 0

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def close(self, fd: int) -> None:
        os.close(fd)

    def replace(self, source: Path, target: Path) -> None:
        """Rename over *target*. Waits, 1.3 s in all, only for Windows' passing refusals."""
        for delay in _REPLACE_DELAYS:
            try:
                source.replace(target)
            except OSError as error:
                if getattr(error, "winerror", None) not in _WINDOWS_BUSY:
                    raise
                self._sleep(delay)
            else:
                return
        source.replace(target)

    def sync_folder(self, folder: Path) -> None:
        """Make new, renamed and removed names durable; nothing to do where the platform offers no way to."""
        if sys.platform == "win32":
            return
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise
        finally:
            os.close(fd)

    def make_folder(self, folder: Path) -> None:
        """The folder and its parents, each durable in its own parent; nothing where it is there already."""
        if folder.is_dir():
            return
        self.make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        self.sync_folder(folder.parent)

    def unlink(self, path: Path) -> None:
        path.unlink()

    def names(self, folder: Path) -> list[str]:
        """The names in a folder, sorted."""
        return sorted(entry.name for entry in folder.iterdir())

    def modified(self, path: Path) -> float:
        """When the file was last written, in seconds since the epoch."""
        return path.stat().st_mtime


def describe(error: OSError, path: Path) -> str:
    """What a person needs of a failed call: which file, and the system's reason in words."""
    return f"{path}: {error.strerror or error}"
