"""Lines that the terminal holds. Nothing of a run is needed for them, so what only prints a sentence loads nothing."""

from __future__ import annotations

import shutil
import textwrap

WIDEST, _NARROWEST = 80, 20
"""Columns of a terminal that plotbot's own lines use, at most and at least."""


def terminal_width() -> int:
    """The columns for plotbot's own lines: those of the terminal, or COLUMNS, within 20 and 80."""
    return min(max(shutil.get_terminal_size((WIDEST, 24)).columns, _NARROWEST), WIDEST)


def wrapped(label: str, text: str) -> list[str]:
    """*text* behind *label*, in lines that the terminal holds; those below the first are indented."""
    indent = " " * min(len(label), 4)
    width = terminal_width()
    if len(label) > width // 2:
        return textwrap.wrap(label + text, width, subsequent_indent=indent) if text else []
    return textwrap.wrap(text, width, initial_indent=label, subsequent_indent=indent, break_on_hyphens=False)


def fitted(text: str) -> list[str]:
    """The lines of a text; where the terminal is narrower than 80 columns, lines that it holds. Words stay whole."""
    width, lines = terminal_width(), text.split("\n")
    return lines if width == WIDEST else [piece for line in lines for piece in _folded(line, width)]


def _folded(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    indent = " " * min(len(line) - len(line.lstrip()) + 2, width // 2)
    return textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
