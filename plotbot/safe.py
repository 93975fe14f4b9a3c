"""Making hostile text harmless, names for files and items, and text for a terminal; and reading files without harm.

Titles, model ids and replies come from outside. All text that becomes a file name, an item id or terminal output
passes through one of these functions, and so does every file whose place a user or another machine has named.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import unicodedata
from pathlib import Path

_PLAIN_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")
_WINDOWS_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(10)), *(f"lpt{n}" for n in range(10))}
)
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_HARMLESS = frozenset("\n\t")
# C0, DEL and C1, characters that are invisible or change the direction of text, line separators, lone surrogates.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e0fff]"
)


LARGEST_FILE_BYTES = 1024 * 1024 * 1024
"""The largest file that is read into memory as a whole."""
_OPEN_FLAGS: int = getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)  # a FIFO would wait for its other end


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open a regular file. A FIFO in its place would block, a device would never end: they raise `OSError`."""
    fd = os.open(path, flags | _OPEN_FLAGS, 0o666)
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd
    os.close(fd)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "it is a FIFO, a socket or a device, not a file", str(path))


def read_regular(path: Path, largest: int = LARGEST_FILE_BYTES) -> bytes:
    """Read a whole file. Raises `OSError` for a FIFO, a device, or more than *largest* bytes, unread."""
    with os.fdopen(open_regular(path), "rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size > largest:
            raise OSError(errno.EFBIG, f"larger than {largest:,} bytes, so it is not read", str(path))
        return file.readall()


def digest(text: str, length: int = 8) -> str:
    """The first *length* hex digits of the text's SHA-256. Lone surrogates are allowed."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def slug(text: str, limit: int = 40) -> str:
    """The text as at most *limit* ASCII letters, digits and single hyphens; `x` if none of it is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    return _NOT_SLUG.sub("-", plain).strip("-")[:limit].strip("-") or "x"


def is_plain_name(text: str) -> bool:
    """Whether the text itself is a safe file name, and unique, on every file system.

    Upper case is not plain: on macOS and Windows, two ids that differ in case only would be one file.
    """
    return _PLAIN_NAME.fullmatch(text) is not None and text not in _WINDOWS_DEVICES


def file_stem(text: str) -> str:
    """The file name of an id, without extension: the id itself if it is a plain name, else slug and hash."""
    return text if is_plain_name(text) else f"{slug(text)}-{digest(text)}"


def visible(text: str) -> str:
    r"""The text with escapes for characters that move the cursor, reverse the line, are invisible or cannot be encoded.

    >>> visible("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    # Most texts are plain ASCII, which this test finds faster than the search.
    return text if text.isascii() and text.isprintable() else _INVISIBLE.sub(_escape, text)


def one_line(text: str, limit: int) -> str:
    """Visible text on one line, cut to *limit* characters with an ellipsis."""
    flat = visible(" ".join(text[: limit * 4].split()))
    return flat if len(flat) <= limit else flat[: max(limit - 1, 0)] + "…"


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    return character if character in _HARMLESS else character.encode("unicode_escape", "surrogatepass").decode("ascii")
