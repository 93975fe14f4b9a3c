"""Sentences whose names come from outside, made once and shown in a terminal, in Markdown and in a page.

A sentence is a list of parts: plain text of our own, and `{"name": …}` for what comes from outside, so that each place
can set a name apart in its own way, whatever its letters do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

LONGEST_NAME = 200
Part = str | dict[str, str]
Sentence = list[Part]


def name(text: str) -> Part:
    return {"name": text[:LONGEST_NAME]}


def listed(names: Sequence[Sentence]) -> Sentence:
    """`a`, `a and b`, `a, b and c`."""
    joined: Sentence = list(names[0])
    for position, one in enumerate(names[1:], start=2):
        joined += [" and " if position == len(names) else ", ", *one]
    return joined


def as_text(sentence: Sentence, show: Callable[[str], str]) -> str:
    """The sentence as one text; *show* makes a name harmless where it will stand."""
    return "".join(part if isinstance(part, str) else show(part["name"]) for part in sentence)
