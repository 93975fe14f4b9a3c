"""The criteria of a judge: yes-or-no questions, in a file that is also the JSON Schema of the judge's answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from plotbot.errors import InputError
from plotbot.plan.inputs import read_schema
from plotbot.safe import digest, one_line

MOST = 6
YES, NO = "yes", "no"
_VERDICT = [YES, NO]


@dataclass(frozen=True, slots=True)
class Criterion:
    """A question that a judge answers with yes or no. `name` is its key in answers, labels and gates."""

    name: str
    wording: str

    @property
    def digest(self) -> str:
        """Eight hex digits of the wording's SHA-256: a label is one of this wording, and void for another."""
        return digest(" ".join(self.wording.split()))


def read_criteria(path: Path) -> tuple[Criterion, ...]:
    """The criteria in a file, in its order.

    The file is the schema of an object with an entry for each criterion. Its `description` is the question; its
    properties are `why`, a text, and then `verdict`, the enum `["yes", "no"]`. Raises `InputError` for anything else.
    """
    schema = read_schema(path)
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not 1 <= len(properties) <= MOST:
        _refuse(path, f"the criteria are its `properties`, 1 to {MOST} of them")
    if set(schema.get("required", ())) != set(properties):
        _refuse(path, "`required` names each criterion, so that a judge leaves none out")
    return tuple(_criterion(path, name, entry) for name, entry in properties.items())


def _criterion(path: Path, name: str, entry: Any) -> Criterion:
    where = f"the criterion {one_line(repr(name), 80)}"
    wording = entry.get("description") if isinstance(entry, Mapping) else None
    if not isinstance(wording, str) or not wording.strip():
        _refuse(path, f"{where} has no `description`, which is the question")
    parts = entry.get("properties")
    if (
        not isinstance(parts, Mapping)
        or list(parts) != ["why", "verdict"]
        or set(entry.get("required", ())) != {*parts}
    ):
        _refuse(path, f"{where} has the properties `why` and then `verdict`, both required: a reason comes first")
    if not isinstance(parts["verdict"], Mapping) or parts["verdict"].get("enum") != _VERDICT:
        _refuse(path, f'the verdict of {where} is {{"enum": ["yes", "no"]}}')
    return Criterion(name, wording.strip())


def _refuse(path: Path, why: str) -> NoReturn:
    raise InputError(f"{path}: this is no file of criteria: {why}")
