"""The groups that an eval's titles fall into: by a field, by a function, or by what is built in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from plotbot.errors import InputError
from plotbot.judge import TitleText
from plotbot.judge.scripts import script_of
from plotbot.records import Title
from plotbot.safe import one_line

WITHOUT = "(none)"
"""The group of titles without the field."""
_LONGEST = 80
_SHORT, _MEDIUM = 40, 80


@dataclass(frozen=True, slots=True)
class Grouping:
    """How titles are grouped: the name that reports show, and the function that gives a title's group."""

    name: str
    group_of: Callable[[Title], str]


def grouping(by: object, titles: Sequence[Title], where: str) -> Grouping | None:
    """The grouping that a marker's `group_by=` means; None without one. *titles* are those that the eval asks about.

    A field goes before what is built in under the same name. Raises `InputError`, which *where* begins, for anything
    else, and when a group is asked for which a function cannot give.
    """
    if by is None or not titles:
        return None
    if callable(by):
        name = getattr(by, "__name__", "<>")
        return Grouping("group_by" if name.startswith("<") else one_line(name, _LONGEST), _by_function(by, where))
    fields = dict.fromkeys(field for title in titles for field in title.fields)
    if isinstance(by, str) and by in fields:
        return Grouping(
            one_line(by, _LONGEST), lambda title: _label(title.fields[by]) if by in title.fields else WITHOUT
        )
    if isinstance(by, str) and by in BUILT_IN:
        return Grouping(by, BUILT_IN[by])
    known = one_line(", ".join([*fields, *BUILT_IN]), 300)
    raise InputError(
        f"{where}: group_by is a field of the titles, a function, script or length, not {by!r:.80}; known: {known}"
    )


def _by_function(function: Callable[[TitleText], Any], where: str) -> Callable[[Title], str]:
    def group_of(title: Title) -> str:
        try:
            return _label(function(TitleText.of(title)))
        except Exception as error:
            said = one_line(f"{type(error).__name__}: {error}", 200)
            raise InputError(f"{where}: group_by failed for the title {one_line(title.id, 80)}: {said}") from error

    return group_of


def _label(value: Any) -> str:
    return (
        one_line(value if isinstance(value, str) else repr(value) if value is not None else WITHOUT, _LONGEST)
        or WITHOUT
    )


def _length(title: Title) -> str:
    """In characters. The names sort by length."""
    length = len(title.text)
    if length <= _SHORT:
        return f"up to {_SHORT} characters"
    return f"{_SHORT + 1} to {_MEDIUM} characters" if length <= _MEDIUM else f"{_MEDIUM + 1} characters and more"


BUILT_IN: dict[str, Callable[[Title], str]] = {"script": lambda title: script_of(title.text), "length": _length}
