from __future__ import annotations

from pathlib import Path

import pytest

from plotbot.errors import InputError
from plotbot.plan.inputs import read_prompt, read_schema, read_template
from plotbot.plan.titles import read_titles


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
    ("read", "option"),
    [
        (read_titles, "--titles-path"),
        (read_prompt, "--prompt-path"),
        (read_schema, "--schema-path"),
        (read_template, "--template-path"),
    ],
)
def test_a_missing_file_is_named_with_the_option_that_names_another(tmp_path: Path, read: object, option: str) -> None:
    assert callable(read)
    with pytest.raises(InputError, match=f"gone: there is no .* file here.*{option}"):
        read(tmp_path / "gone")
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path)
