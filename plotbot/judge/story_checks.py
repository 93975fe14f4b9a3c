"""What a story seed must be beyond its schema: about this headline, written out, and saying each thing once.

This is the place for checks of your own. A check takes one entry and the headline and returns findings; their paths
count from the entry (`$.tone`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from plotbot.judge.paths import Steps, json_path, strings_in
from plotbot.judge.schemas import folded
from plotbot.records import Finding
from plotbot.safe import one_line

Check = Callable[[Mapping[str, Any], str], Sequence[Finding]]

MAX_EVENT_WORDS = 50
_BEFORE_THEY_PART = 20
_LISTS = ("themes", "characters", "potential_story_hooks")
# Curly quotes as straight ones; the marks that only steer the direction of a line as nothing.
_SAME_TO_A_READER = str.maketrans(
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

# One of these is in whatever the search above finds; looking for them first is five times as fast.
_STAND_IN_HINTS = ("lorem ipsum", "tbd", "todo", "<", "[", "{")


def validate_entry(entry: Mapping[str, Any], title: str) -> list[Finding]:
    """What is wrong with one story seed that its schema allows; an empty list where nothing is.

    The headline must be the one that was asked about (`title`; where that is empty, any will do). Equal to it is what
    a reader would call the same headline: Unicode forms, kinds of quotation marks and spacing do not count; case,
    words and punctuation do. Fields that are missing or of another type are the schema's business.
    """
    return [*_title(entry, title), *_placeholders(entry, title), *_event(entry), *_repeats(entry)]


def same_title(one: str, other: str) -> bool:
    return one == other or _read(one) == _read(other)


def _read(title: str) -> str:
    return " ".join(unicodedata.normalize("NFC", title).translate(_SAME_TO_A_READER).split())


def _title(entry: Mapping[str, Any], title: str) -> Iterator[Finding]:
    came = entry.get("title")
    if title and isinstance(came, str) and not same_title(came, title):
        asked, answered = _apart(title, came)
        yield Finding("$.title", "title", f"asked about {_quoted(asked)}, answered about {_quoted(answered)}")


def _placeholders(entry: Mapping[str, Any], title: str) -> Iterator[Finding]:
    for steps, key, text in strings_in(entry):
        is_headline = steps == ("title",) and same_title(text, title)
        if not is_headline and _is_placeholder(text, key):
            yield Finding(json_path(steps), "placeholder", f"{_quoted(text)} stands for an answer, it is none")


def _is_placeholder(text: str, key: str) -> bool:
    plain = " ".join(text.casefold().split())
    name, field = plain.strip(" .:<>[]{}").replace(" ", "_"), key.casefold()
    if name in (field, field.removesuffix("s")) or _PLACEHOLDER.fullmatch(plain) is not None:
        return True
    return any(hint in plain for hint in _STAND_IN_HINTS) and _STAND_IN.search(text) is not None


def _event(entry: Mapping[str, Any]) -> Iterator[Finding]:
    event, title = entry.get("core_event"), entry.get("title")
    if not isinstance(event, str):
        return
    words = len(event.split())
    if words > MAX_EVENT_WORDS:
        yield Finding("$.core_event", "too_long", f"{words} words, at most {MAX_EVENT_WORDS}")
    if isinstance(title, str) and folded(_read(event)) == folded(_read(title)):
        yield Finding("$.core_event", "repeated", "only the title again")


def _repeats(entry: Mapping[str, Any]) -> Iterator[Finding]:
    event = entry.get("core_event")
    for name in _LISTS:
        first: dict[str, Steps] = {folded(event): ("core_event",)} if isinstance(event, str) else {}
        items = entry.get(name)
        for index, item in enumerate(items if isinstance(items, list) else ()):
            here: Steps = (name, index)
            earlier = first.setdefault(folded(item), here) if isinstance(item, str) else here
            if earlier is not here:
                yield Finding(json_path(here), "repeated", f"the same as {json_path(earlier)}: {_quoted(item)}")


def _apart(one: str, other: str) -> tuple[str, str]:
    """Two texts as they are quoted side by side: from shortly before where they part, if a quote might end before."""
    differ = (at for at, (mine, theirs) in enumerate(zip(one, other, strict=False)) if mine != theirs)
    alike = next(differ, min(len(one), len(other)))
    start = alike - _BEFORE_THEY_PART if alike > 2 * _BEFORE_THEY_PART else 0
    return (f"…{one[start:]}", f"…{other[start:]}") if start else (one, other)


def _quoted(text: str) -> str:
    return f"“{one_line(text, 80)}”"
