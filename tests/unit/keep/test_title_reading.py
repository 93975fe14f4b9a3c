import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.errors import InputError
from plotbot.keep.filesystem import Disk
from plotbot.keep.title_files import FoldOutcome
from plotbot.keep.title_reading import TitleFile, UnusableFile, answered_titles, title_files
from plotbot.records import Answer, Title

MODEL, HASH = "qwen/qwen3-4b", "9f2c41d0ab37"
MakeAnswer = Callable[..., Answer]
Save = Callable[..., FoldOutcome]


def _titles(*ids: str) -> list[Title]:
    return [Title(one, "A headline") for one in ids]


def test_a_title_is_answered_by_its_model_and_prompt_hash_alone(tmp_path: Path, answer: MakeAnswer, save: Save) -> None:
    save(answer("a"), answer("b", model="other"), answer("c", prompt_hash="other"), answer("d/../D"))
    asked = _titles("a", "b", "c", "d/../D", "never")
    assert answered_titles(tmp_path / "data", asked, MODEL, HASH) == {"a", "d/../D"}


def test_no_folder_answers_nothing(tmp_path: Path) -> None:
    assert answered_titles(tmp_path / "none", _titles("a"), MODEL, HASH) == set()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "damaged, no JSON"),
        (b"\0" * 40, "damaged, no JSON"),
        (b'{"title_id": "other", "title": "", "llm_models": {}}', "another title, 'other'"),
    ],
)
def test_a_damaged_or_foreign_file_answers_nothing_and_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    unusable: list[UnusableFile] = []
    assert answered_titles(tmp_path, _titles("a"), MODEL, HASH, unusable=unusable) == set()
    assert [(file.path, reason in file.reason) for file in unusable] == [(tmp_path / "a.json", True)]


@pytest.mark.parametrize("entry", [None, [], "x", {}, {"meta": {}}, {"response": [], "meta": 5}])
def test_what_is_no_answer_answers_nothing(tmp_path: Path, entry: Any) -> None:
    document = {"title_id": "a", "title": "", "llm_models": {MODEL: {HASH: entry}}}
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert answered_titles(tmp_path, _titles("a"), MODEL, HASH) == set()
    (file,) = title_files(tmp_path, Disk())
    assert isinstance(file, TitleFile)
    assert list(file.unusable_entries()) == [(MODEL, HASH)]


def test_all_title_files_are_read_by_name_and_nothing_else_is(tmp_path: Path, answer: MakeAnswer, save: Save) -> None:
    save(answer("b"), answer("a"))
    folder = tmp_path / "data"
    (folder / "a.json.damaged-20261122T000000Z-0000").write_bytes(b"{")
    (folder / ".a.1-2.tmp").write_bytes(b"{")
    (folder / "c.json").write_bytes((folder / "a.json").read_bytes())
    found = list(title_files(folder, Disk()))
    assert [file.path.name for file in found] == ["a.json", "b.json", "c.json"]
    assert [type(file) for file in found] == [TitleFile, TitleFile, UnusableFile]


def test_entries_are_sorted(tmp_path: Path, answer: MakeAnswer, save: Save) -> None:
    save(answer(model="z"), answer(model="b", prompt_hash="2"), answer(model="b", prompt_hash="1"))
    (file,) = title_files(tmp_path / "data", Disk())
    assert isinstance(file, TitleFile)
    assert [(model, prompt_hash) for model, prompt_hash, _ in file.entries()] == [("b", "1"), ("b", "2"), ("z", HASH)]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: Not a directory"):
        list(title_files(tmp_path / "file", Disk()))
