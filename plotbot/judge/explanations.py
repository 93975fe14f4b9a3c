"""A verdict in words: violations, findings and the place in the reply as the text of a failing assertion."""

from __future__ import annotations

import re
from collections.abc import Iterator

from plotbot.categories import FAILURES, OK
from plotbot.judge.schemas import MAX_LISTED
from plotbot.records import Finding, Reply, Verdict, Violation
from plotbot.safe import one_line, visible

MAX_LENGTH = 3_000
MAX_FIELD = 400
"""The most characters of what was expected, what came and where."""
_OFFSET = re.compile(r"offset (\d+) \(line \d+, column \d+\)")
_AROUND = 40


def explain(verdict: Verdict, reply: Reply | None = None) -> str:
    """The verdict as lines of text: at most `MAX_LENGTH` characters, without control characters and lone surrogates.

    With the *reply* it also quotes the text around the failure, with a caret under the place.
    """
    lines = [
        headline(verdict),
        *_field("expected", verdict.expected),
        *_field("came", verdict.came),
        *_field("where", verdict.where),
        *(_excerpt(verdict, reply) if reply else ()),
        *map(_fault, verdict.violations[:MAX_LISTED]),
        *map(_fault, verdict.findings[:MAX_LISTED]),
        *_recovery(verdict),
    ]
    return _bounded([visible(line) for line in lines])


def headline(verdict: Verdict) -> str:
    """The first line of the explanation: the category and what it means."""
    return f"{one_line(verdict.category, 40)}: {_meaning(verdict.category)}"


def locate(verdict: Verdict) -> int | None:
    """The offset, in characters, of the failure in the reply's content; None if the verdict names a JSON path."""
    match = _OFFSET.fullmatch(verdict.where)
    return int(match[1]) if match else None


def _meaning(category: str) -> str:
    if category == OK:
        return "a good answer"
    return FAILURES[category].meaning if category in FAILURES else "failed"


def _field(name: str, text: str) -> Iterator[str]:
    if text:
        yield f"  {name:<9} {one_line(text, MAX_FIELD)}"


def _fault(fault: Violation | Finding) -> str:
    name = fault.keyword if isinstance(fault, Violation) else fault.check
    return f"  - {one_line(fault.path, 200)}: {one_line(fault.message, 240)} ({one_line(name, 40)})"


def _excerpt(verdict: Verdict, reply: Reply) -> Iterator[str]:
    offset = locate(verdict)
    if offset is not None and reply.content:
        before = _flat(reply.content[max(offset - _AROUND, 0) : offset])
        after = _flat(reply.content[offset : offset + _AROUND])
        yield f"            {before}{after}"
        yield f"            {' ' * len(before)}^"


def _flat(text: str) -> str:
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def _recovery(verdict: Verdict) -> Iterator[str]:
    if verdict.ok and not verdict.tolerated:
        return
    if verdict.tolerated:
        yield f"  passed: a valid answer could be recovered, and TOLERATE names {verdict.category}"
    elif verdict.recoverable:
        yield f"  a valid answer can be recovered from it; TOLERATE={verdict.category} lets such replies pass"
    else:
        yield "  no valid answer can be recovered from it"


def _bounded(lines: list[str]) -> str:
    """All lines; if they are too long, the first ones and the last, which says whether an answer can be recovered."""
    text = "\n".join(lines)
    if len(text) <= MAX_LENGTH:
        return text
    last = lines[-1]
    kept = text[: MAX_LENGTH - len(last) - len("\n  …\n")]
    return f"{kept.rpartition(chr(10))[0]}\n  …\n{last}"
