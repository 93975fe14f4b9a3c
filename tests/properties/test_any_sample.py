"""A sample depends on the seed and the titles alone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from plotbot.plan.sample import draw
from plotbot.records import Title

TITLES = [Title(f"t{number}", f"Title {number}") for number in range(40)]
QUICK = settings(max_examples=30, derandomize=True, database=None, deadline=None)


@QUICK
@given(st.permutations(TITLES), st.integers(0, 40), st.integers(0, 2**53))
def test_the_order_of_the_index_does_not_matter(shuffled: list[Title], size: int, seed: int) -> None:
    drawn = draw(shuffled, size, seed)
    assert drawn == draw(TITLES, size, seed)
    assert len(set(drawn)) == (size or 40)
