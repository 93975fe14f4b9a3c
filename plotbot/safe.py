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
from functools import cache
from pathlib import Path, PurePath
from urllib.parse import quote

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

_IN_PATH = r"[\w./\\~-]"


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


def plural(number: float, one: str, many: str = "") -> str:
    """`1 label`, `1,204 labels`; *many* where it is not *one* with an s."""
    told = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return f"{told} {one if number == 1 else many or f'{one}s'}"


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


def without_folders(text: str, root: PurePath, home: PurePath | None = None) -> str:
    """The text for a page that is shared: paths below *root* are relative to it, and the user's *home* folder is `~`.

    `No such file: '/srv/seeds/data/a.json'` of the root `/srv/seeds` becomes `No such file: 'data/a.json'`.
    """
    if "/" not in text and "\\" not in text:
        return text
    for pattern in _patterns(root):
        text = pattern.sub(_relative, text)
    # `Path.home` raises where there is no home folder.
    for pattern in _patterns(Path(os.path.expanduser("~")) if home is None else home):  # noqa: PTH111
        text = pattern.sub(r"~\g<inside>", text)
    return text


@cache
def _patterns(folder: PurePath) -> tuple[re.Pattern[str], ...]:
    """What finds a folder in a text, by the name that it is given and by the one that it has without symbolic links."""
    if not folder.is_absolute() or folder == folder.parent:
        return ()
    real = PurePath(os.path.realpath(folder)) if isinstance(folder, Path) else folder
    names = {str(folder), str(real)}
    return tuple(_pattern(name, folder.drive) for name in sorted(names, key=len, reverse=True))


def _pattern(folder: str, drive: str) -> re.Pattern[str]:
    """A whole folder: not `/srv/seeds` in `/srv/seeds2`. On Windows any slashes separate, as a `repr` doubles them."""
    separator = r"[\\/]+" if drive else "/"
    parts = [part for part in re.split(separator, folder) if part]
    start = "" if drive[1:] == ":" else separator
    # Any longer path may go through a folder with the name of this one, where it has a single part.
    begins = "" if len(parts) > 1 else rf"(?<!{_IN_PATH})"
    inside = rf"""(?P<inside>{separator}(?=[^\s"'`)\]}}>,;:]))?"""
    return re.compile(
        rf"{begins}{start}{separator.join(map(_part, parts))}(?!\w|[.@+~-]\w){inside}",
        re.IGNORECASE if drive else 0,
    )


def _part(name: str) -> str:
    """One part of a path: white space in it may have been folded, or all of it be percent-encoded, as in a URI."""
    folded = r"\s+".join(map(re.escape, re.split(r"\s+", name)))
    return f"(?:{folded}|{re.escape(quote(name))})"


def _relative(match: re.Match[str]) -> str:
    """What stands for the root: `.`, or nothing before a path in it; `…/` where more of a path stands before it."""
    before, after = match.string[max(match.start() - 1, 0) : match.start()], match.string[match.end() : match.end() + 1]
    if match["inside"] is None:
        return "." if after in {"/", "\\"} else "./"
    return "…/" if re.match(_IN_PATH, before) else ""


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    return character if character in _HARMLESS else character.encode("unicode_escape", "surrogatepass").decode("ascii")
