"""Texts that say the same: word for word but for case, punctuation and spaces, or in nearly the same words.

Titles are short and are compared by their words, stories by their pairs of adjacent words. Two texts that share so
much have some of the rarest words or pairs of each in common: only those are compared (prefix filtering: S.
Chaudhuri, V. Ganti and R. Kaushik, A primitive operator for similarity joins in data cleaning, ICDE 2006; with more
than one in common: J. Wang, G. Li and J. Feng, Can we beat the prefix filtering?, SIGMOD 2012).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil

from plotbot.records import Title

ALIKE = 0.7
"""The share of words, of all words of both titles, from which two titles are near duplicates (Jaccard's index)."""
ALIKE_STORIES = 0.5
"""The same for stories and pairs of adjacent words: about one word in six may be another one."""
_PAIR, _SEQUENCE = 2, 3
# Sets of which fewer of the rarest elements are in common need not be compared.
_MOST_IN_COMMON = 8
# Stories of a few words that come again and again share pairs with most others. With the rarest pairs looked up first,
# so many other stories are met at most, and of them those with the most pairs in common are compared.
_MOST_MET = 2000
_MOST_COMPARED = 50
# Scripts without spaces between words: each character counts as a word.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
# Of floating point: 0.7 * 10 is a little more than 7.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Alike:
    """Two titles that say the same; `share` of their words they have in common. 1.0: the same words."""

    first: Title
    second: Title
    share: float
    same: bool


def normalized(text: str) -> str:
    """The words of a text in lower case, without punctuation, accents and spacing; a text without words as it is."""
    plain = text if text.isascii() else unicodedata.normalize("NFKD", text)
    folded = plain.casefold()
    if not folded.isascii():
        folded = "".join(one for one in folded if not unicodedata.combining(one))
    return " ".join(_WORD.findall(folded)) or text.strip()


def alike(titles: Sequence[Title]) -> Iterator[Alike]:
    """Every pair of titles that are duplicates or near duplicates, by the place of the later one."""
    texts = [normalized(title.text) for title in titles]
    sets = _SimilarSets([frozenset(text.split()) for text in texts], ALIKE)
    by_text: dict[str, int] = {}
    for number, text in enumerate(texts):
        same = by_text.setdefault(text, number)
        if same != number:
            yield Alike(titles[same], titles[number], 1.0, same=True)
            continue
        for other, share in sets.similar_to(number):
            yield Alike(titles[other], titles[number], share, same=False)
        sets.add(number)


@dataclass(frozen=True, slots=True)
class Copy:
    """The text with the number `second` says the same as the earlier one `first`, which is no copy itself."""

    first: int
    second: int
    share: float
    same: bool


def copies(texts: Sequence[str]) -> Iterator[Copy]:
    """Each of the normalized *texts* that is the same as, or nearly the same as, an earlier one that is no copy itself.

    A text that is alike to several is named once, with the first of them.
    """
    by_text: dict[str, int] = {}
    found: dict[int, Copy] = {}
    sets = _SimilarSets([sequences(text, _PAIR) for text in texts], ALIKE_STORIES, _MOST_MET)
    for number, text in enumerate(texts):
        same = by_text.setdefault(text, number)
        if same != number:
            # The earlier one may itself be nearly the same as a third.
            found[number] = replace(found.get(same, Copy(same, number, 1.0, same=True)), second=number)
        elif (similar := min(sets.similar_to(number), default=None)) is not None:
            found[number] = Copy(similar[0], number, similar[1], same=False)
        else:
            sets.add(number)
            continue
        yield found[number]


def sequences(text: str, length: int = _SEQUENCE) -> frozenset[str]:
    """Every sequence of so many words in a normalized text; the text itself if it is shorter."""
    words = text.split()
    last = max(len(words) - length + 1, 1)
    return frozenset(" ".join(words[start : start + length]) for start in range(last))


@dataclass(slots=True)
class _SimilarSets:
    """Finds among the sets that were added those whose Jaccard index with another one is *least* or more.

    All of them; where *most_met* others share a rare element with it, the first of those with the most in common.
    """

    sets: Sequence[frozenset[str]]
    least: float
    most_met: int | None = None
    _frequency: Counter[str] = field(init=False)
    _holders: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """By element: the numbers of the added sets that have it among their rarest."""

    def __post_init__(self) -> None:
        self._frequency = Counter(element for one in self.sets for element in one)

    def add(self, number: int) -> None:
        for element in self._rarest(number):
            self._holders[element].append(number)

    def similar_to(self, number: int) -> Iterator[tuple[int, float]]:
        """The sets that were added and are similar to this one, with their Jaccard index, in the order of adding."""
        own = self.sets[number]
        for other in sorted(self._candidates(number)):
            common = len(own & self.sets[other])
            share = common / (len(own) + len(self.sets[other]) - common)
            if share >= self.least:
                yield other, share

    def _candidates(self, number: int) -> Iterable[int]:
        counts: Counter[int] = Counter()
        met = 0
        for element in self._rarest(number):
            holders = self._holders.get(element, ())
            met += len(holders)
            if self.most_met is not None and met > self.most_met and counts:
                return [other for other, _ in counts.most_common(_MOST_COMPARED)]
            counts.update(holders)
        needed = self._in_common(number)
        return [other for other, count in counts.items() if count >= min(needed, self._in_common(other))]

    def _least_overlap(self, number: int) -> int:
        """How many elements a similar set has in common with this one, at least."""
        return ceil(self.least * len(self.sets[number]) - _ROUNDING)

    def _in_common(self, number: int) -> int:
        """How many of its rarest elements a similar set has in common with this one, at least."""
        return max(min(_MOST_IN_COMMON, self._least_overlap(number) // 4), 1)

    def _rarest(self, number: int) -> list[str]:
        own, frequency = self.sets[number], self._frequency
        ordered = sorted(own, key=lambda element: (frequency[element], element))
        return ordered[: len(own) - self._least_overlap(number) + self._in_common(number)]
