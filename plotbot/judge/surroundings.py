"""What kind of thing a reply is, before any schema: one strict JSON text, or what stands around or instead of it.

Searching is bounded and reads the text a fixed number of times, so a megabyte of brackets or backticks costs
milliseconds. Arrays and objects found inside other text are taken whole: never a part of a broken one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from plotbot.judge import json_scan as scan
from plotbot.judge.strict_json import MAX_CHARACTERS, MAX_DEPTH, StrictJsonError, parse_strict
from plotbot.judge.thinking import MARKER, spoken
from plotbot.records import OK, Reply
from plotbot.safe import one_line

CURE = (
    'LM Studio put the answer into the reasoning channel. Switch off App Settings → Developer → "When applicable, '
    'separate reasoning_content and content in API responses", or set REASONING_EFFORT=none'
)
_MAX_VALUES = 16
_BLANK = "".join(map(chr, (*range(0x21), 0x85, 0xA0, 0x2028, 0x2029, 0x3000, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF)))
_JSON_BLANK = " \t\r\n"
# A bracket that opens JSON, or what was meant as JSON: not `[sic]`, not the footnote `[1]`, not `{title}`.
_OPENING = re.compile(
    r"""\[(?!\s*\d+\s*\])\s*(?:[\[{"'\]]|//|/\*|\#|-?[\d.]+(?:[eE][+-]?\d+)?\s*[,\]]
          |(?:true|false|null|True|False|None|NaN|-?Infinity)\b)
      | \{\s*(?:["'}]|//|/\*|\#|[A-Za-z_$][\w$-]*\s*:)""",
    re.VERBOSE,
)
# A text that is all one string, number or constant, well formed or not.
_SCALAR = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[-+]?\.?\d[\d.eE+_-]*|[-+]?(?:NaN|Infinity)', re.DOTALL)
_FENCE = re.compile(r"```|^[ \t]*~~~+[ \t]*(?:[\w.+-]+[ \t]*)?\r?$", re.MULTILINE)
_LABEL = re.compile(r"\A[\w+-]*[ \t]*\r?\n")
_LEFTOVER = frozenset("]},:;" + _JSON_BLANK)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`ok` or the failure's category, what came, where, and the values that a gentler reader could take for the answer.

    `values` are in the order in which they should be tried; of an ok reply, its one value.
    """

    category: str
    came: str = ""
    where: str = ""
    values: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """An array or object inside a longer text: its value, or why it is not strict JSON."""

    start: int
    end: int
    value: Any = None
    error: StrictJsonError | None = None


def diagnose(reply: Reply) -> Diagnosis:
    """What the reply is. Categories are looked for in this order, and the first that fits is named.

    `truncated`, `json_in_reasoning`, `empty`, ok, `thinking_leak`, `fenced`, `prose_around`, `not_json`, `bad_json`;
    but a text that opens as JSON and then breaks is `bad_json`, whatever follows.
    """
    content = reply.content
    if reply.finish_reason == "length":
        return _truncated(reply)
    if not content.strip(_BLANK):
        return _silent(reply)
    try:
        return Diagnosis(OK, values=(parse_strict(content),))
    except StrictJsonError as error:
        return _not_strict(content, error)


def _truncated(reply: Reply) -> Diagnosis:
    counted = "" if reply.completion_tokens is None else f" after {reply.completion_tokens:,} tokens"
    content = reply.content
    ending = f"the text ends with {_quoted(content[-40:])}" if content else "there is no text"
    came = f"the model was cut off at the token limit{counted}; {ending}"
    return Diagnosis("truncated", came, scan.place(content, len(content)), _strict_values(content))


def _silent(reply: Reply) -> Diagnosis:
    reasoning = reply.reasoning[:MAX_CHARACTERS]
    # The last is the nearest to a final answer; drafts come before it.
    values = _strict_values(reasoning) or [found.value for found in _sound(_values_in(reasoning))][::-1]
    if values or _OPENING.match(reasoning, _first(reasoning, _BLANK)):
        return Diagnosis("json_in_reasoning", f"no text; JSON in the reasoning. {CURE}", "reasoning", values)
    thought = f"{len(reply.reasoning):,} characters of reasoning" if reasoning else "no reasoning either"
    return Diagnosis("empty", f"no text, and {thought}", scan.place("", 0))


def _not_strict(content: str, error: StrictJsonError) -> Diagnosis:
    """Name what keeps a text from being strict JSON; what comes after its first megabyte is not looked at."""
    core = content.strip(_BLANK)
    if core != content.strip(_JSON_BLANK) and (values := _strict_values(core)):
        offset = _odd_blank(content)
        return _at(content, offset, "bad_json", f"{_quoted(content[offset])} beside the JSON value", values)
    start = _first(content, _BLANK)
    window = content[: start + MAX_CHARACTERS]
    if _OPENING.match(window, start) or _is_bracketed(window, start):
        return _opens_as_json(content, window, start, error)
    return _opens_otherwise(content, window, start, error)


def _opens_as_json(content: str, window: str, start: int, error: StrictJsonError) -> Diagnosis:
    end = scan.end_of_container(window, start, MAX_DEPTH)
    if end is None:
        return _broken(content, error)
    first = _found(window, start, end)
    others = list(_values_in(window, end))
    marker = _outside(MARKER, window, end, others)
    if marker:
        return _thinking(content, window, marker)
    if first.error or _LEFTOVER.issuperset(window[end:].strip(_BLANK)):
        return _broken(content, first.error or error)
    values = [first.value, *(found.value for found in _sound(others))]
    after = _first(window, _BLANK, end)
    if _is_fence(window[after:]):
        return _at(content, after, "fenced", "a code fence after the JSON value", values)
    what = "a second JSON value" if _OPENING.match(window, after) else _quoted(window[after : after + 60])
    return _at(content, after, "prose_around", f"after the JSON value: {what}", values)


def _opens_otherwise(content: str, window: str, start: int, error: StrictJsonError) -> Diagnosis:
    found = list(_values_in(window, start))
    marker = _outside(MARKER, window, start, found)
    if marker:
        return _thinking(content, window, marker)
    if not found:
        return _no_container(content, start, error)
    values = [sound.value for sound in _sound(found)]
    fence = _outside(_FENCE, window, start, found)
    if fence and fence.start() < found[-1].start:
        return _at(content, fence.start(), "fenced", f"a code fence around {_inside(found)}", values)
    quote = _quoted(window[start : min(found[0].start, start + 60)])
    return _at(content, start, "prose_around", f"{quote} before {_inside(found)}", values)


def _no_container(content: str, start: int, error: StrictJsonError) -> Diagnosis:
    if _SCALAR.fullmatch(content.strip(_BLANK)):
        return _broken(content, error)
    fence = _FENCE.match(content, start)
    inside = _LABEL.sub("", content[fence.end() :], count=1).rstrip(_BLANK).rstrip("`~") if fence else ""
    values = _strict_values(inside.strip(_BLANK))
    if fence and values:
        return _at(content, fence.start(), "fenced", "a code fence around a JSON value", values)
    return _at(content, start, "not_json", f"text: {_quoted(content[start : start + 80])}")


def _thinking(content: str, window: str, marker: re.Match[str]) -> Diagnosis:
    outside = (found.value for part in spoken(window) for found in _sound(_values_in(part)))
    values = list(islice(outside, _MAX_VALUES))
    rest = "" if values else ", and no JSON value outside it"
    return _at(
        content, marker.start(), "thinking_leak", f"thinking ({_quoted(marker.group())}) in the text{rest}", values
    )


def _broken(content: str, error: StrictJsonError) -> Diagnosis:
    near = content[max(error.offset - 25, 0) : error.offset + 25]
    return _at(content, error.offset, "bad_json", f"{error.reason}, near {_quoted(near)}")


def _at(content: str, offset: int, category: str, came: str, values: Sequence[Any] = ()) -> Diagnosis:
    return Diagnosis(category, came, scan.place(content, offset), values)


def _values_in(text: str, start: int = 0) -> Iterator[_Found]:
    return islice(_all_values_in(text, start), _MAX_VALUES)


def _all_values_in(text: str, start: int) -> Iterator[_Found]:
    opening = _OPENING.search(text, start)
    while opening:
        end = scan.end_of_container(text, opening.start(), MAX_DEPTH)
        found = _found(text, opening.start(), len(text) if end is None else end)
        yield found
        opening = _OPENING.search(text, found.end)


def _found(text: str, start: int, end: int) -> _Found:
    try:
        return _Found(start, end, value=parse_strict(text[start:end]))
    except StrictJsonError as error:
        offset = start + error.offset
        return _Found(start, end, error=StrictJsonError(error.reason, offset, *scan.line_and_column(text, offset)))


def _sound(found: Iterator[_Found] | list[_Found]) -> Iterator[_Found]:
    return (one for one in found if one.error is None)


def _outside(pattern: re.Pattern[str], text: str, start: int, found: list[_Found]) -> re.Match[str] | None:
    """The first match that is not inside a sound value: `<think>` in a headline is the headline's business."""
    for value in _sound(found):
        match = pattern.search(text, start, value.start)
        if match:
            return match
        start = value.end
    return pattern.search(text, start)


def _strict_values(text: str) -> list[Any]:
    try:
        return [parse_strict(text)]
    except StrictJsonError:
        return []


def _is_bracketed(text: str, start: int) -> bool:
    """Whether one pair of brackets is around everything (`[goose, duck]`), or a bracket is all there is."""
    if text[start] not in "[{" or MARKER.match(text, start):
        return False
    end = scan.end_of_container(text, start, MAX_DEPTH)
    return not text[start + 1 if end is None else end :].strip(_BLANK)


def _is_fence(text: str) -> bool:
    return set(text.strip(_BLANK)) in ({"`"}, {"~"})


def _inside(found: list[_Found]) -> str:
    error = next((one.error for one in found if one.error), None)
    return "a JSON value" if error is None or any(_sound(found)) else f"what is not JSON either: {error}"


def _first(text: str, blank: str, start: int = 0) -> int:
    """The offset of the first character from *start* that is not blank; the end where all are."""
    return len(text) - len(text[start:].lstrip(blank))


def _odd_blank(text: str) -> int:
    """The offset of the first character that looks like nothing and that JSON does not count as white space."""
    return next(offset for offset, character in enumerate(text) if character in _BLANK and character not in _JSON_BLANK)


def _quoted(text: str) -> str:
    return f"“{one_line(text, 60)}”"
