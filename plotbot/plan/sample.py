"""Which titles a run asks about."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from plotbot.errors import InputError
from plotbot.records import Title


def draw(titles: Sequence[Title], size: int, seed: int) -> tuple[Title, ...]:
    """A random sample of *size* titles (0 = all), in random order, decided by the seed alone.

    Titles are ranked by a hash of seed and id, so the same seed draws the same titles on every machine and Python, in
    whatever order the index lists them, and a title added to the index changes at most one place of the sample.
    Raises `InputError` when the index holds fewer titles than asked for.
    """
    if size > len(titles):
        raise InputError(
            f"TEST_SAMPLE_SIZE is {size}, but there are {len(titles)} titles: "
            "ask for fewer, or for all of them with --test-sample-size 0"
        )
    ranked = sorted(titles, key=lambda title: turn(seed, title.id))
    return tuple(ranked[: size or len(ranked)])


def turn(seed: int, title_id: str) -> tuple[bytes, str]:
    """When a title is drawn: the lowest first."""
    return hashlib.sha256(f"{seed}:{title_id}".encode()).digest(), title_id
