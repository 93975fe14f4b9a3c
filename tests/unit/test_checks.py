"""The ready-made checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from plotbot import Check, TitleText, checks
from plotbot.judge.checks import findings_of

GHENT = "0% of its letters are cyrillic, at least 90%: “Ghent”"
ENTRY: dict[str, Any] = {
    "event": "A goose sues a town",
    "tone": "dry",
    "rating": 4,
    "hooks": ["Who paid?", "Who  PAID", "Why?"],
    "setting": {"place": "Ghent", "notes": ["", "ok"]},
}
TITLE = TitleText("A goose", "t1", {"expected": "4 ", "place": "GHENT", "flag": "true", "list": [1]})


def _said(check: Check, entry: dict[str, Any] = ENTRY) -> list[tuple[str, str]]:
    return [(one.path, one.message) for one in findings_of(check, entry, TITLE)]


@pytest.mark.parametrize(
    "check",
    [
        checks.word_count("event", least=5, most=5),
        checks.written_in("event", "Latin"),
        checks.contains("event", "GOOSE"),
        checks.matches("event", r"^A .* town$"),
        checks.one_of("tone", ["dry", "warm"]),
        checks.number_range("rating", 1, 5),
        checks.equals_field("rating", "expected"),
        checks.equals_field("setting.place", "place"),
        checks.no_repeats("setting.notes"),
        checks.word_count("gone[]", least=3),
        checks.no_placeholder(),
    ],
)
def test_what_is_as_it_should_be_has_no_finding(check: Check) -> None:
    assert _said(check) == []


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (checks.word_count("event", most=3), [("$.event", "5 words, at most 3")]),
        (checks.word_count("hooks[]", least=2), [("$.hooks[2]", "1 word, at least 2")]),
        (checks.word_count("rating", most=3), [("$.rating", "“4” is no text")]),
        (checks.word_count("setting.gone", most=3), [("$.setting.gone", "it is missing")]),
        (checks.written_in("setting.place", "cyrillic"), [("$.setting.place", GHENT)]),
        (checks.contains("event", "swan"), [("$.event", "“swan” is not in “A goose sues a town”")]),
        (checks.matches("tone", "^wet"), [("$.tone", "“dry” does not match ^wet")]),
        (checks.one_of("tone", ("a", "b")), [("$.tone", "“dry” is none of “a”, “b”")]),
        (checks.number_range("rating", 5, 9), [("$.rating", "4 is not from 5 to 9")]),
        (checks.number_range("tone", 5, 9), [("$.tone", "“dry” is no number")]),
        (checks.equals_field("tone", "expected"), [("$.tone", "expected “4”, came “dry”")]),
        (checks.equals_field("rating", "expected", exact=True), [("$.rating", "expected “4”, came “4”")]),
        (checks.equals_field("rating", "list"), [("$.rating", "expected “[1]”, came “4”")]),
        (checks.no_repeats("hooks"), [("$.hooks[1]", "the same as $.hooks[0]: “Who PAID”")]),
    ],
)  # fmt: skip
def test_a_finding_says_where_and_what(check: Check, said: list[tuple[str, str]]) -> None:
    assert _said(check) == said


def test_repeats_and_placeholders_are_found_where_they_stand() -> None:
    entry = {"hooks": ["Who paid?", "who  PAID?", "TBD"]}
    assert _said(checks.no_repeats("hooks"), entry) == [("$.hooks[1]", "the same as $.hooks[0]: “who PAID?”")]
    assert [path for path, _ in _said(checks.no_placeholder(), entry)] == ["$.hooks[2]"]


def test_several_checks_are_one_and_ones_own_may_be_among_them() -> None:
    def mine(entry: Mapping[str, Any], title: str) -> str | None:
        return None if title in entry["event"] else "another event"

    both = checks.all_of(checks.word_count("event", most=3), mine, lambda *_: False)
    found = list(findings_of(both, ENTRY, TITLE))
    assert [one.check for one in found] == ["word_count", "check"]


def test_a_title_without_the_expected_field_is_the_files_fault() -> None:
    with pytest.raises(LookupError, match="the title t1 has no field 'answer'; it has expected, place"):
        _said(checks.equals_field("tone", "answer"))
