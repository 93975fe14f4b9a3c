"""The header of a GGUF file: what it tells, and what becomes of one that is broken."""

from __future__ import annotations

import contextlib
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from plotbot.ask.embedded import MODEL_PATH
from plotbot.ask.embedded.gguf import name_of, parts_of, read_model
from plotbot.errors import EngineError
from tests.gguf_files import BROKEN, whole, write_split

HEADER_BYTES = 70_000
"""Where the header of the packaged model ends, or a little beyond."""


def written(folder: Path, data: bytes, name: str = "model.gguf") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_the_packaged_model_is_what_its_card_says() -> None:
    model = read_model(MODEL_PATH)
    assert (model.name, model.architecture, model.quantization) == ("story-seeds", "llama", "Q8_0")
    assert (model.parameters, model.context_length, model.vocabulary) == (1_916_640, 2048, 2048)
    assert model.size_bytes == 2_041_600, "as llama.cpp counts it"
    assert model.cache_bytes == 2 * 5 * 2 * 160, "two bytes each for keys and values of 160 numbers in 5 layers"
    assert model.chat_template is not None


def test_a_split_model_is_the_sum_of_its_parts_whichever_is_named(tmp_path: Path) -> None:
    first, second = write_split(tmp_path, "seeds")
    model, whole_one = read_model(second), read_model(MODEL_PATH)
    assert (model.name, model.paths) == ("seeds", (first, second))
    assert (model.parameters, model.size_bytes) == (whole_one.parameters, whole_one.size_bytes)
    assert model.chat_template == whole_one.chat_template
    second.unlink()
    with pytest.raises(EngineError, match=r"00002-of-00002\.gguf cannot be read \(No such file.*\)\. It is one of 2"):
        read_model(first)


@pytest.mark.parametrize("name", ["a-00000-of-00002.gguf", "a-00003-of-00002.gguf", "a-00001-of-00000.gguf"])
def test_a_part_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(EngineError, match="is no part of"):
        parts_of(Path(name))


def test_a_model_is_named_after_its_file() -> None:
    assert name_of(Path("x/Qwen3-4B.Q4_K_M.gguf")) == "Qwen3-4B.Q4_K_M"
    assert name_of(Path("x/big-00002-of-00003.gguf")) == "big"
    assert name_of(Path(os.fsdecode(b"x/\xff\x1b[2J\n.gguf"))).isprintable()


@pytest.mark.parametrize("kind", ["nonsense", "empty", "truncated", "header alone"])
def test_a_broken_file_is_refused_in_one_sentence(tmp_path: Path, kind: str) -> None:
    data, said = BROKEN[kind]
    with pytest.raises(EngineError) as refused:
        read_model(written(tmp_path, data))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (struct.pack("<4sIQQ", b"GGUF", 1, 0, 0), "its version is 1"),
        (struct.pack(">4sIQQ", b"GGUF", 3, 0, 0), "its version is 50331648"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 2**60, 0), "claims 1152921504606846976 tensors"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + struct.pack("<Q", 2**63), "a text claims"),
        (struct.pack("<4sIQQQ1sIIQ", b"GGUF", 3, 0, 1, 1, b"k", 9, 8, 2**62), "a list claims"),
        (struct.pack("<4sIQQQ1sIIQ", b"GGUF", 3, 0, 1, 1, b"k", 9, 9, 1), "unknown type 9"),
        (struct.pack("<4sIQQQ1sI", b"GGUF", 3, 0, 1, 1, b"k", 77), "unknown type 77"),
        (struct.pack("<4sIQQQ1sI", b"GGUF", 3, 1, 0, 1, b"t", 2**31), "claims 2147483648 dimensions"),
        (struct.pack("<4sIQQQ1sI2QIQ", b"GGUF", 3, 1, 0, 1, b"t", 2, 2**62, 2**62, 0, 0), "a tensor claims"),
    ],
)
def test_a_header_that_claims_too_much_is_refused(tmp_path: Path, head: bytes, said: str) -> None:
    with pytest.raises(EngineError, match=said):
        read_model(written(tmp_path, head))


def test_no_damage_to_a_header_raises_anything_else(tmp_path: Path) -> None:
    rng, data = random.Random(18), whole()
    for number in range(150):
        damaged = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(HEADER_BYTES if number % 2 else 400)] = rng.randrange(256)
        cut = bytes(damaged if number % 3 else damaged[: rng.randrange(HEADER_BYTES)])
        with contextlib.suppress(EngineError):
            read_model(written(tmp_path, cut))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    with pytest.raises(EngineError, match="it is no ordinary file"):
        read_model(tmp_path / "pipe.gguf")


def test_reading_a_header_loads_no_engine() -> None:
    code = "import sys, plotbot.ask.embedded.gguf; sys.exit('xllamacpp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
