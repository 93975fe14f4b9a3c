"""The marks with which models fence off their thinking, as they turn up in text where no server took them out."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NAMES = r"(?:think|thinking|thoughts?|reasoning|reflection|analysis|seed:think)"
# Qwen, DeepSeek and most others; Magistral; Kimi; Gemma; Command; OpenThinker; gpt-oss ("harmony").
MARKER = re.compile(
    rf"""(?P<closer> </{_NAMES}> | \[/THINK(?:ING)?\] | ◁/think▷ | <channel\|>
        | <\|(?:/think|end_think(?:ing)?|end_of_thought|think_end)\|> | <\|channel\|>\s?final[^<]{{0,80}}<\|message\|>)
      | <{_NAMES}\b[^<>]{{0,80}}> | \[THINK(?:ING)?\] | ◁think▷ | <\|channel\|?>
      | <\|(?:think|start_think(?:ing)?|begin_of_thought|think_start)\|>""",
    re.VERBOSE | re.IGNORECASE,
)


def spoken(text: str) -> Iterator[str]:
    """The parts of a text that stand outside its thinking.

    After a mark that closes what was never opened, all before it was thinking. What follows a mark that is never
    closed is thinking to the end.
    """
    parts: list[str] = []
    start: int | None = 0
    for mark in MARKER.finditer(text):
        if mark["closer"]:
            parts = parts if start is None else []
            start = mark.end()
        elif start is not None:
            parts.append(text[start : mark.start()])
            start = None
    yield from parts
    if start is not None:
        yield text[start:]
