"""Ready-made checks: each is made for a field of the answer, and several are joined by `all_of`.

    check = all_of(word_count("reason", most=50), one_of("tone", ["dry", "warm"]), equals_field("answer", "expected"))
    verdict = judge(check=check)

A field is a name, `setting.place` inside an object, or `hooks[]` for each element of a list. A field that is missing is
a finding too, except for `no_repeats` and `no_placeholder`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from plotbot.judge import Check, TitleText
from plotbot.judge.checks import findings_of
from plotbot.judge.json_paths import json_path
from plotbot.judge.schemas import normalized
from plotbot.judge.scripts import share_in
from plotbot.judge.story_checks import placeholders
from plotbot.records import Finding
from plotbot.safe import one_line, plural

__all__ = [
    "all_of",
    "contains",
    "equals_field",
    "matches",
    "no_placeholder",
    "no_repeats",
    "number_range",
    "one_of",
    "word_count",
    "written_in",
]

Steps = tuple[str | int, ...]
Test = Callable[[Any, TitleText], str | None]
"""Says what is wrong with a value, or None."""


def all_of(*checks: Check) -> Check:
    """The findings of several checks, in their order. Checks of one's own may be among them."""

    def all_checks(entry: Mapping[str, Any], title: TitleText) -> Iterator[Finding]:
        for check in checks:
            yield from findings_of(check, entry, title)

    return all_checks


def word_count(field: str, *, least: int = 0, most: int | None = None) -> Check:
    """The text has at least *least* and at most *most* words, separated by white space."""

    def test(value: Any, _: TitleText) -> str | None:
        words = len(_text(value).split())
        if words < least:
            return f"{plural(words, 'word')}, at least {least}"
        return f"{plural(words, 'word')}, at most {most}" if most is not None and words > most else None

    return _check("word_count", field, test)


def written_in(field: str, script: str, *, share: float = 0.9) -> Check:
    """At least *share* of the text's letters are in a script: `latin`, `cyrillic`, `han`, `japanese` and so on."""

    def test(value: Any, _: TitleText) -> str | None:
        came = share_in(_text(value), script.lower())
        return (
            None if came >= share else f"{came:.0%} of its letters are {script}, at least {share:.0%}: {_quoted(value)}"
        )

    return _check("written_in", field, test)


def contains(field: str, text: str) -> Check:
    """The text contains another one. Case does not count."""

    def test(value: Any, _: TitleText) -> str | None:
        return None if text.casefold() in _text(value).casefold() else f"{_quoted(text)} is not in {_quoted(value)}"

    return _check("contains", field, test)


def matches(field: str, pattern: str) -> Check:
    """A regular expression of Python's `re` is found in the text; `^…$` makes it match the whole."""
    compiled = re.compile(pattern)

    def test(value: Any, _: TitleText) -> str | None:
        return None if compiled.search(_text(value)) else f"{_quoted(value)} does not match {pattern}"

    return _check("matches", field, test)


def one_of(field: str, choices: Collection[Any]) -> Check:
    """The value is one of *choices*, letter for letter."""

    def test(value: Any, _: TitleText) -> str | None:
        return (
            None
            if any(value == choice for choice in choices)
            else f"{_quoted(value)} is none of {', '.join(map(_quoted, choices))}"
        )

    return _check("one_of", field, test)


def number_range(field: str, low: float, high: float) -> Check:
    """The number is from *low* to *high*, both included."""

    def test(value: Any, _: TitleText) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{_quoted(value)} is no number"
        return None if low <= value <= high else f"{value:g} is not from {low:g} to {high:g}"

    return _check("number_range", field, test)


def equals_field(field: str, expected: str, *, exact: bool = False) -> Check:
    """The value is that of the title's field *expected*.

    Unless *exact*, case and spacing do not count, and a number equals its text: a CSV file holds texts only. Raises
    `LookupError` where a title has no such field: the titles file is wrong then, not the model.
    """

    def test(value: Any, title: TitleText) -> str | None:
        if expected not in title.fields:
            known = ", ".join(title.fields) or "no fields"
            raise LookupError(f"the title {title.id} has no field {expected!r}; it has {known}")
        wanted = title.fields[expected]
        same = value == wanted and type(value) is type(wanted) if exact else _alike(value, wanted)
        return None if same else f"expected {_quoted(wanted)}, came {_quoted(value)}"

    return _check("equals_field", field, test)


def no_repeats(field: str) -> Check:
    """No element of a list says the same as an earlier one. Case, spacing and punctuation at the end do not count."""

    def no_repeats(entry: Mapping[str, Any], _: TitleText) -> Iterator[Finding]:
        first: dict[str, Steps] = {}
        for steps, value in _values(entry, f"{field.removesuffix('[]')}[]"):
            earlier = first.setdefault(normalized(str(value)), steps)
            if earlier is not steps:
                yield Finding(json_path(steps), "no_repeats", f"the same as {json_path(earlier)}: {_quoted(value)}")

    return no_repeats


def no_placeholder() -> Check:
    """No text of the entry is a placeholder (`...`, `<title>`, `TBD`, `string`, the name of its own field)."""

    def no_placeholder(entry: Mapping[str, Any], title: TitleText) -> Iterator[Finding]:
        return placeholders(entry, title)

    return no_placeholder


def _check(name: str, field: str, test: Test) -> Check:
    """A check of each value of a field."""

    def check(entry: Mapping[str, Any], title: TitleText) -> Iterator[Finding]:
        found = list(_values(entry, field))
        if not found and not field.endswith("[]"):
            yield Finding(json_path(tuple(field.split("."))), name, "it is missing")
        for steps, value in found:
            try:
                fault = test(value, title)
            except _KindError:
                fault = f"{_quoted(value)} is no text"
            if fault is not None:
                yield Finding(json_path(steps), name, fault)

    check.__name__ = name
    return check


class _KindError(Exception):
    """A value is no text."""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _KindError
    return value


def _values(entry: Mapping[str, Any], field: str) -> Iterator[tuple[Steps, Any]]:
    """The values of a field, each with the steps to it; none where it is not there."""
    found: list[tuple[Steps, Any]] = [((), entry)]
    for part in field.split("."):
        name = part.removesuffix("[]")
        found = [
            ((*steps, name), value[name]) for steps, value in found if isinstance(value, Mapping) and name in value
        ]
        if part.endswith("[]"):
            found = [
                ((*steps, index), element)
                for steps, value in found
                if isinstance(value, list)
                for index, element in enumerate(value)
            ]
    yield from found


def _alike(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return str(value).casefold() == str(wanted).strip().casefold()
    if isinstance(value, int | float | str) and isinstance(wanted, int | float | str):
        return _number(value) == _number(wanted) if _is_number(value, wanted) else _plain(value) == _plain(wanted)
    return bool(value == wanted)


def _is_number(*values: Any) -> bool:
    return all(_number(value) is not None for value in values)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _plain(value: Any) -> str:
    return " ".join(str(value).split()).casefold()


def _quoted(value: Any) -> str:
    return f"“{one_line(value if isinstance(value, str) else repr(value), 80)}”"
