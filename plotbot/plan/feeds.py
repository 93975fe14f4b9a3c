"""Reading headlines from a local RSS or Atom file. The parser follows no reference and expands no entity."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any
from xml.parsers import expat

from plotbot.errors import InputError
from plotbot.safe import read_regular

_ATOM, _RSS_1 = "http://www.w3.org/2005/Atom", "http://purl.org/rss/1.0/"
_ENTRIES = frozenset({"item", f"{_RSS_1} item", f"{_ATOM} entry", "entry"})
# The children of an entry that are kept, by the field that they become.
_KEPT = {
    "title": "title",
    f"{_ATOM} title": "title",
    f"{_RSS_1} title": "title",
    "link": "link",
    f"{_RSS_1} link": "link",
    "pubDate": "published",
    f"{_ATOM} published": "published",
    f"{_ATOM} updated": "published",
}
_TAG = re.compile(r"<[^<>]+>")
_DEEPEST = 200


class _RefusedError(Exception):
    """The file holds what a feed does not need and an attack does."""


class _Reader:
    """Collects the entries of a feed while expat reads it."""

    def __init__(self) -> None:
        self.entries: list[dict[str, str]] = []
        self._path: list[str] = []
        self._entry: dict[str, str] | None = None
        self._field: str | None = None
        self._field_depth = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        if len(self._path) > _DEEPEST:
            raise _RefusedError(f"its elements are nested more than {_DEEPEST} deep")
        if name in _ENTRIES and self._entry is None:
            self._entry, self._field_depth = {}, len(self._path) + 1
        elif self._entry is not None and len(self._path) == self._field_depth:
            self._begin_field(name, attributes)

    def text(self, text: str) -> None:
        if self._entry is not None and self._field is not None:
            self._entry[self._field] = self._entry.get(self._field, "") + text

    def end(self, _: str) -> None:
        if self._entry is not None:
            if len(self._path) == self._field_depth:
                self._field = None
            elif len(self._path) < self._field_depth:
                self.entries.append(self._entry)
                self._entry = None
        self._path.pop()

    def _begin_field(self, name: str, attributes: dict[str, str]) -> None:
        assert self._entry is not None
        if name == f"{_ATOM} link" and attributes.get("rel", "alternate") == "alternate":
            self._entry.setdefault("link", attributes.get("href", ""))
        field = _KEPT.get(name)
        self._field = None if field in self._entry else field


def read_feed(path: Path) -> list[dict[str, Any]]:
    """The entries of an RSS or Atom file in its order, each with `title` and, where told, `link` and `published`.

    Markup in a title is removed. Entries without a title are left out. Raises `InputError`, with line and column, for a
    file that is no XML, that declares entities, or that has no entry with a title.
    """
    try:
        data = read_regular(path)
    except OSError as error:
        raise InputError(f"{path}: the feed cannot be read: {error.strerror or error}") from None
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.text
    parser.EntityDeclHandler = _refuse_entity
    try:
        parser.Parse(data, True)  # noqa: FBT003  expat takes it by position: this is all of the file
    except expat.ExpatError as error:
        raise InputError(f"{path}: not an RSS or Atom file: {error}") from None
    except _RefusedError as error:
        place = f"line {parser.CurrentLineNumber}, column {parser.CurrentColumnNumber + 1}"
        raise InputError(f"{path}: {error} ({place}): a feed needs none; remove it") from None
    entries = [{**entry, "title": title} for entry in reader.entries if (title := _plain(entry.get("title", "")))]
    if not entries:
        raise InputError(f"{path}: there is no entry with a title in it: an RSS or Atom file has <item> or <entry>")
    return [{name: value.strip() for name, value in entry.items() if value.strip()} for entry in entries]


def _refuse_entity(name: str, *_: object) -> None:
    raise _RefusedError(f"it declares the entity {name!r:.60}")


def _plain(title: str) -> str:
    """A title without markup: feeds often escape HTML inside of it, some of them twice."""
    return " ".join(_TAG.sub("", html.unescape(title)).split())
