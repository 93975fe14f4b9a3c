"""Which field breaks which keyword: violations as cells of a heat map."""

from __future__ import annotations

import re
from collections.abc import Iterable

from plotbot.records import Violation
from plotbot.safe import one_line

Place = tuple[str, str]
"""A field, without the numbers of entries and elements, and the schema keyword that it breaks."""

WHOLE, ENTRY = "(whole answer)", "(entry)"
_LONGEST = 60
_INDEX = re.compile(r"\[\d+\]")
_MISSING = re.compile(r"'([^']+)' is a required property")


def places_of(violations: Iterable[Violation]) -> tuple[Place, ...]:
    """The cells that an answer's violations fall into, each once, in their order."""
    return tuple(
        dict.fromkeys((field_of(violation), one_line(violation.keyword, _LONGEST)) for violation in violations)
    )


def field_of(violation: Violation) -> str:
    """The field in the reader's words: `themes[]` for `$[0].themes[2]`; of `required` the field that is missing."""
    field = _field(violation.path)
    missing = _MISSING.match(violation.message) if violation.keyword == "required" else None
    if missing is None:
        return one_line(field, _LONGEST)
    parent = "" if field in {WHOLE, ENTRY} else f"{field}."
    return one_line(parent + missing[1], _LONGEST)


def _field(path: str) -> str:
    if path in {"$", ""}:
        return WHOLE
    inside = re.sub(r"^\$(\[\d+\])?\.?", "", path)
    return _INDEX.sub("[]", inside) or ENTRY
