"""The script that a text is written in, by the Unicode names of its letters."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

# The first word of a letter's Unicode name, where it is not the name of its script.
_SCRIPTS: Mapping[str, str] = {"cjk": "han", "hiragana": "kana", "katakana": "kana", "fullwidth": "latin"}
NO_LETTERS = "none"


def script_of(text: str) -> str:
    """The script of most letters: `latin`, `cyrillic`, `greek`, `arabic`, `han`, `hangul`, …; `none` without letters.

    A text with kana is `japanese`, whatever else it holds.
    """
    counts = _counts(text)
    if counts["kana"]:
        return "japanese"
    return max(counts, key=lambda script: (counts[script], script), default=NO_LETTERS)


def share_in(text: str, script: str) -> float:
    """The share of the letters that are in a script, from 0 to 1; 0 without letters. `japanese` is kana and han."""
    counts = _counts(text)
    total = sum(counts.values())
    wanted = ("kana", "han") if script == "japanese" else (script,)
    return sum(counts[one] for one in wanted) / total if total else 0.0


def _counts(text: str) -> Counter[str]:
    return Counter(_script(character) for character in text if character.isalpha())


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    first = unicodedata.name(letter, "unknown").split(maxsplit=1)[0].lower().partition("-")[0]
    return _SCRIPTS.get(first, first)
