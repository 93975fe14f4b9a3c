"""Reads the header of a GGUF file, which is not trusted: every length is checked against a cap and the file's end.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3.
"""

from __future__ import annotations

import math
import mmap
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plotbot.errors import EngineError
from plotbot.safe import one_line, plural

_MOST_ENTRIES = 1_000_000
_MOST_TEXT = 16_000_000
_MOST_ELEMENTS = 16_000_000
_MOST_DIMENSIONS = 8
_LONG_LIST = 4096
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_MOST_WEIGHTS = 2**53
# ggml's tensor types: how many weights one block has, and how many bytes.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74),
    18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2),
    26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Header:
    """A file's metadata, and what its tensors add up to. `size_bytes` is 0 where one is of a type not known here."""

    metadata: Mapping[str, Any]
    size_bytes: int
    parameters: int


def number(metadata: Mapping[str, Any], key: str, otherwise: int = 0) -> int:
    """A whole number of the metadata; *otherwise* where there is none."""
    value = metadata.get(key)
    return value if isinstance(value, int) and 0 <= value < 2**48 else otherwise


def read_header(path: Path, parts: int) -> Header:
    """Read one file, of *parts* that belong together. Raises `EngineError`, which names the file and what is wrong."""
    try:
        _check_ordinary(path)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(data).header()
    except OSError as error:
        what = f"It is one of {parts} parts; all must lie beside each other." if parts > 1 else "Correct the path."
        raise EngineError(f"{one_line(str(path), 300)} cannot be read ({error.strerror or error}). {what}") from None
    except (_BrokenError, ValueError, struct.error, UnicodeDecodeError) as broken:
        why = broken if isinstance(broken, _BrokenError) else "its header breaks off"
        raise EngineError(
            f"{one_line(str(path), 300)} is no usable GGUF file: {why}. Download it again, or name another file."
        ) from None


def _check_ordinary(path: Path) -> None:
    """A pipe or a device might keep its reader waiting for ever."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise _BrokenError("it is no ordinary file")


class _BrokenError(Exception):
    """What is wrong with a file."""


class _Reader:
    """Reads on from `place`. Slices of *data* that go beyond its end are short, which `struct` refuses."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._place = 0

    def header(self) -> Header:
        if self._data[:4] != b"GGUF":
            raise _BrokenError(f"it begins with {self._data[:4]!r}, not with b'GGUF'")
        self._place = 4
        version, tensors, entries = self._take("<IQQ")
        if version not in _VERSIONS:
            raise _BrokenError(f"its version is {version}, but 2 and 3 are known (little-endian)")
        if max(tensors, entries) > _MOST_ENTRIES:
            raise _BrokenError(f"it claims {tensors} tensors and {entries} entries")
        metadata = {}
        for _ in range(entries):
            key = self._text()
            metadata[key] = self._value(self._take("<I")[0])
        return self._with_tensors(metadata, tensors)

    def _with_tensors(self, metadata: Mapping[str, Any], count: int) -> Header:
        size = parameters = end = 0
        known = True
        for _ in range(count):
            self._text()
            dimensions = self._dimensions()
            kind, offset = self._take("<IQ")
            weights, block = math.prod(dimensions), _BLOCKS.get(kind)
            if weights > _MOST_WEIGHTS:
                raise _BrokenError(f"a tensor claims {weights} weights")
            parameters += weights
            stored = weights // block[0] * block[1] if block else 0
            known = known and block is not None
            size, end = size + stored, max(end, offset + stored)
        alignment = max(number(metadata, "general.alignment", 32), 1)
        missing = -(-self._place // alignment) * alignment + end - len(self._data)
        if count and missing > 0:
            raise _BrokenError(f"{plural(missing, 'byte is', 'bytes are')} missing at its end")
        return Header(metadata, size if known else 0, parameters)

    def _dimensions(self) -> tuple[int, ...]:
        (count,) = self._take("<I")
        if count > _MOST_DIMENSIONS:
            raise _BrokenError(f"a tensor claims {count} dimensions")
        return self._take(f"<{count}Q")

    def _value(self, kind: int) -> Any:
        """A value. A long list, or one of texts, is read over: a range of its length stands for it."""
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            return self._take("<" + self._scalar(kind))[0]
        inner, count = self._take("<IQ")
        if count > _MOST_ELEMENTS:
            raise _BrokenError(f"a list claims {count} elements")
        if inner == _STRING:
            for _ in range(count):
                self._skip(self._take("<Q")[0])
        elif count <= _LONG_LIST:
            return self._take(f"<{count}{self._scalar(inner)}")
        else:
            self._skip(count * struct.calcsize("<" + self._scalar(inner)))
        return range(count)

    def _scalar(self, kind: int) -> str:
        if kind not in _SCALARS:
            raise _BrokenError(f"it has a value of the unknown type {kind}")
        return _SCALARS[kind]

    def _text(self) -> str:
        (length,) = self._take("<Q")
        if length > _MOST_TEXT:
            raise _BrokenError(f"a text claims {length} bytes")
        begin = self._place
        self._skip(length)
        return self._data[begin : self._place].decode("utf-8", "replace")

    def _skip(self, length: int) -> None:
        self._place += length
        if self._place > len(self._data):
            raise _BrokenError("its header breaks off")

    def _take(self, shape: str) -> tuple[Any, ...]:
        values = struct.unpack_from(shape, self._data, self._place)
        self._place += struct.calcsize(shape)
        return values
