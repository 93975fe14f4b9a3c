"""The model in a GGUF file, as the file's header describes it.

A model may be split into several files (`-00001-of-00003.gguf`): the first has the metadata, each lists its
own tensors.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plotbot.ask.embedded.gguf_header import number, read_header
from plotbot.errors import EngineError
from plotbot.safe import one_line

_NAME_CHARACTERS = 200
_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})", re.DOTALL)
# llama.cpp's names for general.file_type.
_QUANTIZATIONS = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GgufModel:
    """A model as its file's header describes it. `paths` are the file, or all parts of a split one, in order.

    `size_bytes` counts the weights' bytes, `parameters` the weights; both are 0 where the header has a type of weights
    that is not known here. `context_length` is what the model was trained for, in tokens; `cache_bytes` what one token
    of context takes in the 16-bit cache of keys and values. `chat_template` is the SHA-256 of the template.
    """

    name: str
    paths: tuple[Path, ...]
    size_bytes: int
    parameters: int
    architecture: str | None
    quantization: str | None
    context_length: int | None
    chat_template: str | None
    vocabulary: int
    cache_bytes: int

    @property
    def file(self) -> str:
        return self.paths[0].name


def name_of(path: Path) -> str:
    """The model's name: its file's, without the ending and the number of the part."""
    stem = path.name.removesuffix(".gguf")
    part = _PART.fullmatch(stem)
    return one_line(part["stem"] if part else stem, _NAME_CHARACTERS)


def parts_of(path: Path) -> tuple[Path, ...]:
    """All parts of a split model, whichever of them *path* is; *path* alone where the model is not split."""
    part = _PART.fullmatch(path.name.removesuffix(".gguf"))
    if part is None:
        return (path,)
    count = int(part["count"])
    if not 1 <= int(part["number"]) <= count:
        raise EngineError(
            f"{one_line(str(path), 300)} is no part of {count}: use the file's own name, which ends in "
            f"-00001-of-{count:05}."
        )
    return tuple(path.with_name(f"{part['stem']}-{number:05}-of-{count:05}.gguf") for number in range(1, count + 1))


def stamp_of(paths: Sequence[Path]) -> list[list[int]]:
    """Size in bytes and time of change in nanoseconds of each file, as JSON keeps them. Raises OSError."""
    return [[status.st_size, status.st_mtime_ns] for status in (path.stat() for path in paths)]


def read_model(path: Path) -> GgufModel:
    """Read the header of a GGUF file and of all its parts. Raises `EngineError`, which names file and cause."""
    paths = parts_of(path)
    headers = [read_header(part, len(paths)) for part in paths]
    metadata = headers[0].metadata
    template = metadata.get("tokenizer.chat_template")
    tokens = metadata.get("tokenizer.ggml.tokens")
    known = all(header.size_bytes for header in headers)
    architecture = metadata.get("general.architecture")
    return GgufModel(
        name_of(paths[0]),
        paths,
        sum(header.size_bytes for header in headers) if known else 0,
        sum(header.parameters for header in headers),
        architecture if isinstance(architecture, str) else None,
        _QUANTIZATIONS.get(number(metadata, "general.file_type", -1)),
        number(metadata, f"{architecture}.context_length") or None,
        hashlib.sha256(template.encode()).hexdigest() if isinstance(template, str) and template.strip() else None,
        len(tokens) if isinstance(tokens, range | tuple) else 0,
        _cache_bytes(metadata, str(architecture)),
    )


def _cache_bytes(metadata: Mapping[str, Any], architecture: str) -> int:
    """Bytes of keys and values per token of context, at most: 2 bytes for each number, in every layer and head.

    Architectures that share or compress them need less.
    """

    def of(name: str, otherwise: int = 0) -> int:
        return number(metadata, f"{architecture}.{name}", otherwise)

    heads = of("attention.head_count", 1) or 1
    width = of("embedding_length") // heads
    lengths = of("attention.key_length", width) + of("attention.value_length", width)
    by_layer = metadata.get(f"{architecture}.attention.head_count_kv")
    if isinstance(by_layer, tuple):
        return 2 * lengths * sum(one for one in by_layer if isinstance(one, int) and one > 0)
    return 2 * lengths * of("block_count") * (of("attention.head_count_kv", heads) or heads)
