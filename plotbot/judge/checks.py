"""Checks beyond a schema: what one is given, and what its result means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Self, TypeGuard

from plotbot.judge.schemas import MAX_COUNTED
from plotbot.records import Finding, Title
from plotbot.safe import one_line

CheckResult = Finding | str | tuple[str, str] | bool | Iterable[Finding | str | tuple[str, str] | bool | None] | None
"""What a check may return; see `findings_of`."""


class TitleText(str):
    """A headline as a check gets it: a text, with the title's `id` and its further `fields`."""

    __slots__ = ("fields", "id")
    id: str
    fields: Mapping[str, Any]

    def __new__(cls, text: str = "", id: str = "", fields: Mapping[str, Any] | None = None) -> Self:  # noqa: A002  its
        made = super().__new__(cls, text)
        made.id, made.fields = id, {} if fields is None else fields
        return made

    @classmethod
    def of(cls, title: Title | None) -> Self:
        """The headline of a title; empty without one."""
        return cls() if title is None else cls(title.text, title.id, title.fields)


Check = Callable[[Mapping[str, Any], TitleText], CheckResult]
"""Called with one entry of the answer and the headline. It may also `assert`."""


def findings_of(check: Check, entry: Mapping[str, Any], title: TitleText) -> Iterator[Finding]:
    """What a check holds against an entry.

    A finding, a text or a (path, message) pair is one finding, and a list or generator may hold any number of them;
    False is a finding without words; True, None and an empty text or list are none. A failed `assert` is a finding with
    its message, and those before it count too. Raises `TypeError` for anything else, and what the check raises.
    """
    name = name_of(check)
    try:
        yield from _findings(check(entry, title), name)
    except AssertionError as error:
        # pytest's account of an assertion follows the message on lines of its own.
        message = next(iter(str(error).splitlines()), "") or "an assertion does not hold"
        yield Finding("$", name, message)


def name_of(check: Callable[..., object]) -> str:
    """The name of a check in reports; `check` for a lambda."""
    inner = getattr(check, "func", check)
    name = str(getattr(inner, "__name__", type(inner).__name__))
    return "check" if name.startswith("<") else one_line(name, 40)


def _findings(result: object, name: str) -> Iterator[Finding]:
    if isinstance(result, Iterable) and not isinstance(result, str | bytes | Mapping) and not _is_pair(result):
        # A generator may be endless.
        for one in islice(result, MAX_COUNTED):
            yield from _finding(one, name)
    else:
        yield from _finding(result, name)


def _finding(one: object, name: str) -> Iterator[Finding]:
    if isinstance(one, Finding):
        yield one
    elif isinstance(one, str):
        if one:
            yield Finding("$", name, one)
    elif _is_pair(one):
        path, message = one
        yield Finding(path, name, message)
    elif one is False:
        yield Finding("$", name, "the check says no")
    elif one is not True and one is not None:
        wanted = "findings, texts, (path, message) pairs, True, False or None"
        raise TypeError(f"the check {name} returned {one_line(repr(one), 80)}; a check returns {wanted}")


def _is_pair(value: object) -> TypeGuard[tuple[str, str]]:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, str) for part in value)
