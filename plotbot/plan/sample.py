"""Drawing the titles that a run asks about."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from plotbot.errors import InputError
from plotbot.records import Title


def draw(titles: Sequence[Title], size: int, seed: int, source: str = "the file") -> tuple[Title, ...]:
    """A random sample of *size* titles (0 = all), in random order, which depends on the seed and the titles alone.

    Titles are ranked by a hash of seed and id. The same seed therefore draws the same titles on every machine and
    Python version and in every order of the index, and a title added to the index changes at most one title of the
    sample. Raises `InputError`, which names *source*, if there are fewer titles than *size*.
    """
    if size > len(titles):
        titles_told = f"{len(titles)} title{'' if len(titles) == 1 else 's'}"
        raise InputError(
            f"TEST_SAMPLE_SIZE is {size}, but {source} has {titles_told}: "
            "ask for fewer, or for all of them with --test-sample-size 0"
        )
    ranked = sorted(titles, key=lambda title: rank(seed, title.id))
    return tuple(ranked[: size or len(ranked)])


def rank(seed: int, title_id: str) -> tuple[bytes, str]:
    """The rank of a title in a draw: the titles with the lowest ranks are drawn."""
    return hashlib.sha256(f"{seed}:{title_id}".encode()).digest(), title_id
