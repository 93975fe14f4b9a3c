"""Writing a whole file or nothing: a temporary file beside it, flushed, renamed over it, and the name flushed.

A crash leaves the old content or the new, and at worst a temporary file beside it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from plotbot.keep.filesystem import Disk

TEMP_SUFFIX = ".tmp"


def write_atomically(path: Path, data: bytes, disk: Disk) -> None:
    """Replace *path* by *data*, durably. Raises `OSError`; the file is then the old one or the new one, whole."""
    replace_whole(path, data, disk)
    disk.sync_folder(path.parent)


def replace_whole(path: Path, data: bytes, disk: Disk) -> None:
    """The same without the folder's flush, for a caller who replaces many files and flushes their folder once."""
    temp = path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(4)}{TEMP_SUFFIX}")
    fd = disk.create(temp)
    try:
        _write_durably(fd, data, disk)
        disk.replace(temp, path)
    except BaseException:
        # The first fault is the one to tell; what cannot be removed now is swept later.
        with contextlib.suppress(OSError):
            disk.unlink(temp)
        raise


def _write_durably(fd: int, data: bytes, disk: Disk) -> None:
    try:
        disk.write(fd, data)
        disk.sync(fd)
    finally:
        disk.close(fd)
