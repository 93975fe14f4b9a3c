"""Every title and every model id becomes a harmless name and harmless text."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from plotbot.safe import file_stem, is_plain_name, slug, visible

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
QUICK = settings(max_examples=60, derandomize=True, database=None, deadline=None)
ANY_TEXT = st.text(st.characters(codec=None), max_size=80)


@QUICK
@given(ANY_TEXT)
def test_any_text_becomes_a_slug_and_a_file_name(text: str) -> None:
    assert SLUG.fullmatch(slug(text))
    assert len(slug(text)) <= 40
    assert is_plain_name(file_stem(text))


@QUICK
@given(ANY_TEXT)
def test_visible_text_can_be_encoded_and_is_visible_already(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert visible(shown) == shown
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
