"""A fast path for valid values: most replies satisfy their schema, and confirming that needs no list of violations.

The common keywords of a schema are compiled to plain functions, once. They return True only for values in which
jsonschema would find nothing. For all other values, and for schemas with keywords that are unknown here, jsonschema
decides. A property test compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Predicate = Callable[[Any], bool]

_ANNOTATIONS = frozenset({
    "type", "title", "description", "$comment", "examples", "default", "deprecated", "readOnly", "writeOnly",
})  # fmt: skip


def fast_check(schema: Mapping[str, Any]) -> Predicate:
    """A function that returns True for values that surely satisfy a checked schema, and False for undecided ones.

    Values must be what `parse_strict` returns: exact builtin types. The dialect in `$schema` does not matter, because
    the keywords that are known here mean the same in every draft.
    """
    return _compiled({keyword: argument for keyword, argument in schema.items() if keyword != "$schema"})


def _compiled(schema: object) -> Predicate:
    if not isinstance(schema, Mapping):
        return _undecided
    asserting = {keyword for keyword in schema if keyword not in _ANNOTATIONS and not keyword.startswith("x-")}
    kind = schema.get("type", "enum")
    if asserting == {"enum"} and kind == "string":
        kind = "enum"
    known, make = _KINDS.get(kind, _NO_KIND) if isinstance(kind, str) else _NO_KIND
    return make(schema) if asserting <= known else _undecided


def _undecided(_value: Any) -> bool:
    return False


def _only(*types: type) -> Callable[[Mapping[str, Any]], Predicate]:
    return lambda _schema: lambda value: type(value) in types


def _enum(schema: Mapping[str, Any]) -> Predicate:
    texts = frozenset(choice for choice in schema.get("enum", ()) if isinstance(choice, str))
    return lambda value: type(value) is str and value in texts


def _string(schema: Mapping[str, Any]) -> Predicate:
    low, high = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    return lambda value: type(value) is str and low <= len(value) <= high


def _array(schema: Mapping[str, Any]) -> Predicate:
    low, high = schema.get("minItems", 0), schema.get("maxItems", math.inf)
    if "items" not in schema:
        return lambda value: type(value) is list and low <= len(value) <= high
    item = _compiled(schema["items"])
    return lambda value: type(value) is list and low <= len(value) <= high and all(map(item, value))


def _object(schema: Mapping[str, Any]) -> Predicate:
    required, additional = schema.get("required", []), schema.get("additionalProperties", True)
    if not isinstance(required, list) or not isinstance(additional, bool):
        return _undecided
    members = {name: _compiled(member) for name, member in schema.get("properties", {}).items()}
    names = frozenset(required)

    def check(value: Any) -> bool:
        if type(value) is not dict or not names <= value.keys():
            return False
        return all(members[name](item) if name in members else additional for name, item in value.items())

    return check


# By type, or `enum`: the keywords that are known beside it, and the function that compiles them.
_KINDS: Mapping[str, tuple[frozenset[str], Callable[[Mapping[str, Any]], Predicate]]] = {
    "enum": (frozenset({"enum"}), _enum),
    "string": (frozenset({"minLength", "maxLength"}), _string),
    "array": (frozenset({"items", "minItems", "maxItems"}), _array),
    "object": (frozenset({"properties", "required", "additionalProperties"}), _object),
    "integer": (frozenset(), _only(int)),
    "number": (frozenset(), _only(int, float)),
    "boolean": (frozenset(), _only(bool)),
    "null": (frozenset(), _only(type(None))),
}
_NO_KIND = frozenset[str](), lambda _schema: _undecided
