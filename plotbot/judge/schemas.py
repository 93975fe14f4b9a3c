"""A JSON Schema, compiled once, and the violations of a value as data."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from plotbot.errors import InputError, TooCostlyError
from plotbot.judge.fast_path import Predicate, fast_check
from plotbot.judge.helper import violations_in_helper
from plotbot.judge.json_paths import json_path
from plotbot.judge.time_limit import JUDGING_SECONDS, Limit, NotHereError, OutOfTimeError, limited, too_costly
from plotbot.records import Violation
from plotbot.safe import one_line

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

MAX_LISTED = 20
"""How many violations are listed; the others are counted."""
MAX_COUNTED = 1_000
"""How many violations are counted: a hostile reply could have hundreds of thousands."""
_LONGEST_MESSAGE = 240
_LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True)
class Schema:
    """A checked schema, ready to validate replies. Made by `compile_schema`.

    `raw` is the mapping as it was read. `types` are the JSON types that its root allows, empty if it allows all.
    `descriptions` are its descriptions of three words or more, after `normalized`: a model that returns one of them
    returned a placeholder. `surely_valid` is the fast path: True only for values in which `validator` finds nothing.
    `warnings` name the patterns that may take long.
    """

    raw: Mapping[str, Any]
    types: frozenset[str]
    descriptions: frozenset[str]
    validator: Validator
    surely_valid: Predicate
    warnings: tuple[str, ...] = ()

    def allows_type(self, value: Any) -> bool:
        """Whether the schema's root allows the value's JSON type."""
        return not self.types or any(self.validator.is_type(value, name) for name in self.types)

    def violations(self, value: Any, until: float | None = None) -> tuple[Violation, ...]:
        """The value's violations, in the schema's order, at most `MAX_COUNTED` of them.

        *until*, by `time.monotonic`, is when judging must have ended: `JUDGING_SECONDS` from now if it is not given.
        Raises `TooCostlyError` if it has not, and nothing else.
        """
        if self.surely_valid(value):
            return ()
        limit = Limit(time.monotonic() + JUDGING_SECONDS if until is None else until)
        try:
            return self.violations_within(value, limit)
        except NotHereError:
            return violations_in_helper(self.raw, value, limit.until)

    def violations_within(self, value: Any, limit: Limit) -> tuple[Violation, ...]:
        """The same in this process. Raises `TooCostlyError`, and `NotHereError` if the *limit* allows it."""
        try:
            with limited(limit):
                return tuple(islice(self._violations(value), MAX_COUNTED))
        except OutOfTimeError as out:
            raise too_costly(out.costly or out.keyword) from None

    def _violations(self, value: Any) -> Iterator[Violation]:
        try:
            for error in self.validator.iter_errors(value):
                yield Violation(json_path(error.absolute_path), str(error.validator), _message(error))
        except (ArithmeticError, RecursionError, ValueError) as error:
            # Seen: RecursionError on recursive schemas, OverflowError from multipleOf and from the regex format.
            yield Violation("$", "unchecked", f"could not be checked: {type(error).__name__}")


def compile_schema(schema: Mapping[str, Any], source: str) -> Schema:
    """Check and compile a schema. `source` is the file that error messages name.

    `format` is asserted for date, email, idn-email, ipv4, ipv6, regex and uuid; other formats are annotations.
    Raises `InputError`, with source and JSON path, if the schema is no mapping, is invalid in its dialect, has an
    unknown dialect or keyword (`x-…` is allowed), has a `$ref` that is remote, unresolvable or circular, or has a
    `pattern` that Python cannot compile. Patterns that may take long are in the schema's `warnings`.
    """
    # jsonschema takes 40 ms to import, which would delay an xdist worker's first request for its cases.
    from plotbot.judge.schema_compiler import SchemaFlawError, compiled_parts  # noqa: PLC0415  see above

    if not isinstance(schema, Mapping):
        raise InputError(f"{source}: $: a JSON Schema is a JSON object, this is {one_line(repr(schema), 40)}")
    try:
        parts = compiled_parts(schema)
    except SchemaFlawError as flaw:
        raise InputError(f"{source}: {json_path(flaw.steps)}: {flaw.message}") from None
    descriptions = frozenset(normalized(text) for text in parts.descriptions if len(text.split()) >= 3)
    warnings = tuple(
        f"{source}: {json_path(steps)}: {one_line(repr(pattern), 80)} may take very long on some texts; a reply that "
        f"cannot be judged in {JUDGING_SECONDS:g} s is an error ({TooCostlyError.category}). A repeat is quick if the "
        "character after it ends it: [^,]*, instead of .*,"
        for steps, pattern in parts.slow_patterns
    )
    return Schema(schema, parts.root_types, descriptions, parts.validator, fast_check(schema), warnings)


def normalized(text: str) -> str:
    """The text as it is compared for repetition: without case, extra white space and closing punctuation."""
    return " ".join(text.casefold().split()).rstrip(".!?…,;: ")


def _message(error: ValidationError) -> str:
    """The message of jsonschema on one line. A long value at its front is cut, because the reason follows the value."""
    message = error.message
    value = repr(error.instance) if len(message) > _LONGEST_MESSAGE else ""
    if value and message.startswith(value):
        message = f"{value[:_LONGEST_VALUE]}… {message[len(value) :].lstrip()}"
    return one_line(message, _LONGEST_MESSAGE)
