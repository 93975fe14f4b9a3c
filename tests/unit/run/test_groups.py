from __future__ import annotations

import pytest

from plotbot.errors import InputError
from plotbot.judge import TitleText
from plotbot.records import Title
from plotbot.run.groups import WITHOUT, grouping

TITLES = [
    Title("a", "A goose", {"season": "winter", "year": 2026}),
    Title("b", "Гусь", {"season": "\x1b[2J\n" + "x" * 500}),
    Title("c", "x" * 90, {"season": None, "tags": [1]}),
]


def _groups(by: object) -> list[str]:
    found = grouping(by, TITLES, "here")
    assert found is not None
    return [found.group_of(title) for title in TITLES]


def test_titles_are_grouped_by_a_field_of_any_type() -> None:
    winter, hostile, none = _groups("season")
    assert (winter, none) == ("winter", WITHOUT)
    assert len(hostile) <= 80
    assert "\x1b" not in hostile
    assert _groups("year") == ["2026", WITHOUT, WITHOUT]
    assert _groups("tags") == [WITHOUT, WITHOUT, "[1]"]


def test_script_and_length_are_built_in() -> None:
    assert _groups("script") == ["latin", "cyrillic", "latin"]
    assert _groups("length") == ["up to 40 characters", "up to 40 characters", "81 characters and more"]


def test_a_function_gets_the_headline_with_its_fields() -> None:
    def era(title: TitleText) -> object:
        return title.fields.get("year", title[:1])

    found = grouping(era, TITLES, "here")
    assert found is not None
    assert found.name == "era"
    assert [found.group_of(title) for title in TITLES] == ["2026", "Г", "x"]
    unnamed = grouping(lambda title: title.id, TITLES, "here")
    assert unnamed is not None
    assert unnamed.name == "group_by"
    assert grouping(None, TITLES, "here") is None
    assert grouping("anything", [], "here") is None


@pytest.mark.parametrize("by", ["saeson", 7, ["season"]])
def test_anything_else_is_refused_with_what_is_known(by: object) -> None:
    with pytest.raises(InputError, match=r"here: group_by is a field .*; known: season, year, tags, script, length"):
        grouping(by, TITLES, "here")


def test_a_function_that_fails_is_named_with_the_title() -> None:
    with pytest.raises(InputError, match="here: group_by failed for the title b: KeyError: 'year'"):
        list(map(grouping(lambda title: title.fields["year"], TITLES, "here").group_of, TITLES))  # type: ignore[union-attr]
