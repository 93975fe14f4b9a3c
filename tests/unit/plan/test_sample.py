from __future__ import annotations

from collections import Counter

import pytest

from plotbot.errors import InputError
from plotbot.plan.sample import draw
from plotbot.records import Title

TITLES = [Title(f"t{number}", f"Title {number}") for number in range(40)]


def test_a_seed_draws_the_same_titles_for_ever() -> None:
    assert [title.id for title in draw(TITLES, 5, 42)] == ["t37", "t20", "t28", "t9", "t39"]


def test_another_seed_draws_another_sample() -> None:
    assert draw(TITLES, 10, 1) != draw(TITLES, 10, 2)


def test_a_bigger_sample_begins_with_the_smaller_one() -> None:
    assert draw(TITLES, 20, 7)[:8] == draw(TITLES, 8, 7)


def test_a_title_added_to_the_index_changes_at_most_one_of_the_sample() -> None:
    for number in range(20):
        before = set(draw(TITLES, 10, 7))
        assert len(before - set(draw([*TITLES, Title(f"new{number}", "New")], 10, 7))) <= 1


def test_every_title_is_drawn_about_equally_often() -> None:
    drawn = Counter(title.id for seed in range(400) for title in draw(TITLES, 4, seed))
    assert set(drawn) == {title.id for title in TITLES}
    assert max(drawn.values()) < 3 * min(drawn.values())


def test_none_is_all_and_too_many_are_refused() -> None:
    assert sorted(title.id for title in draw(TITLES, 0, 3)) == sorted(title.id for title in TITLES)
    with pytest.raises(InputError, match=r"TEST_SAMPLE_SIZE is 41, but data/mine\.csv has 40 titles: ask for fewer"):
        draw(TITLES, 41, 3, "data/mine.csv")
