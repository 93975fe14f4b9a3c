"""Reading a journal back. Damaged lines, from a crash or a change by hand, are reported and never fatal.

The file is read line by line, so memory grows with its longest line, not with its size.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plotbot.errors import InputError, KeepError
from plotbot.keep.filesystem import Disk, describe
from plotbot.keep.journal import CLOSED_OFF, VERSION

LONGEST_LINE_BYTES = 256 * 1024 * 1024
"""Twice the line of the largest reply that is read, with every character escaped."""
CUT_SHORT = "cut short by a crash"
"""The reason for a line that was being written when its process died: its future never resolved."""
TORN = "torn, or no JSON"
SAME_AGAIN = "the same line again"


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One record; `offset` is the byte where its line starts."""

    kind: str
    data: Mapping[str, Any]
    offset: int


@dataclass(frozen=True, slots=True)
class Damaged:
    """A line that cannot be used: its number from 1, the byte where it starts, and the reason."""

    line_number: int
    offset: int
    reason: str


@dataclass(frozen=True, slots=True)
class JournalContents:
    """A whole journal: the good lines in their order, and those that were skipped."""

    lines: tuple[JournalLine, ...]
    damaged: tuple[Damaged, ...]


def read_journal(path: Path, disk: Disk | None = None) -> JournalContents:
    """Read a whole journal into memory. Raises `InputError` if the file is missing or unreadable."""
    damaged: list[Damaged] = []
    lines = tuple(stream_journal(path, damaged, disk))
    return JournalContents(lines, tuple(damaged))


def stream_journal(path: Path, damaged: list[Damaged], disk: Disk | None = None) -> Iterator[JournalLine]:
    """Yield the good lines one by one and add the skipped ones to *damaged*.

    Raises `InputError` if the file is missing or unreadable.
    """
    seen: set[bytes] = set()
    for number, offset, raw in _raw_lines(path, disk or Disk()):
        text = raw.rstrip(CLOSED_OFF)
        mark = hashlib.blake2b(text, digest_size=16).digest()
        parsed = _parse(text, offset)
        if parsed == TORN and (raw.endswith(CLOSED_OFF) or not raw.endswith(b"\n")):
            parsed = CUT_SHORT
        if isinstance(parsed, str):
            damaged.append(Damaged(number, offset, parsed))
        elif mark in seen:
            damaged.append(Damaged(number, offset, SAME_AGAIN))
        else:
            seen.add(mark)
            yield parsed


def read_line_at(path: Path, offset: int, disk: Disk | None = None) -> JournalLine:
    """The record whose line starts at byte *offset*. Raises `KeepError` if there is none."""
    return next(read_lines_at(path, (offset,), disk))


def read_lines_at(path: Path, offsets: Iterable[int], disk: Disk | None = None) -> Iterator[JournalLine]:
    """The records whose lines start at these bytes, one at a time. Raises `KeepError` if there is none."""
    try:
        with (disk or Disk()).open_read(path) as file:
            for offset in offsets:
                file.seek(offset)
                line = _parse(file.readline().rstrip(b"\n"), offset)
                if isinstance(line, str):
                    raise KeepError(f"{path}: no record at byte {offset}: {line}")
                yield line
    except OSError as error:
        raise KeepError(describe(error, path)) from error


def _raw_lines(path: Path, disk: Disk) -> Iterator[tuple[int, int, bytes]]:
    try:
        with disk.open_read(path) as file:
            offset, number = 0, 0
            while raw := file.readline(LONGEST_LINE_BYTES + 1):
                number += 1
                if len(raw) > LONGEST_LINE_BYTES:
                    raise InputError(f"{path}: line {number} has over {LONGEST_LINE_BYTES:,} bytes: this is no journal")
                yield number, offset, raw
                offset += len(raw)
    except OSError as error:
        raise InputError(f"{describe(error, path)}; is this a run's journal?") from error


def _parse(raw: bytes, offset: int) -> JournalLine | str:
    """The line, or the reason why it cannot be used."""
    if not raw.strip(b"\x00"):
        return "zero-filled" if raw else "empty"
    try:
        record = json.loads(raw.decode("ascii"))
    except (ValueError, RecursionError):
        return TORN
    return _check(record, offset)


def _check(record: object, offset: int) -> JournalLine | str:
    if not isinstance(record, dict):
        return "no JSON object"
    version, kind, data = record.get("v"), record.get("kind"), record.get("data")
    if version != VERSION or isinstance(version, bool):
        return f"schema version {version!r:.20} instead of {VERSION}"
    if not isinstance(kind, str) or not isinstance(data, dict):
        return "no kind or no data"
    return JournalLine(kind, data, offset)
