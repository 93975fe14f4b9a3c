"""A quick yes: most replies keep to their schema, and to say so needs nothing of what it takes to name a violation.

A schema's common keywords are compiled to plain functions, once. They say yes only where jsonschema would surely find
nothing; about everything else, a keyword that they do not know among it, jsonschema is asked. It stays the referee, and
a test holds the two against each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Yes = Callable[[Any], bool]

_SAYS_NOTHING = frozenset({
    "type", "title", "description", "$comment", "examples", "default", "deprecated", "readOnly", "writeOnly",
})  # fmt: skip


def quick_yes(schema: Mapping[str, Any]) -> Yes:
    """A function that says yes to values that surely keep to a checked schema, and no to all that it cannot tell.

    Values are what `parse_strict` gives: exact builtin types. What `$schema` names does not matter, for what is known
    here means the same in every draft.
    """
    return _compiled({keyword: wanted for keyword, wanted in schema.items() if keyword != "$schema"})


def _compiled(schema: object) -> Yes:
    if not isinstance(schema, Mapping):
        return _cannot_tell
    told = {keyword for keyword in schema if keyword not in _SAYS_NOTHING and not keyword.startswith("x-")}
    kind = schema.get("type", "enum")
    if told == {"enum"} and kind == "string":
        kind = "enum"
    known, make = _KINDS.get(kind, _NO_KIND) if isinstance(kind, str) else _NO_KIND
    return make(schema) if told <= known else _cannot_tell


def _cannot_tell(_value: Any) -> bool:
    return False


def _only(*types: type) -> Callable[[Mapping[str, Any]], Yes]:
    return lambda _schema: lambda value: type(value) in types


def _enum(schema: Mapping[str, Any]) -> Yes:
    texts = frozenset(choice for choice in schema.get("enum", ()) if isinstance(choice, str))
    return lambda value: type(value) is str and value in texts


def _string(schema: Mapping[str, Any]) -> Yes:
    low, high = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    return lambda value: type(value) is str and low <= len(value) <= high


def _array(schema: Mapping[str, Any]) -> Yes:
    low, high = schema.get("minItems", 0), schema.get("maxItems", math.inf)
    if "items" not in schema:
        return lambda value: type(value) is list and low <= len(value) <= high
    item = _compiled(schema["items"])
    return lambda value: type(value) is list and low <= len(value) <= high and all(map(item, value))


def _object(schema: Mapping[str, Any]) -> Yes:
    required, additional = schema.get("required", []), schema.get("additionalProperties", True)
    if not isinstance(required, list) or not isinstance(additional, bool):
        return _cannot_tell
    members = {name: _compiled(member) for name, member in schema.get("properties", {}).items()}
    names = frozenset(required)

    def yes(value: Any) -> bool:
        if type(value) is not dict or not names <= value.keys():
            return False
        return all(members[name](item) if name in members else additional for name, item in value.items())

    return yes


# By type, or `enum`: the keywords that are known beside it, and what compiles them.
_KINDS: Mapping[str, tuple[frozenset[str], Callable[[Mapping[str, Any]], Yes]]] = {
    "enum": (frozenset({"enum"}), _enum),
    "string": (frozenset({"minLength", "maxLength"}), _string),
    "array": (frozenset({"items", "minItems", "maxItems"}), _array),
    "object": (frozenset({"properties", "required", "additionalProperties"}), _object),
    "integer": (frozenset(), _only(int)),
    "number": (frozenset(), _only(int, float)),
    "boolean": (frozenset(), _only(bool)),
    "null": (frozenset(), _only(type(None))),
}
_NO_KIND = frozenset[str](), lambda _schema: _cannot_tell
