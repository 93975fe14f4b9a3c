from __future__ import annotations

import random
from itertools import combinations

from plotbot.measure.duplicates import ALIKE, alike, normalized
from plotbot.records import Title

TEXTS = (
    "Goose sues town over pond",
    "GOOSE   sues town, over pond!",
    "Goose sues the town over pond",
    "Mayor is a cat",
    "Café opens",
    "Cafe\u0301 opens.",
    "!!!",
    "???",
)


def test_the_same_words_and_nearly_the_same_words_are_told_apart() -> None:
    titles = [Title(str(number), text) for number, text in enumerate(TEXTS)]
    found = {(pair.first.id, pair.second.id): (pair.same, round(pair.share, 2)) for pair in alike(titles)}
    assert found == {("0", "1"): (True, 1.0), ("0", "2"): (False, 0.83), ("4", "5"): (True, 1.0)}


def test_no_pair_is_overlooked() -> None:
    """Against a comparison of every title with every other one."""
    draw = random.Random(7)
    titles = [Title(str(n), " ".join(draw.choices("abcdefgh", k=draw.randint(1, 7)))) for n in range(150)]
    texts = list(dict.fromkeys(normalized(title.text) for title in titles))
    words = [frozenset(text.split()) for text in texts]
    expected = sum(len(one & other) / len(one | other) >= ALIKE for one, other in combinations(words, 2))
    assert sum(not pair.same for pair in alike(titles)) == expected
