from __future__ import annotations

import fnmatch
import os
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


@pytest.mark.parametrize("what", ["device", "fifo", "giant"])
def test_a_device_a_fifo_and_a_giant_file_are_refused_unread(tmp_path: Path, what: str) -> None:
    path = Path("/dev/zero") if what == "device" else tmp_path / "prompt.txt"
    if what == "fifo":
        os.mkfifo(path)
    elif what == "giant":
        path.write_bytes(b"")
        os.truncate(path, 9 * 1024 * 1024)
    says = "larger than 8,388,608 bytes" if what == "giant" else "it is a FIFO, a socket or a device"
    for read in (read_prompt, read_schema, read_template):
        with pytest.raises(InputError, match=f"{path}: .* cannot be read: {says}"):
            read(path)


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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '{"type": "array",\n "items": {"maxLength": 3, "x-a": "{",\n  "maxLength": 4}}',
            "line 3*key 'maxLength' is repeated",
        ),
        ('{"a": {"b": 1}, "b": [{"a": 1}, {"a": 1}],\n\n "\\u0061": 2}', "line 3*key 'a' is repeated"),
        ('{"maximum":\n NaN}', "line 2*NaN at the key 'maximum' is no JSON number"),
        ('{"enum": ["NaN", -Infinity]}', "line 1*-Infinity at the key 'enum'"),
        ('{"maximum": 1e999}', "line 1*1e999 at the key 'maximum'"),
    ],
)
def test_a_schema_with_a_repeated_key_or_no_number_is_refused_with_line_and_key(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "schema.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_schema(path)
    assert fnmatch.fnmatch(str(caught.value), f"{path}: {words}*")


def test_a_schema_may_say_the_same_key_in_different_objects(tmp_path: Path) -> None:
    text = '{"a": {"a": 1, "b": "\\\\\\"a\\": NaN {"}, "b": [{"a": 1e3}, {"a": -1.5}]}'
    path = tmp_path / "schema.json"
    path.write_text(text, encoding="utf-8")
    assert read_schema(path)["b"] == [{"a": 1000.0}, {"a": -1.5}]
