"""Real GGUF files for tests: the packaged model, whole, broken in a named way, or split into parts."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from plotbot.ask.embedded import MODEL_PATH

_ALIGNMENT = 32
_HEAD = struct.Struct("<4sIQQ")
_U16, _I32, _STRING = 2, 5, 8


def whole() -> bytes:
    return MODEL_PATH.read_bytes()


BROKEN: Mapping[str, tuple[bytes, str]] = {
    "nonsense": (b"this is not a model", "is no usable GGUF file: it begins with b'this', not with b'GGUF'"),
    "empty": (b"", "is no usable GGUF file: its header breaks off"),
    "truncated": (whole()[:-100_000], "bytes are missing at its end. Download it again"),
    "header alone": (whole()[:3_000], "is no usable GGUF file: its header breaks off"),
    "no template": (
        whole().replace(b"tokenizer.chat_template", b"tokenizer.chat_templatx"),
        "has no chat template, so it cannot be asked as an instruction-tuned model is",
    ),
    "other architecture": (
        whole().replace(b"general.architecture\x08\0\0\0\x05\0\0\0\0\0\0\0llama",
                        b"general.architecture\x08\0\0\0\x05\0\0\0\0\0\0\0lxama"),
        "its architecture, lxama, is not known to this engine (xllamacpp",
    ),
    "no tokens": (
        whole().replace(b"tokenizer.ggml.tokens", b"tokenizer.ggml.tokenz"),
        "the engine says: error loading model vocabulary: ",
    ),
}  # fmt: skip
"""By name: the file's bytes, and what a user reads of it."""


def write_split(folder: Path, name: str) -> list[Path]:
    """Write the packaged model as two parts, as llama.cpp's gguf-split does; gives their paths."""
    data = whole()
    place, entries_end, tensors = _walk(data)
    start = -(-place // _ALIGNMENT) * _ALIGNMENT
    half = len(tensors) // 2
    paths = []
    for number, mine in enumerate((tensors[:half], tensors[half:])):
        ends = [offset for _, offset in tensors] + [len(data) - start]
        blobs = [data[start + offset : start + min(end for end in ends if end > offset)] for _, offset in mine]
        count = _HEAD.unpack_from(data)[3]
        kept = data[_HEAD.size : entries_end] if number == 0 else b""
        extra = _entry("split.no", _U16, number) + _entry("split.count", _U16, 2)
        extra += _entry("split.tensors.count", _I32, len(tensors))
        infos, offset = b"", 0
        for (info, _), blob in zip(mine, blobs, strict=True):
            infos += info + struct.pack("<Q", offset)
            offset += len(blob)
        head = _HEAD.pack(b"GGUF", 3, len(mine), (count if number == 0 else 0) + 3) + kept + extra + infos
        path = folder / f"{name}-{number + 1:05}-of-00002.gguf"
        path.write_bytes(head + bytes(-len(head) % _ALIGNMENT) + b"".join(blobs))
        paths.append(path)
    return paths


def _entry(key: str, kind: int, value: int) -> bytes:
    shape = {_U16: "<H", _I32: "<i"}[kind]
    return struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + struct.pack(shape, value)


def _walk(data: bytes) -> tuple[int, int, list[tuple[bytes, int]]]:
    """Where the header ends, where its entries end, and each tensor's description with its offset."""
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

    def number(shape: str, at: int) -> int:
        return int(struct.unpack_from(shape, data, at)[0])

    def past(kind: int, at: int) -> int:
        if kind == _STRING:
            return at + 8 + number("<Q", at)
        if kind in sizes:
            return at + sizes[kind]
        inner, count, at = number("<I", at), number("<Q", at + 4), at + 12
        for _ in range(count):
            at = past(inner, at)
        return at

    _, _, tensor_count, entry_count = _HEAD.unpack_from(data)
    at = _HEAD.size
    for _ in range(entry_count):
        at = past(_STRING, at)
        at = past(number("<I", at), at + 4)
    entries_end = at
    tensors = []
    for _ in range(tensor_count):
        begin = at
        at = past(_STRING, at)
        at += 4 + 8 * number("<I", at) + 4
        tensors.append((data[begin:at], number("<Q", at)))
        at += 8
    return at, entries_end, tensors
