"""Which file an entry of EMBEDDED_MODEL means."""

from __future__ import annotations

from pathlib import Path

import pytest

from plotbot.ask.embedded.model_files import find_model_file, model_folders
from plotbot.errors import EngineError

FILES = (
    "lmstudio-community/Qwen3-4B-GGUF/Qwen3-4B-Q4_K_M.gguf",
    "lmstudio-community/Qwen3-4B-GGUF/mmproj-Qwen3-4B-f16.gguf",
    "lmstudio-community/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf",
    "bartowski/big-GGUF/big-Q4-00001-of-00002.gguf",
    "bartowski/big-GGUF/big-Q4-00002-of-00002.gguf",
    "bartowski/readme.txt",
)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / "models" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "models" / name).touch()
    return tmp_path / "models"


def found(entry: str, models: Path) -> Path:
    return find_model_file(entry, models.parent, {"LMSTUDIO_MODELS": str(models)})


@pytest.mark.parametrize(
    ("entry", "file"),
    [
        ("qwen3-4b", FILES[0]),
        ("QWEN3 8B", FILES[2]),
        ("lmstudio-community/qwen3-4b", FILES[0]),
        ("Qwen3-4B-Q4_K_M.gguf", FILES[0]),
        ("big", FILES[3]),
    ],
)
def test_a_name_finds_the_only_match(models: Path, entry: str, file: str) -> None:
    assert found(entry, models) == models / file


def test_a_path_is_taken_as_it_is_and_starts_at_the_project_root(models: Path) -> None:
    assert found("models/bartowski/readme.txt", models) == models / "bartowski/readme.txt"
    assert found("no/such.gguf", models) == models.parent / "no/such.gguf", (
        "what is wrong with it is said when it is read"
    )
    assert found(str(models / FILES[4]), models) == models / FILES[4]


def test_several_matches_are_listed(models: Path) -> None:
    with pytest.raises(EngineError) as several:
        found("qwen3", models)
    assert "qwen3 may mean 2 files. Name one of them:\n" in str(several.value)
    assert [name for name in FILES if str(models / name) in str(several.value)] == [FILES[0], FILES[2]]


@pytest.mark.parametrize("entry", ["mistral", "---", "../..", "mmproj"])
def test_no_match_says_where_it_was_looked_for(models: Path, entry: str) -> None:
    with pytest.raises(EngineError, match="no model of that name below"):
        found(entry, models)


def test_the_folders_are_lm_studios_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert model_folders({}) == []
    with pytest.raises(EngineError, match="here, where LM Studio has no models"):
        find_model_file("qwen", tmp_path, {})
    (tmp_path / ".cache/lm-studio/models").mkdir(parents=True)
    assert model_folders({"LMSTUDIO_MODELS": " "}) == [tmp_path / ".cache/lm-studio/models"]
