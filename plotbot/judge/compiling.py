"""Making a schema ready: checked, and compiled by jsonschema with what hostile replies call for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jsonschema import FormatChecker, ValidationError, validators
from jsonschema.protocols import Validator
from referencing import Registry

from plotbot.errors import InputError
from plotbot.judge.fast_path import quick_yes
from plotbot.judge.patterns import MAX_MATCHED
from plotbot.judge.schema_rules import Place, SchemaFlawError, check_schema, dialect_of, root_types
from plotbot.judge.schemas import Schema, folded
from plotbot.safe import one_line

# The formats that need nothing but the standard library. jsonschema checks others only where further packages happen
# to be installed, and a verdict must not depend on that.
_FORMATS = ("date", "email", "idn-email", "ipv4", "ipv6", "regex", "uuid")
_Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


def compiled(schema: Mapping[str, Any], source: str) -> Schema:
    """What `plotbot.judge.schemas.compile_schema` says."""
    if not isinstance(schema, Mapping):
        raise InputError(f"{source}: $: a JSON Schema is a JSON object, this is {one_line(repr(schema), 40)}")
    try:
        dialect = dialect_of(schema)
        places = check_schema(schema, dialect)
    except SchemaFlawError as flaw:
        raise InputError(f"{source}: {flaw.path}: {flaw.message}") from None
    return Schema(schema, root_types(places[0]), _descriptions(places), _validator(schema, dialect), quick_yes(schema))


def _validator(schema: Mapping[str, Any], dialect: type[Validator]) -> Validator:
    bounded = {name: _bounded(check) for name, check in dialect.VALIDATORS.items() if name in _MATCHING}
    extend: Callable[..., Any] = validators.extend  # its stub has no types
    made: Validator = extend(dialect, {**bounded, "uniqueItems": _unique_items})(
        schema, registry=Registry(), format_checker=FormatChecker(formats=_FORMATS)
    )
    return made


_MATCHING = frozenset({"pattern", "patternProperties", "additionalProperties", "unevaluatedProperties"})


def _bounded(check: _Keyword) -> _Keyword:
    """The keyword, but without matching a pattern on a string that is too long for it."""

    def bounded(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if _is_too_long(instance, schema):
            yield ValidationError(f"longer than the {MAX_MATCHED:,} characters that a pattern is matched on")
        else:
            yield from check(validator, value, instance, schema) or ()

    return bounded


def _is_too_long(instance: Any, schema: Mapping[str, Any]) -> bool:
    if isinstance(instance, str):
        return len(instance) > MAX_MATCHED
    keyed = isinstance(instance, Mapping) and "patternProperties" in schema
    return keyed and any(len(key) > MAX_MATCHED for key in instance)


def _unique_items(validator: Any, wanted: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """`uniqueItems` in linear time; jsonschema compares each pair."""
    if wanted and validator.is_type(instance, "array"):
        keys = {json.dumps(_same_numbers(item), sort_keys=True) for item in instance}
        if len(keys) != len(instance):
            yield ValidationError(f"{one_line(repr(instance), 60)} has non-unique elements")


def _same_numbers(item: Any) -> Any:
    """The item with 1.0 written as 1: to JSON Schema they are equal."""
    if isinstance(item, float) and item.is_integer():
        return int(item)
    if isinstance(item, list):
        return [_same_numbers(part) for part in item]
    return {key: _same_numbers(part) for key, part in item.items()} if isinstance(item, Mapping) else item


def _descriptions(places: tuple[Place, ...]) -> frozenset[str]:
    texts = (at.schema.get("description") for at in places)
    return frozenset(folded(text) for text in texts if isinstance(text, str) and len(text.split()) >= 3)
