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
    pairs = [sequences(text, 2) for text in texts]
    originals: list[int] = []
    expected: dict[int, int] = {}
    for number, own in enumerate(pairs):
        shares = {one: _jaccard(own, pairs[one]) for one in originals}
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
    """Its own pairs are its rarest, so that the fewest possible of those that are looked at are in common."""
    words = [f"w{number}" for number in range(68)]
    short, within, longer = (" ".join(words[:count]) for count in (34, 67, 68))
    assert [(copy.second, copy.share) for copy in copies([short, within])] == [(1, 0.5)]
    assert list(copies([short, longer])) == []


def test_edited_copies_are_found_among_stories_of_few_words() -> None:
    """Each pair of words is in hundreds of stories, so that the first look at those with rare ones must be enough."""
    draw = random.Random(13)
    phrases = [" ".join(f"p{number}x{place}" for place in range(6)) for number in range(60)]
    told = [" ".join(draw.sample(phrases, 8)) for _ in range(2000)]
    edited = [
        " ".join(f"e{draw.random()}" if n % 10 == 4 else word for n, word in enumerate(one.split()))
        for one in told[:50]
    ]
    found = {copy.second for copy in copies([*told, *edited])}
    assert len(found & set(range(2000, 2050))) >= 48
    assert len(found & set(range(2000))) <= 5
