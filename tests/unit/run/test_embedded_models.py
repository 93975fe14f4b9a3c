"""What a run knows of its GGUF files before an engine is started."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from plotbot.ask.embedded import MODEL_PATH
from plotbot.ask.embedded.memory import Memory, default_threads, memory, physical_cores
from plotbot.errors import EngineError
from plotbot.run.embedded_models import EmbeddedModel, embedded_models, share, size_text, too_large
from plotbot.run.model_hashes import CACHE, model_sha256
from plotbot.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "big.gguf").write_bytes(MODEL_PATH.read_bytes())
    return load_settings(tmp_path, {}, {"EMBEDDED_MODEL": ["big.gguf"]})


@pytest.fixture
def model(settings: Settings) -> EmbeddedModel:
    return embedded_models(settings)[0].with_context(1500)


def test_a_files_own_context_is_the_most_and_the_wanted_one_is_rounded_up(model: EmbeddedModel) -> None:
    assert model.options.context_length == 1536
    assert model.with_context(9000).options.context_length == 2048


def test_the_packaged_model_keeps_its_one_thread_whatever_the_machine_has(tmp_path: Path, model: EmbeddedModel) -> None:
    (packaged,) = embedded_models(load_settings(tmp_path, {}, {}))
    assert (packaged.options.threads, packaged.options.gpu_layers, packaged.options.slots) == (1, 0, 4)
    assert model.options.threads == default_threads()
    assert model.options.gpu_layers is None


def test_what_needs_more_than_is_free_is_warned_of_and_what_cannot_be_is_refused(model: EmbeddedModel) -> None:
    needed = model.needed_bytes
    assert needed == 2_041_600 + 3200 * 1536 * 4 + 4 * 512 * 2048 + 64_000_000
    assert too_large(model, Memory(10 * needed, needed)) is None
    assert too_large(model, Memory(None, None)) is None
    tight = too_large(model, Memory(10 * needed, needed - 1))
    assert tight is not None
    assert "big needs about 89.9 MB of memory (4 slots of 1536 tokens), but 89.9 MB are free" in tight
    with pytest.raises(EngineError, match=r"but there are only 44.9 MB\. Lower EMBEDDED_SLOTS or CONTEXT_LENGTH"):
        too_large(model, Memory(needed // 2 - 1, 0))


def test_this_machine_has_memory_and_cores() -> None:
    has = memory()
    assert has.total is None or has.total > 10**8
    assert has.free is None or has.total is None or 0 <= has.free <= has.total
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 2), (3, 2), (4, 3), (16, 15)])
def test_an_engine_leaves_a_core_to_the_rest_where_there_are_more_than_two(
    monkeypatch: pytest.MonkeyPatch, cores: int, threads: int
) -> None:
    monkeypatch.setattr("plotbot.ask.embedded.memory.physical_cores", lambda: cores)
    assert default_threads() == threads


def test_a_hash_is_read_once_and_again_when_the_file_has_changed(settings: Settings, model: EmbeddedModel) -> None:
    read: list[int] = []
    first = model_sha256(model.gguf, settings, read.append)
    assert model_sha256(model.gguf, settings, read.append) == first
    assert sum(read) == MODEL_PATH.stat().st_size
    (path,) = model.gguf.paths
    path.write_bytes(MODEL_PATH.read_bytes()[::-1])
    assert model_sha256(model.gguf, settings, read.append) != first
    for damage in (b"", b"[]", b'{"x": 1}', b"\xff", b"[" * 100_000):
        (settings.runs_dir / CACHE).write_bytes(damage)
        assert model_sha256(model.gguf, settings, read.append) != first


def test_two_files_of_one_name_are_refused(settings: Settings) -> None:
    (settings.root / "sub").mkdir()
    (settings.root / "sub" / "big.gguf").write_bytes(MODEL_PATH.read_bytes())
    both = replace(settings, embedded_model=("big.gguf", "sub/big.gguf"))
    with pytest.raises(EngineError, match="would both be called big"):
        embedded_models(both)


def test_sizes_are_told_in_the_unit_of_the_whole() -> None:
    assert share(1_234_000_000, 4_920_000_000) == "1.2 of 4.9 GB"
    assert share(5, 3) == "3.0 of 3.0 bytes"
    assert [size_text(count) for count in (0, 98_362_432, 9_216_000_000_000)] == ["0 bytes", "98.4 MB", "9.22 TB"]
