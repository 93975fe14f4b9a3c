"""Word lists as plain text in the source."""

from __future__ import annotations


def listed(text: str) -> tuple[str, ...]:
    """The words of a text, between any white space."""
    return tuple(text.split())


def lines(text: str) -> tuple[str, ...]:
    """The lines of a text, without their indentation."""
    return tuple(line.strip() for line in text.strip().splitlines())
