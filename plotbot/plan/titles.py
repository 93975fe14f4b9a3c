"""Reading the titles that a run samples from: JSON, JSON Lines, CSV or one a line, by the file's name.

Each entry has a title, may have an id, and keeps its other fields. Errors name the file, the place and what is wanted.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from plotbot.errors import InputError
from plotbot.plan.inputs import kind_of, parse_json, read_text
from plotbot.records import Title
from plotbot.safe import one_line, plural

MADE_ID_LENGTH = 6
"""Characters of an id that is made from a title's text: 0-9 and a-z."""
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_DEEPEST = 32
_SURROGATE = re.compile("[\ud800-\udfff]")
_DELIMITERS = ",;\t"
_ENDS_OF_LINE = re.compile(r"\r\n|\n|\r")
_FORMS = 'titles are {"1abc2d": {"title": "…"}, …}, [{"title": "…", "id": "1abc2d"}, …] or ["…", …]'


class _Object(list[tuple[str, Any]]):
    """A JSON object as its pairs: a dict would hide repeated keys."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of a titles file: `place` in words (`line 3`), and its id, which is `_MAKE` if it names none."""

    place: str
    id: object
    text: object
    fields: Mapping[str, Any]


_MAKE = object()


def read_titles(path: Path) -> tuple[Title, ...]:
    """The titles of a file, in its order: `.jsonl`, `.csv`, `.tsv` and `.txt` by name, JSON under any other name.

    JSON is `{"id": {"title": …}}`, `{"id": "…"}`, `[{"id": …, "title": …}]` or `["…"]`; JSON Lines has such an object
    or text a line; a CSV file has a header with `title` and perhaps `id`, and may be separated by commas, semicolons or
    tabs. An id that is not given is made from the text: the same text has the same id in every file and format. Fields
    beside `id` and `title` are kept with their types.

    Raises `InputError` with the place for any other form, for an empty file, for duplicate or empty ids, for empty
    titles, and for an entry without id that repeats another one.
    """
    read = _READERS.get(path.suffix.lower(), _json_entries)
    titles = _Collected(path)
    for entry in read(path):
        titles.add(entry)
    if not titles.by_id:
        raise InputError(f"{path}: there is no title in it: add one, such as {_EXAMPLES.get(read, _JSON_EXAMPLE)}")
    return tuple(titles.by_id.values())


def made_id(text: str, attempt: int = 0) -> str:
    """The id of a title that names none: six characters from the SHA-256 of its text.

    White space around and between words does not count. *attempt* counts from 1 where another title of the file has
    the id already, which happens in one of 4,000 files of 1,000 titles.
    """
    text = " ".join(text.split())
    material = f"{text}\0{attempt}" if attempt else text
    number = int.from_bytes(hashlib.sha256(material.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    digits = []
    for _ in range(MADE_ID_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)


class _Collected:
    """The titles read so far, by id, and where each stands."""

    def __init__(self, path: Path) -> None:
        self.by_id: dict[str, Title] = {}
        self._path = path
        self._places: dict[str, str] = {}
        self._unnamed: dict[str, str] = {}

    def add(self, entry: _Entry) -> None:
        text = self._text(entry)
        self._check_fields(entry)
        title_id = self._made(entry, text) if entry.id is _MAKE else self._given(entry)
        self.by_id[title_id] = Title(title_id, text, entry.fields)
        self._places[title_id] = entry.place

    def _text(self, entry: _Entry) -> str:
        text = entry.text
        if not isinstance(text, str) or not text.strip():
            named = "" if entry.id is _MAKE else f" (id {_shown(entry.id)})"
            self._refuse(entry, f'{named} has no title: give it a "title" that is a text and not empty')
        self._check_text(entry, "title", text)
        return text

    def _given(self, entry: _Entry) -> str:
        title_id = entry.id
        if not isinstance(title_id, str) or not title_id.strip():
            self._refuse(entry, " has no id: an id is a text that is not empty")
        self._check_text(entry, "id", title_id)
        if title_id in self.by_id:
            self._refuse(entry, f" repeats the id {_shown(title_id)} of {self._places[title_id]}: give it its own id")
        return title_id

    def _made(self, entry: _Entry, text: str) -> str:
        content = json.dumps([text, entry.fields], sort_keys=True) if entry.fields else text
        if content in self._unnamed:
            self._refuse(entry, f" repeats {self._unnamed[content]}: remove one of the two, or give each its own id")
        self._unnamed[content] = entry.place
        # Titles of one text, told apart by their fields, have ids of the fields too, save for the first of them.
        attempt, title_id = 0, made_id(text)
        while title_id in self.by_id:
            attempt += 1
            title_id = made_id(content, attempt)
        return title_id

    def _check_fields(self, entry: _Entry) -> None:
        for name, value in entry.fields.items():
            if fault := _fault_of(name) or _fault_of(value):
                self._refuse(entry, f": its field {_shown(name)} {fault}")

    def _check_text(self, entry: _Entry, what: str, text: str) -> None:
        if fault := _fault_of(text):
            named = "" if entry.id is _MAKE else f" (id {_shown(entry.id)})"
            self._refuse(entry, f"{named}: its {what} {fault}")

    def _refuse(self, entry: _Entry, what: str) -> NoReturn:
        raise InputError(f"{self._path}: {entry.place}{what}")


def _shown(value: object) -> str:
    return one_line(repr(value), 80)


def _fault_of(value: Any) -> str | None:
    """What is wrong with a field's value, in words; None if every file and page can hold it."""
    waiting: list[tuple[Any, int]] = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth > _DEEPEST:
            return f"is nested more than {_DEEPEST} deep"
        if isinstance(item, str) and not item.isascii() and _SURROGATE.search(item):
            return "holds half a surrogate pair, which is no text"
        if isinstance(item, float) and not math.isfinite(item):
            return "is no number that JSON knows"
        if isinstance(item, dict):
            waiting += [(part, depth + 1) for pair in item.items() for part in pair]
        elif isinstance(item, list):
            waiting += [(part, depth + 1) for part in item]
    return None


def _json_entries(path: Path) -> Iterator[_Entry]:
    data = parse_json(path, "titles", object_pairs_hook=_Object)
    if isinstance(data, _Object):
        for number, (title_id, entry) in enumerate(data, start=1):
            place = f"entry {number}"
            is_object = isinstance(entry, _Object)
            yield _entry(path, place, entry, title_id) if is_object else _Entry(place, title_id, entry, {})
    elif isinstance(data, list):
        for number, entry in enumerate(data, start=1):
            yield _entry(path, f"entry {number}", entry)
    else:
        raise InputError(f"{path}: {_FORMS}, but this is {kind_of(data)}")


def _json_lines(path: Path) -> Iterator[_Entry]:
    for number, line in _lines(path):
        try:
            data = json.loads(line, object_pairs_hook=_Object)
        except json.JSONDecodeError as error:
            raise InputError(
                f"{path}: line {number} is not JSON: {error.msg} at column {error.colno}; a line is one object "
                f"or text, such as {_LINE_EXAMPLE}"
            ) from None
        except (RecursionError, ValueError) as error:
            raise InputError(f"{path}: line {number} cannot be read: {error}") from None
        yield _entry(path, f"line {number}", data)


def _text_lines(path: Path) -> Iterator[_Entry]:
    for number, line in _lines(path):
        if "\0" in line:
            raise InputError(f"{path}: line {number} holds a NUL: this is no text; one title stands on each line")
        yield _Entry(f"line {number}", _MAKE, line.strip(), {})


def _csv_entries(path: Path) -> Iterator[_Entry]:
    text = read_text(path, "titles")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"{path}: line {line} holds a NUL: this is no CSV file in UTF-8")
    rows = _csv_rows(path, text)
    _, header = next(rows, (1, []))
    names = _header(path, [name.strip() for name in header])
    for line, row in rows:
        if len(row) != len(names):
            raise InputError(
                f"{path}: line {line} has {plural(len(row), 'cell')}, the header has {len(names)}: a cell that holds a "
                "comma, a quote or a line break stands in quotes"
            )
        cells = {name: cell.strip() for name, cell in zip(names, row, strict=True)}
        title_id, title = cells.pop("id", _MAKE), cells.pop("title")
        yield _Entry(f"line {line}", title_id, title, cells)


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the number of its first line."""
    first = _ENDS_OF_LINE.split(text.lstrip("\r\n"), maxsplit=1)[0]
    delimiter = max(_DELIMITERS, key=first.count) if first.count(",") == 0 else ","
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    line = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}: the row that begins on line {line} is not CSV: {error}") from None


def _header(path: Path, names: list[str]) -> list[str]:
    """The names of the columns; `Title` and `ID` in any case are `title` and `id`."""
    lowered = [name.lower() if name.lower() in {"id", "title"} else name for name in names]
    if "title" not in lowered:
        came = ", ".join(map(repr, names[:8])) or "nothing"
        raise InputError(
            f"{path}: line 1 is the header and needs a column `title`; it has {one_line(came, 200)}. "
            "A list of titles without a header is a .txt file"
        )
    for number, name in enumerate(lowered, start=1):
        if not name:
            raise InputError(f"{path}: line 1: column {number} has no name")
        if name in lowered[: number - 1]:
            raise InputError(f"{path}: line 1: column {number} repeats the name {_shown(name)}")
    return lowered


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, numbered from 1."""
    for number, line in enumerate(_ENDS_OF_LINE.split(read_text(path, "titles")), start=1):
        if line.strip():
            yield number, line


def _entry(path: Path, place: str, data: object, title_id: object = _MAKE) -> _Entry:
    """An entry from parsed JSON. A *title_id* stands before an entry that may not name another."""
    if isinstance(data, str):
        return _Entry(place, title_id, data, {})
    if not isinstance(data, _Object):
        raise InputError(f'{path}: {place} is {kind_of(data)}, not a text or {{"id": …, "title": …}}')
    fields: dict[str, Any] = {}
    for name, value in data:
        if name in fields:
            raise InputError(f"{path}: {place} has the field {_shown(name)} twice")
        fields[name] = _plain(value)
    own, text = fields.pop("id", _MAKE), fields.pop("title", None)
    return _Entry(place, own if title_id is _MAKE else title_id, text, fields)


def _plain(value: Any) -> Any:
    """A field's value with its objects as dicts. Few titles have nested fields, and the parser has capped the depth."""
    if isinstance(value, _Object):
        return {name: _plain(part) for name, part in value}
    return [_plain(part) for part in value] if isinstance(value, list) else value


_JSON_EXAMPLE = '{"1abc2d": {"title": "…"}}'
_LINE_EXAMPLE = '{"title": "…"}'
_READERS: Mapping[str, Callable[[Path], Iterator[_Entry]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".csv": _csv_entries,
    ".tsv": _csv_entries,
    ".txt": _text_lines,
}
_EXAMPLES: Mapping[Callable[[Path], Iterator[_Entry]], str] = {
    _json_lines: _LINE_EXAMPLE,
    _csv_entries: "a row below the header",
    _text_lines: "a headline on a line of its own",
}
