"""Everything that needs jsonschema: checking a schema, and building a validator that hostile replies cannot hang.

The check refuses what jsonschema would accept silently. Every validator ignores a misspelt keyword, a remote `$ref`
would open a socket, and a circular `$ref` never ends. The user must correct these, so they are found at the start and
named. Apart from `plotbot.judge.schemas`, because importing jsonschema takes 40 ms.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jsonschema import FormatChecker, SchemaError, ValidationError, validators
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import specification_with

from plotbot.judge.json_paths import json_path
from plotbot.judge.patterns import MAX_MATCHED, may_take_long
from plotbot.judge.time_limit import OutOfTimeError, current_limit
from plotbot.safe import one_line

if TYPE_CHECKING:
    from referencing._core import Resolver  # the type of Registry.resolver has no public name

DEFAULT_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_ONE = frozenset({
    "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
    "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
})  # fmt: skip
_LISTS = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
_MAPS = frozenset({"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"})
_IN_PLACE = frozenset({"allOf", "anyOf", "dependencies", "dependentSchemas", "else", "if", "not", "oneOf", "then"})
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
# Keywords that are known but have no check of their own in jsonschema.
_UNCHECKED = frozenset({
    "$anchor", "$comment", "$defs", "$dynamicAnchor", "$id", "$recursiveAnchor", "$schema", "$vocabulary",
    "contentEncoding", "contentMediaType", "contentSchema", "default", "definitions", "deprecated", "description",
    "else", "examples", "id", "maxContains", "minContains", "readOnly", "then", "title", "writeOnly",
})  # fmt: skip

# The formats that need the standard library alone. jsonschema checks others only if further packages are installed,
# and a verdict must not depend on that.
_FORMATS = ("date", "email", "idn-email", "ipv4", "ipv6", "regex", "uuid")

_Steps = tuple[str | int, ...]
_Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]
takes_long = lru_cache(maxsize=1_000)(may_take_long)
# What a schema says, and the instance: whether checking the one against the other comes back to the clock too late.
_Unstoppable = Callable[[Any, Any, Mapping[str, Any]], bool]


class SchemaFlawError(Exception):
    """A flaw in a schema, and the steps from the schema's root to it."""

    def __init__(self, steps: _Steps, message: str) -> None:
        super().__init__(steps, message)
        self.steps = steps
        self.message = message


@dataclass(frozen=True, slots=True)
class CompiledParts:
    """What jsonschema knows of a checked schema: `descriptions` are those of all its subschemas.

    `slow_patterns` are the regular expressions that may take long, each with the steps to it.
    """

    root_types: frozenset[str]
    descriptions: tuple[str, ...]
    validator: Validator
    slow_patterns: tuple[tuple[_Steps, str], ...]


@dataclass(frozen=True, slots=True)
class _Subschema:
    """A subschema, the steps from the root to it, and the resolver for the references in it."""

    steps: _Steps
    schema: Mapping[str, Any]
    resolver: Resolver[Any]


def compiled_parts(schema: Mapping[str, Any]) -> CompiledParts:
    """Check a schema and build its validator. Raises `SchemaFlawError` for the first flaw."""
    dialect = _dialect_of(schema)
    # A `$schema` would make jsonschema go on with its own validator, which knows no time limit.
    schema = {keyword: argument for keyword, argument in schema.items() if keyword != "$schema"}
    subschemas = _checked(schema, dialect)
    texts = (one.schema.get("description") for one in subschemas)
    descriptions = tuple(text for text in texts if isinstance(text, str))
    patterns = [((*at.steps, *steps), pattern) for at in subschemas for steps, pattern in _patterns(at.schema)]
    slow = tuple((steps, pattern) for steps, pattern in patterns if takes_long(pattern))
    return CompiledParts(_root_types(subschemas[0]), descriptions, _validator(schema, dialect, subschemas), slow)


def _dialect_of(schema: Mapping[str, Any]) -> type[Validator]:
    """The validator class for the schema's `$schema`; without one, draft 2020-12. Raises `SchemaFlawError`."""
    name = schema.get("$schema", DEFAULT_DIALECT)
    find: Callable[..., type[Validator] | None] = validator_for  # the stub lacks default=None
    dialect = find({"$schema": name}, default=None) if isinstance(name, str) else None
    if dialect is None:
        raise SchemaFlawError(("$schema",), f"unknown dialect {_short(name)}; write {DEFAULT_DIALECT!r}")
    return dialect


def _checked(schema: Mapping[str, Any], dialect: type[Validator]) -> tuple[_Subschema, ...]:
    """Every subschema, the root first. Raises `SchemaFlawError` for the first flaw."""
    check: Callable[..., None] = dialect.check_schema  # the stub lacks format_checker
    try:
        # Without formats: jsonschema's own check of patterns raises OverflowError for some.
        check(schema, format_checker=FormatChecker(formats=()))
        subschemas = tuple(_subschemas(schema, dialect))
        for at in subschemas:
            _check_keywords(at, dialect)
            _check_patterns(at)
            _check_loop(at)
    except SchemaError as error:
        raise SchemaFlawError(tuple(error.absolute_path), one_line(error.message, 200)) from None
    except RecursionError:
        raise SchemaFlawError((), "nested too deep") from None
    return subschemas


def _root_types(root: _Subschema) -> frozenset[str]:
    """The JSON types that a checked schema's root allows, with its `$ref` followed; empty if it allows all."""
    named = root.schema.get("type", ())
    if not named and "$ref" in root.schema:
        referred = _resolved(root, "$ref")
        return frozenset() if referred is None else _root_types(referred)
    return frozenset({named} if isinstance(named, str) else named)


def _subschemas(schema: Mapping[str, Any], dialect: type[Validator]) -> Iterator[_Subschema]:
    specification = specification_with(_uri(dialect))
    root = Registry[Any]().resolver_with_root(specification.create_resource(schema))
    seen: set[int] = set()
    waiting = [_Subschema((), schema, root)]
    while waiting:
        at = waiting.pop()
        if id(at.schema) not in seen:
            seen.add(id(at.schema))
            yield at
            waiting.extend(reversed([*_children(at), *_referred(at)]))


def _uri(dialect: type[Validator]) -> str:
    meta_schema = dialect.META_SCHEMA
    return str(meta_schema["$schema"]) if isinstance(meta_schema, Mapping) else DEFAULT_DIALECT


def _children(at: _Subschema) -> Iterator[_Subschema]:
    for keyword, value in at.schema.items():
        for steps, child in _children_under(keyword, value):
            if isinstance(child, Mapping):
                yield _Subschema((*at.steps, *steps), child, _resolver_inside(at.resolver, child))


def _children_under(keyword: str, value: Any) -> Iterator[tuple[_Steps, Any]]:
    if keyword in _LISTS and isinstance(value, list):
        yield from (((keyword, index), child) for index, child in enumerate(value))
    elif keyword in _MAPS and isinstance(value, Mapping):
        yield from (((keyword, name), child) for name, child in value.items())
    elif keyword in _ONE:
        yield (keyword,), value


def _resolver_inside(resolver: Resolver[Any], schema: Mapping[str, Any]) -> Resolver[Any]:
    """The resolver for references inside a subschema, which may have an `$id` of its own."""
    if "$id" not in schema:
        return resolver
    return resolver.in_subresource(specification_with(DEFAULT_DIALECT).create_resource(schema))


def _referred(at: _Subschema) -> Iterator[_Subschema]:
    for keyword in _REFERENCES:
        referred = _resolved(at, keyword) if keyword in at.schema else None
        if referred is not None:
            yield referred


def _resolved(at: _Subschema, keyword: str) -> _Subschema | None:
    """The subschema that a reference names; None if it is `true` or `false`."""
    reference, steps = at.schema[keyword], (*at.steps, keyword)
    try:
        found = at.resolver.lookup(reference)
    except (Unresolvable, ValueError):
        raise SchemaFlawError(
            steps, f"{_short(reference)} is not in this file; references are never fetched, put it under $defs"
        ) from None
    if not isinstance(found.contents, Mapping | bool):
        raise SchemaFlawError(steps, f"{_short(reference)} is not a schema")
    return None if isinstance(found.contents, bool) else _Subschema(steps, found.contents, found.resolver)


def _check_keywords(at: _Subschema, dialect: type[Validator]) -> None:
    known = _UNCHECKED.union(dialect.VALIDATORS)
    if "$schema" in at.schema:
        raise SchemaFlawError((*at.steps, "$schema"), "a part of a schema cannot have a dialect of its own; remove it")
    for keyword in at.schema:
        if keyword not in known and not keyword.startswith("x-"):
            close = difflib.get_close_matches(keyword, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else "; keywords of your own begin with x-"
            raise SchemaFlawError((*at.steps, keyword), f"unknown keyword {_short(keyword)}{hint}")


def _check_patterns(at: _Subschema) -> None:
    for steps, pattern in _patterns(at.schema):
        try:
            re.compile(pattern)
            takes_long(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            flaw = f"{_short(pattern)} is not a regular expression: {error}"
            raise SchemaFlawError((*at.steps, *steps), flaw) from None


def _patterns(schema: Mapping[str, Any]) -> Iterator[tuple[_Steps, str]]:
    """A subschema's own regular expressions, and the steps to each."""
    if "pattern" in schema:
        yield ("pattern",), schema["pattern"]
    for pattern in schema.get("patternProperties", {}):
        yield ("patternProperties", pattern), pattern


def _check_loop(at: _Subschema) -> None:
    """Refuse a subschema that applies itself to the same value again."""
    seen: set[int] = set()
    waiting = _same_value(at)
    while waiting:
        applied = waiting.pop()
        if applied.schema is at.schema:
            raise SchemaFlawError(at.steps, "refers to itself without end")
        if id(applied.schema) not in seen:
            seen.add(id(applied.schema))
            waiting.extend(_same_value(applied))


def _same_value(at: _Subschema) -> list[_Subschema]:
    """The subschemas that apply to the same value as the one given."""
    applied = [child for child in _children(at) if child.steps[len(at.steps)] in _IN_PLACE]
    return [*applied, *_referred(at)]


def _short(value: Any) -> str:
    return one_line(repr(value), 60)


def _validator(schema: Mapping[str, Any], dialect: type[Validator], subschemas: Iterable[_Subschema]) -> Validator:
    checks = {**dialect.VALIDATORS, "uniqueItems": _unique_items}
    places, unstoppable = {id(at.schema): at.steps for at in subschemas}, _unstoppable(subschemas)
    timed = {name: _timed(name, check, places, unstoppable.get(name)) for name, check in checks.items()}
    extend: Callable[..., Any] = validators.extend  # the stub has no types
    made: Validator = extend(dialect, timed)(
        schema, registry=Registry(), format_checker=FormatChecker(formats=_FORMATS)
    )
    return made


def _timed(keyword: str, check: _Keyword, places: Mapping[int, _Steps], unstoppable: _Unstoppable | None) -> _Keyword:
    """The keyword's check within the time limit. *places* are the steps to each subschema, by its `id`."""

    def name(schema: Mapping[str, Any]) -> str:
        return json_path((*places.get(id(schema), ()), keyword))

    def quick(validator: Any, argument: Any, instance: Any, schema: Any) -> Iterator[ValidationError] | None:
        limit = current_limit()
        if limit is not None:
            if limit.is_over:
                raise OutOfTimeError(name(schema))
            if unstoppable is not None and unstoppable(argument, instance, schema):
                limit.begin(name(schema))
        return check(validator, argument, instance, schema)

    def slow(validator: Any, argument: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        try:
            yield from quick(validator, argument, instance, schema) or ()
        except OutOfTimeError as out:
            out.costly = out.costly or name(schema)
            raise
        limit = current_limit()
        if limit is not None and limit.is_over:
            raise OutOfTimeError(name(schema), name(schema))

    return slow if keyword in _REPEATING or unstoppable is not None else quick


# The keywords that apply subschemas more than once to the same value or to many: what takes long is their doing.
_REPEATING = frozenset({
    "allOf", "anyOf", "contains", "dependencies", "dependentSchemas", "if", "not", "oneOf", "unevaluatedItems",
    "unevaluatedProperties", "uniqueItems",
})  # fmt: skip


def _matches_slowly(patterns: Iterable[str], strings: Iterable[Any]) -> bool:
    """Whether one of the patterns may take long on one of the strings."""
    texts = [text for text in strings if isinstance(text, str)]
    return any(len(text) > MAX_MATCHED for text in texts) or (bool(texts) and any(map(takes_long, patterns)))


_MANY = 2_000


def _has_slow_names(_argument: Any, instance: Any, schema: Mapping[str, Any]) -> bool:
    patterns = schema.get("patternProperties", {})
    return bool(patterns) and isinstance(instance, Mapping) and _matches_slowly(patterns, instance)


def _is_large(_argument: Any, instance: Any, _schema: Mapping[str, Any]) -> bool:
    return isinstance(instance, list | Mapping) and len(instance) > _MANY


def _unstoppable(subschemas: Iterable[_Subschema]) -> Mapping[str, _Unstoppable]:
    """By keyword: for which instances its check comes back to the clock too late."""
    names = [pattern for at in subschemas for pattern in at.schema.get("patternProperties", {})]

    def is_unevaluated_slowly(argument: Any, instance: Any, schema: Mapping[str, Any]) -> bool:
        # jsonschema matches the patterns of the other subschemas here, and looks each member up in a list.
        return _is_large(argument, instance, schema) or (
            bool(names) and isinstance(instance, Mapping) and _matches_slowly(names, instance)
        )

    return {
        "pattern": lambda pattern, instance, _schema: _matches_slowly((pattern,), (instance,)),
        "patternProperties": _has_slow_names,
        "additionalProperties": _has_slow_names,
        "format": lambda name, instance, _schema: name == "regex" and isinstance(instance, str),
        "contains": _is_large,
        "unevaluatedItems": _is_large,
        "unevaluatedProperties": is_unevaluated_slowly,
    }


def _unique_items(validator: Any, required: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """`uniqueItems` in linear time; jsonschema compares each pair."""
    if required and validator.is_type(instance, "array"):
        limit, keys = current_limit(), set()
        for item in instance:
            if limit is not None and limit.is_over:
                raise OutOfTimeError("uniqueItems")
            keys.add(json.dumps(_same_numbers(item), sort_keys=True))
        if len(keys) != len(instance):
            yield ValidationError(f"{one_line(repr(instance), 60)} has non-unique elements")


def _same_numbers(item: Any) -> Any:
    """The item with 1.0 written as 1: to JSON Schema they are equal."""
    if isinstance(item, float) and item.is_integer():
        return int(item)
    if isinstance(item, list):
        return [_same_numbers(part) for part in item]
    return {key: _same_numbers(part) for key, part in item.items()} if isinstance(item, Mapping) else item
