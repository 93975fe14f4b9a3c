"""Reading an eval's files: titles, prompt and schema.

Errors name the file and the place in it, and are raised before the first request.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from plotbot.errors import InputError
from plotbot.records import Title


class _Object(list[tuple[str, Any]]):
    """A JSON object as its pairs: a dict would hide repeated keys."""


def read_titles(path: Path) -> tuple[Title, ...]:
    """The titles of an index, in its order.

    Reads `{"id": {"title": …}}`, `{"id": "…"}` and `[{"id": …, "title": …}]`. Raises `InputError`, which names the
    entry, for any other form, for an empty index, for duplicate or empty ids and for empty titles.
    """
    data = _parse(path, "titles", object_pairs_hook=_Object)
    titles: dict[str, Title] = {}
    for number, (title_id, text) in enumerate(_entries(path, data), start=1):
        title = _title(f"{path}: entry {number}", title_id, text)
        if title.id in titles:
            first = list(titles).index(title.id) + 1
            raise InputError(f"{path}: entry {number} repeats the id {title.id!r} of entry {first}: give it its own id")
        titles[title.id] = title
    if not titles:
        raise InputError(f'{path}: there is no title in it: add one, such as {{"1abc2d": {{"title": "…"}}}}')
    return tuple(titles.values())


def read_prompt(path: Path) -> str:
    """The prompt template, without the blank lines around it. Raises `InputError` if it is missing or empty."""
    prompt = _read_text(path, "prompt").strip()
    if not prompt:
        raise InputError(f"{path}: the prompt is empty: write what the model shall do")
    return prompt


def read_schema(path: Path) -> Mapping[str, Any]:
    """The JSON Schema as parsed, not compiled. Raises `InputError` unless it is a JSON object."""
    schema = _parse(path, "schema")
    if not isinstance(schema, dict):
        raise InputError(f"{path}: a schema is a JSON object, this is {_kind(schema)}")
    return schema


def _entries(path: Path, data: object) -> Iterator[tuple[object, object]]:
    if isinstance(data, _Object):
        for title_id, entry in data:
            yield title_id, dict(entry).get("title") if isinstance(entry, _Object) else entry
    elif isinstance(data, list):
        for number, entry in enumerate(data, start=1):
            if not isinstance(entry, _Object):
                raise InputError(f'{path}: entry {number} is {_kind(entry)}, not {{"id": …, "title": …}}')
            fields = dict(entry)
            yield fields.get("id"), fields.get("title")
    else:
        raise InputError(f"{path}: titles are a JSON object or array, this is {_kind(data)}")


def _title(where: str, title_id: object, text: object) -> Title:
    if not isinstance(title_id, str) or not title_id.strip():
        raise InputError(f"{where} has no id: an id is a text that is not empty")
    if not isinstance(text, str) or not text.strip():
        raise InputError(f'{where} (id {title_id!r}) has no title: give it a "title" that is a text and not empty')
    for name, value in (("id", title_id), ("title", text)):
        if not _encodes(value):
            raise InputError(f"{where} (id {title_id!r}): its {name} holds half a surrogate pair, which is no text")
    return Title(title_id, text)


def _encodes(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _parse(path: Path, what: str, **hooks: Any) -> object:
    text = _read_text(path, what)
    if not text.strip():
        raise InputError(f"{path}: the {what} file is empty")
    try:
        return json.loads(text, **hooks)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{path}: the {what} file is not JSON: {error.msg} at {place}") from None
    except RecursionError:
        raise InputError(f"{path}: the {what} file is nested too deeply to be read") from None


def _read_text(path: Path, what: str) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no {what} file here: make it, or name another with {_OPTIONS[what]}"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: the {what} file is not UTF-8: byte {error.start} cannot be read") from None
    except OSError as error:
        raise InputError(f"{path}: the {what} file cannot be read: {error.strerror or error}") from None


_OPTIONS = {"titles": "--titles-path", "prompt": "--prompt-path", "schema": "--schema-path"}


def _kind(value: object) -> str:
    names = {dict: "an object", _Object: "an object", list: "an array", str: "a text", bool: "a boolean"}
    return names.get(type(value), "null" if value is None else "a number")
