"""Answers as titles: what a judge is shown of an answer, and what it is not."""

from __future__ import annotations

import pytest

from plotbot.measure.judging import CHOICES
from plotbot.run.answers import _Headlines, without_headline

HEADLINE = "Goose sues town for stolen hat"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("The goose sues town again", "The […] again"),
        (f"({HEADLINE.upper()})", "([…])"),
        ("A hat is stolen from a goose in town", "A hat is stolen from a goose in town"),
        ("town for stolen; goose-sues-town.", "[…]; […]."),
        ("for stolen hat sues town for stolen", "[…] […]"),
        ("", ""),
    ],
)
def test_quotes_of_the_headline_are_left_out_and_its_words_are_not(text: str, shown: str) -> None:
    answer = [{"title": HEADLINE, "core_event": text, "deep": [{"title": text}]}]
    assert without_headline(answer, HEADLINE) == [{"core_event": shown, "deep": [{"title": shown}]}]


@pytest.mark.parametrize(
    ("headline", "shown"), [("猫が市長になる", "[…]!"), ("!?", "猫が市長になる!"), ("?", "猫が市長になる!")]
)
def test_a_headline_without_spaces_or_words_is_left_out_too(headline: str, shown: str) -> None:
    assert without_headline({"a": "猫が市長になる!", "n": 3}, headline) == {"a": shown, "n": 3}


def test_decoys_are_the_nearest_headlines_and_the_own_one_is_in_any_place() -> None:
    near = ["Goose sues town for stolen bread", "Town sues goose for stolen hat", "Hat stolen: goose sues"]
    far = [f"Robot number {number} quits" for number in range(20)]
    headlines = _Headlines([HEADLINE, *far[:10], *near, *far[10:]])
    places = set()
    planted = 0
    for number in range(400):
        cards = headlines.cards(f"a{number}", HEADLINE, {"x": 1})
        numbered = cards["choice"]["headlines"]
        assert numbered[str(cards["own"])] == HEADLINE
        assert set(numbered.values()) == {HEADLINE, *near}
        assert (cards["pair"]["headline"] == HEADLINE) is not cards["planted"]
        assert headlines.cards(f"a{number}", HEADLINE, {"x": 1}) == cards
        places.add(cards["own"])
        planted += cards["planted"]
    assert places == set(range(1, CHOICES + 1))
    assert 25 <= planted <= 58, "one in ten"


@pytest.mark.parametrize(
    ("count", "cards"), [(1, set()), (3, {"pair", "planted"}), (4, {"pair", "planted", "choice", "own"})]
)
def test_a_run_with_few_headlines_has_fewer_cards(count: int, cards: set[str]) -> None:
    headlines = [f"Word{number}" for number in range(count)]
    assert set(_Headlines(headlines).cards("a", "Word0", [])) == cards


def test_words_that_many_headlines_have_do_not_make_them_alike() -> None:
    near = ["Alpha goose", "Beta goose", "Gamma goose"]
    many = [f"The village number {number}" for number in range(1000)]
    headlines = _Headlines(["The village goose", *many[:500], *near, *many[500:]])
    assert set(headlines.nearest("The village goose")) == {*near}
    assert len(set(headlines.nearest("The village number 7"))) == CHOICES - 1
