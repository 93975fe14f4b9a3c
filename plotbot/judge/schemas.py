"""A JSON Schema, compiled once: what a value breaks of it, as data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jsonschema import FormatChecker, ValidationError, validators
from jsonschema.protocols import Validator
from referencing import Registry

from plotbot.errors import InputError
from plotbot.judge.paths import json_path
from plotbot.judge.patterns import MAX_MATCHED
from plotbot.judge.quick_yes import Yes, quick_yes
from plotbot.judge.schema_rules import Place, SchemaFlawError, check_schema, dialect_of, root_types
from plotbot.records import Violation
from plotbot.safe import one_line

MAX_LISTED = 20
"""How many violations are listed; the others are counted."""
MAX_COUNTED = 1_000
"""How many violations are counted; a hostile reply could have hundreds of thousands."""

# The formats that need nothing but the standard library. jsonschema checks others only where further packages happen
# to be installed, and a verdict must not depend on that.
_FORMATS = ("date", "email", "idn-email", "ipv4", "ipv6", "regex", "uuid")
_LONGEST_MESSAGE = 240
_LONGEST_VALUE = 60
_Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema that has been checked, ready to judge with. Made by `compile_schema`.

    `raw` is the mapping as it was read. `types` are the JSON types that its root allows, empty where it does not say.
    `descriptions` are its own descriptions of three words or more, folded by `folded`: handed back as an answer, they
    are placeholders. `surely_kept` says yes only to values that `validator` finds nothing in, in a tenth of its time.
    """

    raw: Mapping[str, Any]
    types: frozenset[str]
    descriptions: frozenset[str]
    validator: Validator
    surely_kept: Yes

    def allows_type(self, value: Any) -> bool:
        """Whether the value's JSON type is one that the schema's root allows."""
        return not self.types or any(self.validator.is_type(value, name) for name in self.types)

    def violations(self, value: Any) -> tuple[Violation, ...]:
        """What the value breaks, in the schema's order, at most `MAX_COUNTED` of it. Never raises."""
        return () if self.surely_kept(value) else tuple(islice(self._violations(value), MAX_COUNTED))

    def _violations(self, value: Any) -> Iterator[Violation]:
        try:
            for error in self.validator.iter_errors(value):
                yield _violation(error)
        except (ArithmeticError, RecursionError, ValueError) as error:
            # Seen: RecursionError on recursive schemas, OverflowError from multipleOf and from the regex format.
            yield Violation("$", "unchecked", f"could not be checked: {type(error).__name__}")


def compile_schema(schema: Mapping[str, Any], source: str) -> Schema:
    """Check a schema and make it ready. `source` is the file to name in a message.

    `format` is asserted for date, email, idn-email, ipv4, ipv6, regex and uuid; other formats are annotations.
    Raises `InputError`, with source and JSON path, for what is no mapping, is invalid in its dialect, has an unknown
    dialect or keyword (`x-…` is yours), a `$ref` that is remote, leads nowhere or to itself, or a `pattern` that is no
    regular expression of Python's or could take exponential time.
    """
    if not isinstance(schema, Mapping):
        raise InputError(f"{source}: $: a JSON Schema is a JSON object, this is {one_line(repr(schema), 40)}")
    try:
        dialect = dialect_of(schema)
        places = check_schema(schema, dialect)
    except SchemaFlawError as flaw:
        raise InputError(f"{source}: {flaw.path}: {flaw.message}") from None
    return Schema(schema, root_types(places[0]), _descriptions(places), _validator(schema, dialect), quick_yes(schema))


def folded(text: str) -> str:
    """Text as it is compared for repetition: case, spacing and closing punctuation do not count."""
    return " ".join(text.casefold().split()).rstrip(".!?…,;: ")


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


def _violation(error: ValidationError) -> Violation:
    return Violation(json_path(error.absolute_path), str(error.validator), _readable(error))


def _readable(error: ValidationError) -> str:
    """The message on one line; of a long value at its front only the beginning, since what is wrong comes after it."""
    message = error.message
    value = repr(error.instance) if len(message) > _LONGEST_MESSAGE else ""
    if value and message.startswith(value):
        message = f"{value[:_LONGEST_VALUE]}… {message[len(value) :].lstrip()}"
    return one_line(message, _LONGEST_MESSAGE)


def _descriptions(places: tuple[Place, ...]) -> frozenset[str]:
    texts = (at.schema.get("description") for at in places)
    return frozenset(folded(text) for text in texts if isinstance(text, str) and len(text.split()) >= 3)
