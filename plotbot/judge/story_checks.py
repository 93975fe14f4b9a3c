"""Checks of a story seed beyond its schema: it is about its headline, has no placeholders and repeats nothing.

Checks for evals of your own are in `plotbot.checks`. The paths of findings count from the entry (`$.tone`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from plotbot.judge.json_paths import json_path
from plotbot.judge.schemas import normalized
from plotbot.records import Finding
from plotbot.safe import one_line

Steps = tuple[str | int, ...]

MAX_EVENT_WORDS = 50
_BEFORE_DIFFERENCE = 20
_LISTS = ("themes", "characters", "potential_story_hooks")
# Curly quotes become straight, and marks of text direction are removed.
_TYPOGRAPHY = str.maketrans(
    dict.fromkeys("‘’‚‛ʼ", "'")
    | dict.fromkeys("“”„‟", '"')
    | dict.fromkeys("\u200e\u200f\u061c\u2066\u2067\u2068\u2069")
)
_PLACEHOLDER = re.compile(
    r"""[\W_]+                                              # "...", "---", "???"
      | <[^<>]+> | \[[^\[\]]+\] | \{+[^{}]+\}+               # <title>, [insert a hook], {{tone}}
      | (?:strings?|str|text|value|placeholder|example|sample(?:\ text)?|lorem|xxx+)
      | (?:tb[dca]|todo|n/a|null|undefined)
      | (?:string|theme|character|hook|question|item|event|title|name|text|value|example)[ _-]?\#?\d+
      | to\ be\ (?:determined|decided|defined|filled\ in) | your\ .{1,40}\ here""",
    re.VERBOSE,
)
_STAND_IN = re.compile(
    r"lorem ipsum|\bTBD\b|\bTODO\b|[<\[{](?:insert|your|add|enter|fill in|placeholder)\b[^<>\[\]{}]{0,80}[>\]}]",
    re.IGNORECASE,
)

OBJECTS = (dict, Mapping)
"""What a JSON object is in Python; `dict` comes first because an abstract class is asked at ten times the price."""

# The longest text that begins with a letter or figure and is a placeholder as a whole: "your … here".
_LONGEST_PLACEHOLDER = 60


def validate_entry(entry: Mapping[str, Any], title: str) -> list[Finding]:
    """The faults of one story seed that satisfies its schema; an empty list if there are none.

    The seed's title must be the headline that was asked about (`title`; if that is empty, any title is accepted).
    Unicode form, kinds of quotation marks and white space are ignored in the comparison; case, words and other
    punctuation are not. Fields that are missing or of another type are left to the schema.
    """
    return [*_title(entry, title), *placeholders(entry, title), *_event(entry), *_repeats(entry)]


def strings_in(value: Any) -> Iterator[tuple[Steps, str, str]]:
    """Every string in a value: the steps to it, the key of the member that holds it ('' without one), and its text.

    Iterative, so that deep values cannot overflow the stack. Steps rather than paths, because few are ever shown.
    """
    waiting: list[tuple[Steps, str, Any]] = [((), "", value)]
    while waiting:
        steps, key, item = waiting.pop()
        if isinstance(item, str):
            yield steps, key, item
        elif isinstance(item, list):
            waiting.extend(((*steps, index), key, item[index]) for index in reversed(range(len(item))))
        elif isinstance(item, OBJECTS):
            waiting.extend(((*steps, name), name, item[name]) for name in reversed(item))


def _same_title(one: str, other: str) -> bool:
    return one == other or _plain(one) == _plain(other)


def _plain(title: str) -> str:
    return " ".join(unicodedata.normalize("NFC", title).translate(_TYPOGRAPHY).split())


def _title(entry: Mapping[str, Any], title: str) -> Iterator[Finding]:
    came = entry.get("title")
    if title and isinstance(came, str) and not _same_title(came, title):
        asked, answered = _difference(title, came)
        yield Finding("$.title", "title", f"asked about {_quoted(asked)}, answered about {_quoted(answered)}")


def placeholders(entry: Mapping[str, Any], title: str) -> Iterator[Finding]:
    """The texts of an entry that stand for an answer; the headline itself is none where it is asked for."""
    for steps, key, text in strings_in(entry):
        is_headline = steps == ("title",) and _same_title(text, title)
        if not is_headline and _is_placeholder(text, key):
            yield Finding(json_path(steps), "placeholder", f"{_quoted(text)} stands for an answer, it is none")


def _is_placeholder(text: str, key: str) -> bool:
    plain = " ".join(text.casefold().split())
    return _is_one(plain, key) or (_may_hold_one(plain) and _STAND_IN.search(text) is not None)


def _is_one(plain: str, key: str) -> bool:
    if len(plain) > _LONGEST_PLACEHOLDER + len(key) and plain[0].isalnum():
        return False
    name, field = plain.strip(" .:<>[]{}").replace(" ", "_"), key.casefold()
    return name in (field, field.removesuffix("s")) or _PLACEHOLDER.fullmatch(plain) is not None


def _may_hold_one(plain: str) -> bool:
    """Whether `_STAND_IN` may find something; it takes five times as long."""
    return "tbd" in plain or "todo" in plain or "lorem ipsum" in plain or "<" in plain or "[" in plain or "{" in plain


def _event(entry: Mapping[str, Any]) -> Iterator[Finding]:
    event, title = entry.get("core_event"), entry.get("title")
    if not isinstance(event, str):
        return
    words = len(event.split())
    if words > MAX_EVENT_WORDS:
        yield Finding("$.core_event", "too_long", f"{words} words, at most {MAX_EVENT_WORDS}")
    if isinstance(title, str) and normalized(_plain(event)) == normalized(_plain(title)):
        yield Finding("$.core_event", "repeated", "only the title again")


def _repeats(entry: Mapping[str, Any]) -> Iterator[Finding]:
    event = entry.get("core_event")
    for name in _LISTS:
        first: dict[str, Steps] = {normalized(event): ("core_event",)} if isinstance(event, str) else {}
        items = entry.get(name)
        for index, item in enumerate(items if isinstance(items, list) else ()):
            here: Steps = (name, index)
            earlier = first.setdefault(normalized(item), here) if isinstance(item, str) else here
            if earlier is not here:
                yield Finding(json_path(here), "repeated", f"the same as {json_path(earlier)}: {_quoted(item)}")


def _difference(one: str, other: str) -> tuple[str, str]:
    """Two texts, cut to begin 20 characters before their first difference if that is too late for a short quote."""
    differing = (at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right)
    alike = next(differing, min(len(one), len(other)))
    start = alike - _BEFORE_DIFFERENCE if alike > 2 * _BEFORE_DIFFERENCE else 0
    return (f"…{one[start:]}", f"…{other[start:]}") if start else (one, other)


def _quoted(text: str) -> str:
    return f"“{one_line(text, 80)}”"
