"""Titles that say the same: letter for letter but for case, punctuation and spaces, or in nearly the same words."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from plotbot.records import Title

ALIKE = 0.7
"""The share of words, of all words of both titles, from which two titles are near duplicates (Jaccard's index)."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Alike:
    """Two titles that say the same; `share` of their words they have in common. 1.0: the same words."""

    first: Title
    second: Title
    share: float
    same: bool


def normalized(text: str) -> str:
    """The words of a text in lower case, without punctuation, accents and spacing; a text without words as it is."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return " ".join(_WORD.findall("".join(one for one in plain if not unicodedata.combining(one)))) or text.strip()


def alike(titles: Sequence[Title]) -> Iterator[Alike]:
    """Every pair of titles that are duplicates or near duplicates, by the place of the later one.

    Titles that share seven words of ten have a word in common among the rarest few of each: only those are compared
    (prefix filtering: S. Chaudhuri, V. Ganti and R. Kaushik, A primitive operator for similarity joins in data
    cleaning, ICDE 2006).
    """
    texts = [normalized(title.text) for title in titles]
    words = [frozenset(text.split()) for text in texts]
    frequency = Counter(word for one in words for word in one)
    by_word: defaultdict[str, list[int]] = defaultdict(list)
    by_text: dict[str, int] = {}
    for number, own in enumerate(words):
        same = by_text.setdefault(texts[number], number)
        if same != number:
            yield Alike(titles[same], titles[number], 1.0, same=True)
            continue
        rarest = sorted(own, key=lambda word: (frequency[word], word))
        prefix = rarest[: len(own) - ceil(ALIKE * len(own)) + 1]
        for other in sorted({other for word in prefix for other in by_word[word]}):
            share = len(own & words[other]) / len(own | words[other])
            if share >= ALIKE:
                yield Alike(titles[other], titles[number], share, same=False)
        for word in prefix:
            by_word[word].append(number)
