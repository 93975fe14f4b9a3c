"""A JSON Schema, compiled once: what a value breaks of it, as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from plotbot.judge.fast_path import Yes
from plotbot.judge.paths import json_path
from plotbot.records import Violation
from plotbot.safe import one_line

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

MAX_LISTED = 20
"""How many violations are listed; the others are counted."""
MAX_COUNTED = 1_000
"""How many violations are counted; a hostile reply could have hundreds of thousands."""
_LONGEST_MESSAGE = 240
_LONGEST_VALUE = 60


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
    # To load jsonschema takes as long as all that an eval's worker needs of plotbot before it can ask for its cases.
    from plotbot.judge.compiling import compiled  # noqa: PLC0415  see above

    return compiled(schema, source)


def folded(text: str) -> str:
    """Text as it is compared for repetition: case, spacing and closing punctuation do not count."""
    return " ".join(text.casefold().split()).rstrip(".!?…,;: ")


def _violation(error: ValidationError) -> Violation:
    return Violation(json_path(error.absolute_path), str(error.validator), _readable(error))


def _readable(error: ValidationError) -> str:
    """The message on one line; of a long value at its front only the beginning, since what is wrong comes after it."""
    message = error.message
    value = repr(error.instance) if len(message) > _LONGEST_MESSAGE else ""
    if value and message.startswith(value):
        message = f"{value[:_LONGEST_VALUE]}… {message[len(value) :].lstrip()}"
    return one_line(message, _LONGEST_MESSAGE)
