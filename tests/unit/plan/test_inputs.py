from __future__ import annotations

from pathlib import Path

import pytest

from plotbot.errors import InputError
from plotbot.plan.inputs import read_prompt, read_schema, read_titles
from plotbot.records import Title

TWO = (Title("1abc2d", "A goose"), Title("x", 'Say "hé" {now} 👻'))


@pytest.mark.parametrize(
    "text",
    [
        '{"1abc2d": {"title": "A goose", "source": "mine"}, "x": {"title": "Say \\"hé\\" {now} 👻"}}',
        '{"1abc2d": "A goose", "x": "Say \\"hé\\" {now} \\ud83d\\udc7b"}',
        '[{"id": "1abc2d", "title": "A goose"}, {"title": "Say \\"hé\\" {now} 👻", "id": "x"}]',
        '\ufeff{"1abc2d": "A goose",\r\n "x": {"title": "Say \\"hé\\" {now} 👻"}}\n',
    ],
)
def test_all_forms_of_an_index_are_read_in_their_order(tmp_path: Path, text: str) -> None:
    path = tmp_path / "titles.json"
    path.write_bytes(text.encode("utf-8"))
    assert read_titles(path) == TWO


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the titles file is empty"),
        ("{} trailing", "Extra data at line 1, column 4"),
        ('{"a": "b"\n"c"}', "at line 2, column 1"),
        ("null", "this is null"),
        ('"a"', "this is a text"),
        ("true", "this is a boolean"),
        ("[]", "there is no title in it"),
        ("[1]", "entry 1 is a number"),
        ('[{"id": "a"}]', "entry 1 (id 'a') has no title"),
        ('[{"title": "a"}]', "entry 1 has no id"),
        ('[{"id": 7, "title": "a"}]', "entry 1 has no id"),
        ('{"a": {"titel": "b"}}', "entry 1 (id 'a') has no title"),
        ('{"a": ["b"]}', "entry 1 (id 'a') has no title"),
        ('{"a": null}', "entry 1 (id 'a') has no title"),
        ('{"b": "c", " ": "d"}', "entry 2 has no id"),
        ('{"b": "c", "a": " \\n"}', "entry 2 (id 'a') has no title"),
        ('{"a": "b", "c": "d", "a": "b"}', "entry 3 repeats the id 'a' of entry 1"),
        ('{"a": "half \\ud83d"}', "its title holds half a surrogate pair"),
        ('{"\\udc00": "a"}', "its id holds half a surrogate pair"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_an_index_that_cannot_be_used_is_refused_with_the_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "titles.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_titles(path)
    assert says in str(refused.value)
    assert str(refused.value).startswith(str(path))


def test_ids_that_differ_in_case_alone_are_two_titles(tmp_path: Path) -> None:
    path = tmp_path / "titles.json"
    path.write_text('{"a": "b", "A": "c"}', encoding="utf-8")
    assert [title.id for title in read_titles(path)] == ["a", "A"]


def test_a_prompt_loses_the_blank_lines_around_it_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "prompt.txt"
    path.write_bytes("\ufeff\n  Be {brief}.\r\n\r\nAnd kind. \n\n".encode())
    assert read_prompt(path) == "Be {brief}.\r\n\r\nAnd kind."


@pytest.mark.parametrize(("content", "says"), [(b"", "the prompt is empty"), (b"ok\xff", "not UTF-8: byte 2")])
def test_an_empty_or_undecodable_prompt_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "prompt.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_prompt(path)


@pytest.mark.parametrize(
    ("text", "says"), [("[]", "this is an array"), ("true", "a boolean"), ("{", "line 1, column 2")]
)
def test_a_schema_is_a_json_object(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "schema.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read_schema(path)


@pytest.mark.parametrize(
    ("read", "option"), [(read_titles, "--titles-path"), (read_prompt, "--prompt-path"), (read_schema, "--schema-path")]
)
def test_a_missing_file_is_named_with_the_option_that_names_another(tmp_path: Path, read: object, option: str) -> None:
    assert callable(read)
    with pytest.raises(InputError, match=f"gone: there is no .* file here.*{option}"):
        read(tmp_path / "gone")
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path)
