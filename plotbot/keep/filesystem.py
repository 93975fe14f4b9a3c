"""The file system calls of this package, and the atomic replacement of a file.

Every file that must survive a crash is accessed through a `Disk` that is passed in, so that a test can record the
order of the calls or make the k-th one fail. Each method is one step that can fail by itself and raises `OSError`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from plotbot.safe import open_regular, read_regular

if sys.platform == "darwin":
    from fcntl import F_FULLFSYNC, fcntl

TEMP_SUFFIX = ".tmp"
# ACCESS_DENIED, SHARING_VIOLATION and LOCK_VIOLATION: a virus scanner or a reader has the file open for a moment.
_WINDOWS_BUSY = frozenset({5, 32, 33})
_REPLACE_DELAYS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)
_BINARY: int = getattr(os, "O_BINARY", 0)
_NO_LINK: int = getattr(os, "O_NOFOLLOW", 0)
# Errors of a file system that cannot flush a folder or has no full flush. An I/O error such as EIO is not among them.
_NOT_SUPPORTED = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.ENOTTY})


class Disk:
    """The real file system. *sleep* takes seconds; it is called only between tries of a busy Windows rename."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep

    def create(self, path: Path) -> int:
        """Create a file and open it for writing. Raises `FileExistsError` if the name is taken."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)

    def open_append(self, path: Path) -> int:
        """Open a file, created if missing, so that every write goes to its end."""
        return open_regular(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)

    def open_lock(self, path: Path) -> int:
        """Open a lock file, created if missing, without following a symbolic link; its content stays."""
        return os.open(path, os.O_RDWR | os.O_CREAT | _BINARY | _NO_LINK, 0o666)

    def open_read(self, path: Path) -> BinaryIO:
        return os.fdopen(open_regular(path), "rb")

    def read(self, path: Path) -> bytes:
        """Read a whole file. Raises `OSError` for a FIFO, a device, or more than `LARGEST_FILE_BYTES`, unread."""
        return read_regular(path)

    def read_at(self, fd: int, offset: int, size: int) -> bytes:
        """Read at most *size* bytes from *offset*; fewer, or none, at the end of the file."""
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, size)

    def write(self, fd: int, data: bytes) -> None:
        """Write all of *data*, in as many system calls as it takes. After an error, part of it may be in the file."""
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]

    def write_at(self, fd: int, offset: int, data: bytes) -> None:
        os.lseek(fd, offset, os.SEEK_SET)
        self.write(fd, data)

    def sync(self, fd: int) -> None:
        """Flush the file to the medium: a power cut after this loses nothing of it."""
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
        """The size of the open file in bytes."""
        return os.fstat(fd).st_size

    def has_name(self, fd: int) -> bool:
        """Whether the open file still has a name in some folder: it was not removed meanwhile."""
        return os.fstat(fd).st_nlink > 0

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def close(self, fd: int) -> None:
        os.close(fd)

    def replace(self, source: Path, target: Path) -> None:
        """Rename *source* over *target*. Tries again, for 1.3 s in all, when Windows refuses because a file is busy."""
        for delay in _REPLACE_DELAYS:
            try:
                os.replace(source, target)  # noqa: PTH105  Path.replace makes a path that is thrown away
            except OSError as error:
                if getattr(error, "winerror", None) not in _WINDOWS_BUSY:
                    raise
                self._sleep(delay)
            else:
                return
        source.replace(target)

    def sync_folder(self, folder: Path) -> None:
        """Make new, renamed and removed names in *folder* durable, on platforms that can flush a folder."""
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
        """Create the folder and its missing parents, each durable in its own parent."""
        if folder.is_dir():
            return
        self.make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        self.sync_folder(folder.parent)

    def unlink(self, path: Path) -> None:
        path.unlink()

    def names(self, folder: Path) -> list[str]:
        """The names in *folder*, sorted."""
        return sorted(entry.name for entry in folder.iterdir())

    def modified(self, path: Path) -> float:
        """When the file was last written, in seconds since the epoch."""
        return path.stat().st_mtime


def describe(error: OSError, path: Path) -> str:
    """The file and the system's reason, in words."""
    return f"{path}: {error.strerror or error}"


def write_atomically(path: Path, data: bytes, disk: Disk) -> None:
    """Replace *path* by *data*, durably. Raises `OSError`; the file is then whole, with the old content or the new.

    The data goes into a temporary file in the same folder, which is flushed and renamed over *path*; then the folder is
    flushed. A crash leaves at worst the temporary file behind.
    """
    replace_unflushed(path, data, disk)
    disk.sync_folder(path.parent)


def replace_unflushed(path: Path, data: bytes, disk: Disk) -> None:
    """`write_atomically` without the folder's flush, for a caller that replaces many files and flushes once."""
    temp = path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(4)}{TEMP_SUFFIX}")
    fd = disk.create(temp)
    try:
        _write_durably(fd, data, disk)
        disk.replace(temp, path)
    except BaseException:
        # The first error is the one to report. `sweep_temps` removes later what cannot be removed now.
        with contextlib.suppress(OSError):
            disk.unlink(temp)
        raise


def _write_durably(fd: int, data: bytes, disk: Disk) -> None:
    try:
        disk.write(fd, data)
        disk.sync(fd)
    finally:
        disk.close(fd)
