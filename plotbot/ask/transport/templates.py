r"""Templates of the user message: names in braces are replaced, once, and nothing is evaluated.

`{title}` is the headline, `{title_json}` the same as a JSON string, `{schema}` what the schema asks for in words,
`{schema_json}` the schema, `{fields}` the title's further fields as a JSON object, and any other name a field: a text
as it is, any other value as JSON, in which `<` is written `\u003c`. A brace before anything but a letter is text, and
so is a name in two braces: `{{title}}` gives `{title}`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from plotbot.errors import InputError
from plotbot.records import Title
from plotbot.safe import one_line

BUILT_IN = ("title", "title_json", "schema", "schema_json", "fields")
_OF_THE_TITLE = frozenset({"title", "title_json", "fields"})
_NAME = r'[ \t]*([^\W\d_][^{}\n"]*|_[^{}\n"]*)'
_PLACEHOLDER = re.compile(rf"\{{\{{{_NAME}\}}\}}|\{{{_NAME}\}}")
_json = json.JSONEncoder(ensure_ascii=False).encode


def fill(template: str, title: Title, *, schema: Mapping[str, Any], schema_words: str) -> str:
    """The message about a title. Text that comes in is not looked at again, whatever braces it holds.

    Raises `KeyError` for a name that `refuse_unknown_names` refuses.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[0][1:-1]
        name = match[2].strip()
        if name in BUILT_IN:
            return _built_in(name, title, schema, schema_words)
        field = title.fields[name]
        return field if isinstance(field, str) else _quoted(field)

    return _PLACEHOLDER.sub(value, template)


def refuse_unknown_names(template: str, titles: Iterable[Title], where: str) -> None:
    """Raise `InputError` for a name that is none of a title's, with its place in the file *where* and what is known.

    A template that would ask the same about every title is refused as well.
    """
    titles, names = tuple(titles), dict(_names(template))
    own = [name for name in names if name not in BUILT_IN]
    if not own and not _OF_THE_TITLE & names.keys():
        raise InputError(f"{where}: the template names nothing of a title, so every message would be the same: {_HOW}")
    known = tuple(dict.fromkeys(field for title in titles for field in title.fields))
    for name in own:
        if name not in known:
            raise InputError(f"{where}: {names[name]}: {_unknown(name, known)}")
        without = next((title for title in titles if name not in title.fields), None)
        if without is not None:
            named = one_line(repr(without.id), 80)
            raise InputError(f"{where}: {names[name]}: the title {named} has no field {name!r}: give it one")


def _quoted(field: Any) -> str:
    """A field as JSON in which no text can be an end tag or a chat template's own token, which begin with `<`.

    JSON knows the escape, and a server turns a token's name in a message into the token.
    """
    return _json(field).replace("<", "\\u003c")


def _built_in(name: str, title: Title, schema: Mapping[str, Any], schema_words: str) -> str:
    match name:
        case "title":
            return title.text
        case "title_json":
            return _json(title.text)
        case "schema":
            return schema_words
        case "schema_json":
            return _json(schema)
    return _json(title.fields)


def _names(template: str) -> Iterator[tuple[str, str]]:
    """Each name with its first place: `line 3, column 7`."""
    found: dict[str, str] = {}
    for match in _PLACEHOLDER.finditer(template):
        if match[2] is not None:
            before = template[: match.start()]
            place = f"line {before.count(chr(10)) + 1}, column {match.start() - before.rfind(chr(10))}"
            found.setdefault(match[2].strip(), place)
    yield from found.items()


def _unknown(name: str, known: Sequence[str]) -> str:
    names = (*BUILT_IN, *known)
    nearest = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {{{nearest[0]}}}? " if nearest else ""
    listed = one_line(", ".join(f"{{{one}}}" for one in names), 300)
    shown = f"{{{one_line(name, 80)}}}"
    return f"{shown} is no field of the titles; {hint}Known: {listed}. To have it as text, write {{{shown}}}"


_HOW = "write {title}, {title_json}, {fields} or a field's name in braces where it goes"
