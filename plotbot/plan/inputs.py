"""Reading an eval's prompt, template and schema, and what they and the titles file have in common.

Errors name the file and the place in it, and are raised before the first request.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from plotbot.errors import InputError
from plotbot.safe import LARGEST_FILE_BYTES, read_regular

OPTIONS = {
    "titles": "--titles-path",
    "prompt": "--prompt-path",
    "schema": "--schema-path",
    "template": "--template-path",
    "labels": "--take or --labels",
}
"""The option that names another file, by what the file is."""
_LARGEST_BYTES = 8 * 1024 * 1024
"""A prompt, template, schema or labels file is smaller; only titles may fill a large file."""
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_prompt(path: Path) -> str:
    """The system message, without the blank lines around it. Raises `InputError` if it is missing or empty."""
    prompt = read_text(path, "prompt").strip()
    if not prompt:
        raise InputError(f"{path}: the prompt is empty: write what the model shall do")
    return prompt


def read_template(path: Path) -> str:
    """The template of the user message, without the blank lines around it. Raises `InputError` as `read_prompt`."""
    template = read_text(path, "template").strip()
    if not template:
        raise InputError(f"{path}: the template is empty: write the user message, with {{title}} where the title goes")
    return template


def read_schema(path: Path) -> Mapping[str, Any]:
    """The JSON Schema as parsed, not compiled. Raises `InputError` unless it is a JSON object."""
    schema = parse_json(path, "schema")
    if not isinstance(schema, dict):
        raise InputError(f"{path}: a schema is a JSON object, this is {kind_of(schema)}")
    _refuse_ambiguities(path, "schema", read_text(path, "schema"))
    return schema


_TOKEN = re.compile(r'(?P<text>"(?:[^"\\]|\\.)*")(?P<colon>\s*:)?|(?P<number>-?(?:\d[\d.eE+-]*|Infinity)|NaN)|[{}\[\]]')


def _refuse_ambiguities(path: Path, what: str, text: str) -> None:
    """Raise `InputError` for a repeated key, NaN or an infinite number, all of which Python reads in valid JSON."""
    keys: list[set[str]] = []
    key = ""
    for token in _TOKEN.finditer(text):
        flaw = ""
        if token["colon"] is not None:
            key = json.loads(token["text"])
            flaw = f"the key {key!r} is repeated: only the last one would count" if key in keys[-1] else ""
            keys[-1].add(key)
        elif token["number"] is not None and not math.isfinite(float(token["number"])):
            flaw = f"{token['number'][:20]} at the key {key!r} is no JSON number"
        elif token[0] in "{[":
            keys.append(set())
        elif token[0] in "}]":
            keys.pop()
        if flaw:
            line = text.count("\n", 0, token.start()) + 1
            raise InputError(f"{path}: line {line} of the {what} file: {flaw}; remove it")


def parse_json(path: Path, what: str, **hooks: Any) -> object:
    """The JSON of a file. Raises `InputError`, with line and column, for anything else."""
    text = read_text(path, what)
    if not text.strip():
        raise InputError(f"{path}: the {what} file is empty")
    try:
        return json.loads(text, **hooks)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{path}: the {what} file is not JSON: {error.msg} at {place}") from None
    except RecursionError:
        raise InputError(f"{path}: the {what} file is nested too deeply to be read") from None
    except ValueError as error:
        raise InputError(f"{path}: the {what} file cannot be read: {error}") from None


def read_text(path: Path, what: str) -> str:
    """The text of a file in UTF-8, without a byte order mark. Raises `InputError` for any other encoding."""
    try:
        data = read_regular(path, LARGEST_FILE_BYTES if what == "titles" else _LARGEST_BYTES)
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no {what} file here: make it, or name another with {OPTIONS[what]}"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: the {what} file cannot be read: {error.strerror or error}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse_encoding(path, what, data, error.start)


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    names = {str: "a text", bool: "a boolean", int: "a number", float: "a number", dict: "an object"}
    # A JSON object may have been read as its pairs, so that repeated keys are seen.
    return names.get(type(value), "an array" if type(value) is list else "an object")


def _refuse_encoding(path: Path, what: str, data: bytes, at: int) -> NoReturn:
    if data.startswith(_UTF_16):
        raise InputError(f"{path}: the {what} file is UTF-16: save it as UTF-8")
    line = data.count(b"\n", 0, at) + 1
    raise InputError(f"{path}: the {what} file is not UTF-8: byte {at} cannot be read (line {line}); save it as UTF-8")
