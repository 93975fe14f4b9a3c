"""What a schema must be before a reply is judged by it: everything that jsonschema would let pass in silence.

A misspelt keyword is ignored by every validator, a remote `$ref` would open a socket, and a `$ref` that leads back to
itself never ends. All of them are the user's to put right, at the start and by name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jsonschema import FormatChecker, SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import specification_with

from plotbot.judge.paths import json_path
from plotbot.judge.patterns import runs_away
from plotbot.safe import one_line

if TYPE_CHECKING:
    from referencing._core import Resolver  # what Registry.resolver gives; it has no public name

DEFAULT_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_ONE = frozenset({
    "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
    "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
})  # fmt: skip
_LISTS = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
_MAPS = frozenset({"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"})
_IN_PLACE = frozenset({"allOf", "anyOf", "dependencies", "dependentSchemas", "else", "if", "not", "oneOf", "then"})
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
# Keywords of every dialect that no validator checks by itself.
_UNCHECKED = frozenset({
    "$anchor", "$comment", "$defs", "$dynamicAnchor", "$id", "$recursiveAnchor", "$schema", "$vocabulary",
    "contentEncoding", "contentMediaType", "contentSchema", "default", "definitions", "deprecated", "description",
    "else", "examples", "id", "maxContains", "minContains", "readOnly", "then", "title", "writeOnly",
})  # fmt: skip

Steps = tuple[str | int, ...]


class SchemaFlawError(Exception):
    """What is wrong with a schema, and the JSON path of it inside the schema."""

    def __init__(self, steps: Steps, message: str) -> None:
        super().__init__(steps, message)
        self.path = json_path(steps)
        self.message = message


@dataclass(frozen=True, slots=True)
class Place:
    """A subschema, where it stands, and what its references are resolved by."""

    steps: Steps
    schema: Mapping[str, Any]
    resolver: Resolver[Any]


def dialect_of(schema: Mapping[str, Any]) -> type[Validator]:
    """The validator class for the schema's `$schema`, draft 2020-12 where it names none. Raises `SchemaFlawError`."""
    name = schema.get("$schema", DEFAULT_DIALECT)
    find: Callable[..., type[Validator] | None] = validator_for  # its stub does not know that the default may be None
    dialect = find({"$schema": name}, default=None) if isinstance(name, str) else None
    if dialect is None:
        raise SchemaFlawError(("$schema",), f"unknown dialect {_short(name)}; write {DEFAULT_DIALECT!r}")
    return dialect


def check_schema(schema: Mapping[str, Any], dialect: type[Validator]) -> tuple[Place, ...]:
    """Every subschema, the root first. Raises `SchemaFlawError` for the first flaw."""
    check: Callable[..., None] = dialect.check_schema  # its stub does not know format_checker
    try:
        # Without formats: it would check patterns by itself, and let an OverflowError out.
        check(schema, format_checker=FormatChecker(formats=()))
        places = tuple(_places(schema, dialect))
        for at in places:
            _check_keywords(at, dialect)
            _check_patterns(at)
            _check_loop(at)
    except SchemaError as error:
        raise SchemaFlawError(tuple(error.absolute_path), one_line(error.message, 200)) from None
    except RecursionError:
        raise SchemaFlawError((), "nested too deep") from None
    return places


def root_types(root: Place) -> frozenset[str]:
    """The JSON types that a checked schema's root allows, its `$ref` followed; empty where it does not say."""
    named = root.schema.get("type", ())
    if not named and "$ref" in root.schema:
        referred = _resolved(root, "$ref")
        return frozenset() if referred is None else root_types(referred)
    return frozenset({named} if isinstance(named, str) else named)


def _places(schema: Mapping[str, Any], dialect: type[Validator]) -> Iterator[Place]:
    specification = specification_with(_uri(dialect))
    root = Registry[Any]().resolver_with_root(specification.create_resource(schema))
    seen: set[int] = set()
    waiting = [Place((), schema, root)]
    while waiting:
        at = waiting.pop()
        if id(at.schema) not in seen:
            seen.add(id(at.schema))
            yield at
            waiting.extend(reversed([*_children(at), *_referred(at)]))


def _uri(dialect: type[Validator]) -> str:
    meta_schema = dialect.META_SCHEMA
    return str(meta_schema["$schema"]) if isinstance(meta_schema, Mapping) else DEFAULT_DIALECT


def _children(at: Place) -> Iterator[Place]:
    for keyword, value in at.schema.items():
        for steps, child in _subschemas(keyword, value):
            if isinstance(child, Mapping):
                yield Place((*at.steps, *steps), child, _inside(at.resolver, child))


def _subschemas(keyword: str, value: Any) -> Iterator[tuple[Steps, Any]]:
    if keyword in _LISTS and isinstance(value, list):
        yield from (((keyword, index), child) for index, child in enumerate(value))
    elif keyword in _MAPS and isinstance(value, Mapping):
        yield from (((keyword, name), child) for name, child in value.items())
    elif keyword in _ONE:
        yield (keyword,), value


def _inside(resolver: Resolver[Any], schema: Mapping[str, Any]) -> Resolver[Any]:
    """The resolver for references inside a subschema, which may have an `$id` of its own."""
    if "$id" not in schema:
        return resolver
    return resolver.in_subresource(specification_with(DEFAULT_DIALECT).create_resource(schema))


def _referred(at: Place) -> Iterator[Place]:
    for keyword in _REFERENCES:
        place = _resolved(at, keyword) if keyword in at.schema else None
        if place is not None:
            yield place


def _resolved(at: Place, keyword: str) -> Place | None:
    """The subschema that a reference leads to; None where that is `true` or `false`."""
    reference, steps = at.schema[keyword], (*at.steps, keyword)
    try:
        found = at.resolver.lookup(reference)
    except (Unresolvable, ValueError):
        raise SchemaFlawError(
            steps, f"{_short(reference)} is not in this file; references are never fetched, put it under $defs"
        ) from None
    if not isinstance(found.contents, Mapping | bool):
        raise SchemaFlawError(steps, f"{_short(reference)} is not a schema")
    return None if isinstance(found.contents, bool) else Place(steps, found.contents, found.resolver)


def _check_keywords(at: Place, dialect: type[Validator]) -> None:
    known = _UNCHECKED.union(dialect.VALIDATORS)
    for keyword in at.schema:
        if keyword not in known and not keyword.startswith("x-"):
            close = difflib.get_close_matches(keyword, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else "; keywords of your own begin with x-"
            raise SchemaFlawError((*at.steps, keyword), f"unknown keyword {_short(keyword)}{hint}")


def _check_patterns(at: Place) -> None:
    patterns = [(("pattern",), at.schema["pattern"])] if "pattern" in at.schema else []
    named = at.schema.get("patternProperties", {})
    for steps, pattern in [*patterns, *((("patternProperties", name), name) for name in named)]:
        flaw = _pattern_flaw(pattern)
        if flaw:
            raise SchemaFlawError((*at.steps, *steps), f"{_short(pattern)} {flaw}")


def _pattern_flaw(pattern: str) -> str:
    try:
        re.compile(pattern)
        dear = runs_away(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is not a regular expression: {error}"
    return "repeats what can match in several ways and could take for ever; repeat single characters" if dear else ""


def _check_loop(at: Place) -> None:
    """Refuse a subschema that, without a step into the value, comes to itself again."""
    seen: set[int] = set()
    waiting = _same_value(at)
    while waiting:
        place = waiting.pop()
        if place.schema is at.schema:
            raise SchemaFlawError(at.steps, "refers to itself without end")
        if id(place.schema) not in seen:
            seen.add(id(place.schema))
            waiting.extend(_same_value(place))


def _same_value(at: Place) -> list[Place]:
    applied = [child for child in _children(at) if child.steps[len(at.steps)] in _IN_PLACE]
    return [*applied, *_referred(at)]


def _short(value: Any) -> str:
    return one_line(repr(value), 60)
