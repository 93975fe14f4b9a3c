"""Finding the JSON in a reply that is not strict JSON: inside a code fence, prose, thinking or the reasoning channel.

It names the failure's category and extracts the values that could be the answer. The search is bounded and reads the
text a fixed number of times: a megabyte of brackets or backticks costs milliseconds. Arrays and objects are extracted
whole, never as a part of a broken one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from plotbot.judge.strict_json import (
    MAX_CHARACTERS,
    StrictJsonError,
    describe_position,
    end_of_container,
    line_and_column,
    parse_strict,
)
from plotbot.records import Reply
from plotbot.safe import one_line, plural

_REASONING_ADVICE = (
    'LM Studio put the answer into the reasoning channel. Switch off App Settings → Developer → "When applicable, '
    'separate reasoning_content and content in API responses", or set REASONING_EFFORT=none'
)
_MAX_VALUES = 16
_BLANK = "".join(map(chr, (*range(0x21), 0x85, 0xA0, 0x2028, 0x2029, 0x3000, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF)))
_JSON_BLANK = " \t\r\n"
# A bracket that opens JSON, or something meant as JSON: not `[sic]`, not the footnote `[1]`, not `{title}`.
_OPENING = re.compile(
    r"""\[(?!\s*\d+\s*\])\s*(?:[\[{"'\]]|//|/\*|\#|-?[\d.]+(?:[eE][+-]?\d+)?\s*[,\]]
          |(?:true|false|null|True|False|None|NaN|-?Infinity)\b)
      | \{\s*(?:["'}]|//|/\*|\#|[A-Za-z_$][\w$-]*\s*:)""",
    re.VERBOSE,
)
# A text that is one string, number or constant, well formed or not.
_SCALAR = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[-+]?\.?\d[\d.eE+_-]*|[-+]?(?:NaN|Infinity)', re.DOTALL)
_FENCE = re.compile(r"```|^[ \t]*~~~+[ \t]*(?:[\w.+-]+[ \t]*)?\r?$", re.MULTILINE)
_LABEL = re.compile(r"\A[\w+-]*[ \t]*\r?\n")
_LEFTOVER = frozenset("]},:;" + _JSON_BLANK)

_THINKING_NAMES = r"(?:think|thinking|thoughts?|reasoning|reflection|analysis|seed:think)"
# The tags around thinking that a server left in the text, in order: Qwen, DeepSeek and most others; Magistral; Kimi;
# Gemma; Command; OpenThinker; gpt-oss ("harmony").
_THINKING = re.compile(
    rf"""(?P<closing> </{_THINKING_NAMES}> | \[/THINK(?:ING)?\] | ◁/think▷ | <channel\|>
        | <\|(?:/think|end_think(?:ing)?|end_of_thought|think_end)\|> | <\|channel\|>\s?final[^<]{{0,80}}<\|message\|>)
      | <{_THINKING_NAMES}\b[^<>]{{0,80}}> | \[THINK(?:ING)?\] | ◁think▷ | <\|channel\|?>
      | <\|(?:think|start_think(?:ing)?|begin_of_thought|think_start)\|>""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Extraction:
    """The failure's category, what came and where, and the values that could be the answer, most likely first."""

    category: str
    came: str = ""
    where: str = ""
    values: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """An array or object inside a longer text: its value, or the error that keeps it from being strict JSON."""

    start: int
    end: int
    value: Any = None
    error: StrictJsonError | None = None


def extract_truncated(reply: Reply) -> Extraction:
    """What a reply holds that the server cut off at the token limit, whether its text is complete or not."""
    counted = "" if reply.completion_tokens is None else f" after {plural(reply.completion_tokens, 'token')}"
    content = reply.content
    ending = f"the text ends with {_quoted(content[-40:])}" if content else "there is no text"
    looped = repeated_ending(content or reply.reasoning)
    again = f"; it says the same again and again: {_quoted(looped[:60])}" if looped else ""
    came = f"the model was cut off at the token limit{counted}; {ending}{again}"
    return Extraction("truncated", came, describe_position(content, len(content)), _strict_values(content))


_LONGEST_LOOP = 1_000
_LEAST_LOOPS = 4


def repeated_ending(text: str) -> str:
    """What a text repeats at its end, four times or more and over 100 characters at least; empty if it does not."""
    ending = text[-_LONGEST_LOOP * (_LEAST_LOOPS + 1) :]
    for length in range(1, _LONGEST_LOOP + 1):
        span = max(length * _LEAST_LOOPS, 100)
        if span <= len(ending) and ending[-span:-length] == ending[-span + length :]:
            return ending[-length:]
    return ""


def extract(reply: Reply, error: StrictJsonError) -> Extraction:
    """What a reply holds whose text `parse_strict` refused with *error*.

    The category is the first that applies, in the order of `plotbot.categories.FAILURES`. One exception: a text that
    opens as JSON and then breaks is `bad_json`, whatever follows it.
    """
    content = reply.content
    if not content.strip(_BLANK):
        return _without_text(reply)
    core = content.strip(_BLANK)
    if core != content.strip(_JSON_BLANK) and (values := _strict_values(core)):
        offset = _odd_blank(content)
        return _at(content, offset, "bad_json", f"{_quoted(content[offset])} beside the JSON value", values)
    start = _first(content, _BLANK)
    # Bounds the time for a huge reply.
    window = content[: start + MAX_CHARACTERS]
    if _OPENING.match(window, start) or _is_bracketed(window, start):
        return _opens_as_json(content, window, start, error)
    return _opens_otherwise(content, window, start, error)


def _without_text(reply: Reply) -> Extraction:
    reasoning = reply.reasoning[:MAX_CHARACTERS]
    # Drafts come first: the last value is nearest to a final answer.
    values = _strict_values(reasoning) or [found.value for found in _valid(_values_in(reasoning))][::-1]
    if values or _OPENING.match(reasoning, _first(reasoning, _BLANK)):
        came = f"no text; JSON in the reasoning. {_REASONING_ADVICE}"
        return Extraction("json_in_reasoning", came, "reasoning", values)
    thought = f"{plural(len(reply.reasoning), 'character')} of reasoning" if reasoning else "no reasoning either"
    return Extraction("empty", f"no text, and {thought}", describe_position("", 0))


def _opens_as_json(content: str, window: str, start: int, error: StrictJsonError) -> Extraction:
    end = end_of_container(window, start)
    if end is None:
        return _broken(content, error)
    first = _found(window, start, end)
    others = list(_values_in(window, end))
    tag = _outside(_THINKING, window, end, others)
    if tag:
        return _with_thinking(content, window, tag)
    if first.error or _LEFTOVER.issuperset(window[end:].strip(_BLANK)):
        return _broken(content, first.error or error)
    values = [first.value, *(found.value for found in _valid(others))]
    after = _first(window, _BLANK, end)
    if _is_fence(window[after:]):
        return _at(content, after, "fenced", "a code fence after the JSON value", values)
    what = "a second JSON value" if _OPENING.match(window, after) else _quoted(window[after : after + 60])
    return _at(content, after, "prose_around", f"after the JSON value: {what}", values)


def _opens_otherwise(content: str, window: str, start: int, error: StrictJsonError) -> Extraction:
    found = list(_values_in(window, start))
    tag = _outside(_THINKING, window, start, found)
    if tag:
        return _with_thinking(content, window, tag)
    if not found:
        return _no_container(content, start, error)
    values = [valid.value for valid in _valid(found)]
    fence = _outside(_FENCE, window, start, found)
    if fence and fence.start() < found[-1].start:
        return _at(content, fence.start(), "fenced", f"a code fence around {_inside(found)}", values)
    quote = _quoted(window[start : min(found[0].start, start + 60)])
    return _at(content, start, "prose_around", f"{quote} before {_inside(found)}", values)


def _no_container(content: str, start: int, error: StrictJsonError) -> Extraction:
    if _SCALAR.fullmatch(content.strip(_BLANK)):
        return _broken(content, error)
    fence = _FENCE.match(content, start)
    inside = _LABEL.sub("", content[fence.end() :], count=1).rstrip(_BLANK).rstrip("`~") if fence else ""
    values = _strict_values(inside.strip(_BLANK))
    if fence and values:
        return _at(content, fence.start(), "fenced", "a code fence around a JSON value", values)
    return _at(content, start, "not_json", f"text: {_quoted(content[start : start + 80])}")


def _with_thinking(content: str, window: str, tag: re.Match[str]) -> Extraction:
    outside = (found.value for part in _outside_thinking(window) for found in _valid(_values_in(part)))
    values = list(islice(outside, _MAX_VALUES))
    rest = "" if values else ", and no JSON value outside it"
    came = f"thinking ({_quoted(tag.group())}) in the text{rest}"
    return _at(content, tag.start(), "thinking_leak", came, values)


def _outside_thinking(text: str) -> Iterator[str]:
    """The parts of a text outside its thinking.

    A closing tag without an opening one ends thinking that began with the text. An opening tag without a closing one
    begins thinking that lasts to the end.
    """
    parts: list[str] = []
    start: int | None = 0
    for tag in _THINKING.finditer(text):
        if tag["closing"]:
            parts = parts if start is None else []
            start = tag.end()
        elif start is not None:
            parts.append(text[start : tag.start()])
            start = None
    yield from parts
    if start is not None:
        yield text[start:]


def _broken(content: str, error: StrictJsonError) -> Extraction:
    near = content[max(error.offset - 25, 0) : error.offset + 25]
    return _at(content, error.offset, "bad_json", f"{error.reason}, near {_quoted(near)}")


def _at(content: str, offset: int, category: str, came: str, values: Sequence[Any] = ()) -> Extraction:
    return Extraction(category, came, describe_position(content, offset), values)


def _values_in(text: str, start: int = 0) -> Iterator[_Found]:
    return islice(_all_values_in(text, start), _MAX_VALUES)


def _all_values_in(text: str, start: int) -> Iterator[_Found]:
    opening = _OPENING.search(text, start)
    while opening:
        end = end_of_container(text, opening.start())
        found = _found(text, opening.start(), len(text) if end is None else end)
        yield found
        opening = _OPENING.search(text, found.end)


def _found(text: str, start: int, end: int) -> _Found:
    try:
        return _Found(start, end, value=parse_strict(text[start:end]))
    except StrictJsonError as error:
        offset = start + error.offset
        return _Found(start, end, error=StrictJsonError(error.reason, offset, *line_and_column(text, offset)))


def _valid(found: Iterator[_Found] | list[_Found]) -> Iterator[_Found]:
    return (one for one in found if one.error is None)


def _outside(pattern: re.Pattern[str], text: str, start: int, found: list[_Found]) -> re.Match[str] | None:
    """The first match that is not inside a valid value: a headline may contain `<think>`."""
    for value in _valid(found):
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
    """Whether one pair of brackets encloses everything (`[goose, duck]`), or the text is a bracket alone."""
    if text[start] not in "[{" or _THINKING.match(text, start):
        return False
    end = end_of_container(text, start)
    return not text[start + 1 if end is None else end :].strip(_BLANK)


def _is_fence(text: str) -> bool:
    return set(text.strip(_BLANK)) in ({"`"}, {"~"})


def _inside(found: list[_Found]) -> str:
    error = next((one.error for one in found if one.error), None)
    return "a JSON value" if error is None or any(_valid(found)) else f"what is not JSON either: {error}"


def _first(text: str, blank: str, start: int = 0) -> int:
    """The offset of the first character from *start* on that is not blank; the end if all are."""
    return len(text) - len(text[start:].lstrip(blank))


def _odd_blank(text: str) -> int:
    """The offset of the first blank character that is not white space in JSON."""
    return next(offset for offset, character in enumerate(text) if character in _BLANK and character not in _JSON_BLANK)


def _quoted(text: str) -> str:
    return f"“{one_line(text, 60)}”"
