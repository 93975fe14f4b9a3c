from __future__ import annotations

import random
from itertools import combinations

from plotbot.measure.duplicates import ALIKE, ALIKE_STORIES, alike, copies, normalized, sequences
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


def test_no_copy_of_a_story_is_overlooked() -> None:
    """Against a comparison of every story with every earlier one that is no copy; most are edited ones."""
    draw = random.Random(11)
    texts: list[str] = []
    for _ in range(400):
        words = draw.choices([f"w{number}" for number in range(30)], k=draw.randint(1, 40))
        if texts and draw.random() < 0.7:
            words = [word if draw.random() < 0.93 else draw.choice(words) for word in draw.choice(texts).split()]
        texts.append(" ".join(words))
    originals: list[int] = []
    expected: dict[int, int] = {}
    for number, own in enumerate(map(sequences, texts)):
        shares = {one: _jaccard(own, sequences(texts[one])) for one in originals}
        first = min((one for one, share in shares.items() if share >= ALIKE_STORIES), default=None)
        if texts[number] in texts[:number]:
            first = next(one for one in range(number) if texts[one] == texts[number])
            first = expected.get(first, first)
        if first is None:
            originals.append(number)
        else:
            expected[number] = first
    assert len(expected) > 30
    assert {copy.second: copy.first for copy in copies(texts)} == expected


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other)


def test_a_story_that_goes_on_where_another_ends_is_a_near_copy_up_to_a_length() -> None:
    """Its own sequences are its rarest, so that the fewest possible of those that are looked at are in common."""
    words = [f"w{number}" for number in range(84)]
    short, within, longer = (" ".join(words[:count]) for count in (34, 82, 84))
    assert [(copy.second, copy.share) for copy in copies([short, within])] == [(1, 0.4)]
    assert list(copies([short, longer])) == []
