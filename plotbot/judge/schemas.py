"""A JSON Schema, compiled once, and the violations of a value as data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from plotbot.errors import InputError
from plotbot.judge.fast_path import Predicate, fast_check
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
_LONGEST_KEY = 40
_LONGEST_PATH = 200
_PLAIN_KEY = re.compile(r"[A-Za-z_]\w{0,39}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Schema:
    """A checked schema, ready to validate replies. Made by `compile_schema`.

    `raw` is the mapping as it was read. `types` are the JSON types that its root allows, empty if it allows all.
    `descriptions` are its descriptions of three words or more, after `normalized`: a model that returns one of them
    returned a placeholder. `surely_valid` is the fast path: True only for values in which `validator` finds nothing.
    """

    raw: Mapping[str, Any]
    types: frozenset[str]
    descriptions: frozenset[str]
    validator: Validator
    surely_valid: Predicate

    def allows_type(self, value: Any) -> bool:
        """Whether the schema's root allows the value's JSON type."""
        return not self.types or any(self.validator.is_type(value, name) for name in self.types)

    def violations(self, value: Any) -> tuple[Violation, ...]:
        """The value's violations, in the schema's order, at most `MAX_COUNTED` of them. Never raises."""
        return () if self.surely_valid(value) else tuple(islice(self._violations(value), MAX_COUNTED))

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
    `pattern` that Python cannot compile or that could take exponential time.
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
    return Schema(schema, parts.root_types, descriptions, parts.validator, fast_check(schema))


def normalized(text: str) -> str:
    """The text as it is compared for repetition: without case, extra white space and closing punctuation."""
    return " ".join(text.casefold().split()).rstrip(".!?…,;: ")


def json_path(steps: Iterable[str | int]) -> str:
    """The JSON path of the steps from the root: `$[0].themes[2]`.

    A key that is not a plain name is quoted, in ASCII, and cut to 40 characters; the path is cut to 200.
    """
    path = "$" + "".join(map(_step, steps))
    return path if len(path) <= _LONGEST_PATH else path[: _LONGEST_PATH - 1] + "…"


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN_KEY.fullmatch(step) else f"[{json.dumps(one_line(step, _LONGEST_KEY))}]"


def _message(error: ValidationError) -> str:
    """The message of jsonschema on one line. A long value at its front is cut, because the reason follows the value."""
    message = error.message
    value = repr(error.instance) if len(message) > _LONGEST_MESSAGE else ""
    if value and message.startswith(value):
        message = f"{value[:_LONGEST_VALUE]}… {message[len(value) :].lstrip()}"
    return one_line(message, _LONGEST_MESSAGE)
