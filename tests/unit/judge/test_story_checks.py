from typing import Any

import pytest

from plotbot.judge import validate_entry

TITLE = "Man’s goose wins seat on town council"


def found(entry: dict[str, Any], title: str = TITLE) -> list[tuple[str, str]]:
    return [(finding.path, finding.check) for finding in validate_entry(entry, title)]


def test_a_good_entry_has_no_findings(entry: dict[str, Any]) -> None:
    assert found(entry) == []


@pytest.mark.parametrize(
    ("asked", "came"),
    [
        ("Café opens", "Cafe\u0301 opens"),
        ("“Ghost” votes", '"Ghost" votes'),
        ("It's  a\tgoose", "It’s a goose"),
        ("Goose \u200eflies", "Goose flies "),
        ("[Video] Goose", "[Video] Goose"),
        ("...", "..."),
        ("鵝當選", "鵝當選"),
        ("", "Whatever"),
    ],
)
def test_typography_does_not_make_it_another_title(entry: dict[str, Any], asked: str, came: str) -> None:
    assert found({**entry, "title": came}, asked) == []


@pytest.mark.parametrize(
    "came", ["Man's goose wins seat", "Man's Goose wins seat on town council", "Man's goose wins seat on town council!"]
)
def test_another_title_is_a_finding(entry: dict[str, Any], came: str) -> None:
    assert found({**entry, "title": came}) == [("$.title", "title")]


def test_long_titles_are_quoted_from_shortly_before_their_difference(entry: dict[str, Any]) -> None:
    asked = "After nineteen years, two court cases, one flood and a brief marriage, the disputed garden gnome stands"
    came = asked.replace("gnome stands", "fence falls")
    findings = validate_entry({**entry, "title": came}, asked)
    assert [finding.message for finding in findings if finding.check == "title"] == [
        "asked about “…the disputed garden gnome stands”, answered about “…the disputed garden fence falls”"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "...", "…", "---", "string", "String ", "TBD", "n/a", "<tone>", "[insert tone here]", "{{tone}}", "tone",
        "The tone is TBD", "Lorem ipsum dolor sit amet", "To be determined", "your tone here", "sample text", "XXX",
        "wry <insert more>", "text 1",
    ],
)  # fmt: skip
def test_a_placeholder_is_a_finding(entry: dict[str, Any], text: str) -> None:
    assert found({**entry, "tone": text}) == [("$.tone", "placeholder")]


@pytest.mark.parametrize(
    "text",
    [
        "wry", "a stringy tone", "dry [sic] and wry", "todos los días", "unknown", "the text of the law", "¿por qué?",
        "a < b > c", "wry... but warm", "खेल",
    ],
)  # fmt: skip
def test_what_only_resembles_a_placeholder_is_none(entry: dict[str, Any], text: str) -> None:
    assert found({**entry, "tone": text}) == []


def test_a_placeholder_in_a_list_has_the_path_of_its_item(entry: dict[str, Any]) -> None:
    assert found({**entry, "themes": ["power", "Theme 2", "theme"]}) == [
        ("$.themes[1]", "placeholder"),
        ("$.themes[2]", "placeholder"),
    ]


def test_fifty_words_are_enough_for_an_event(entry: dict[str, Any]) -> None:
    words = ["goose"] * 50
    assert found({**entry, "core_event": " ".join(words)}) == []
    assert found({**entry, "core_event": " ".join([*words, "goose"])}) == [("$.core_event", "too_long")]


def test_an_event_that_is_only_the_title_again_is_a_finding(entry: dict[str, Any]) -> None:
    assert found({**entry, "core_event": TITLE.upper() + "."}) == [("$.core_event", "repeated")]


@pytest.mark.parametrize("name", ["themes", "characters", "potential_story_hooks"])
def test_a_repeated_item_of_a_list_is_a_finding(entry: dict[str, Any], name: str) -> None:
    assert found({**entry, name: ["Straße frei", "other", "STRASSE  frei."]}) == [(f"$.{name}[2]", "repeated")]


def test_a_hook_that_is_the_event_is_a_finding(entry: dict[str, Any]) -> None:
    hooks = ["Who voted?", entry["core_event"].upper()]
    assert found({**entry, "potential_story_hooks": hooks}) == [("$.potential_story_hooks[1]", "repeated")]


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"title": 3, "core_event": None, "themes": "power", "characters": {"a": 1}, "potential_story_hooks": [1, 1]},
        {"themes": [["a"], ["a"], None, {}]},
    ],
)
def test_fields_of_another_type_are_left_to_the_schema(entry: dict[str, Any]) -> None:
    assert found(entry) == []
