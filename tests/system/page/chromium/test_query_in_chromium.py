"""The query language, the order and the difference: the scripts that know nothing of the page, on their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import plotbot.report.page

if TYPE_CHECKING:
    from benchmarks.chromium import Page

FOLDER = Path(plotbot.report.page.__file__).parent


def called(page: Page, expression: str) -> Any:
    """The value of an expression in which the pure scripts are known."""
    scripts = "\n".join((FOLDER / f"{name}.js").read_text("utf-8") for name in ("query", "sorting", "diff"))
    return json.loads(page.run(f"(() => {{ {scripts}; return JSON.stringify({expression}); }})()"))


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("goose", [("word", ":", ["goose"], False)]),
        ('Goose "two Words"', [("word", ":", ["goose"], False), ("word", ":", ["two words"], False)]),
        ("status:failed", [("status", ":", ["failed"], False)]),
        ("category:schema,fenced", [("category", ":", ["schema", "fenced"], False)]),
        ('path:"a b",c', [("path", ":", ["a b", "c"], False)]),
        ("-is:split -goose", [("is", ":", ["split"], True), ("word", ":", ["goose"], True)]),
        ("seconds>10 tokens<=5", [("seconds", ">", ["10"], False), ("tokens", "<=", ["5"], False)]),
        ("http://x", [("word", ":", ["http://x"], False)]),
        (r'"say \"no\" \\"', [("word", ":", ['say "no" \\'], False)]),
        ('"never closed', [("word", ":", ["never closed"], False)]),
        ("status:", [("word", ":", ["status:"], False)]),
        ('- " , "" :', None),
        ("", []),
    ],
)
def test_a_query_is_read(page: Page, text: str, terms: list[tuple[Any, ...]] | None) -> None:
    read = called(page, f"parseQuery({json.dumps(text)})")
    assert read["faults"] == []
    if terms is not None:
        assert [(one["key"], one["op"], one["values"], one["not"]) for one in read["terms"]] == terms


def test_a_query_that_makes_no_sense_says_so(page: Page) -> None:
    read = called(page, "parseQuery('seconds>soon status>failed goose')")
    assert read["faults"] == ["seconds needs a number", "status has no order"]
    assert len(read["terms"]) == 1


@pytest.mark.parametrize("value", ["schema", "a b", 'q"uo\\te', "-x", "a,b", "<img src=x>", "\u202e", ""])
def test_a_value_written_into_a_query_is_read_back(page: Page, value: str) -> None:
    text = f"withTerm('goose category:old', 'category', [{json.dumps(value)}], '=')"
    first, second = called(page, f"parseQuery({text}).terms")
    assert (first["key"], first["op"], first["values"]) == ("category", "=", [value])
    assert second["values"] == ["goose"]
    assert called(page, f"withTerm({text}, 'category', [])") == "goose"


@pytest.mark.parametrize(
    ("text", "fact", "found"),
    [
        ("model:qwen", '"qwen3-4b"', True),
        ("model=qwen", '"qwen3-4b"', False),
        ("model:x,4b", '"qwen3-4b"', True),
        ("-model:qwen", '"qwen3-4b"', False),
        ("seconds>10", "10.5", True),
        ("seconds>10", "null", False),
        ("-seconds>10", "null", True),
        ("seconds=2", "2", True),
        ("status:bad", '["failed", "bad"]', True),
    ],
)
def test_a_term_holds_or_not(page: Page, text: str, fact: str, found: bool) -> None:
    assert called(page, f"holds(parseQuery({json.dumps(text)}).terms[0], {fact})") is found


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("sta", ["status:"]),
        ("goose -cat", ["-category:"]),
        ("category:sch", ["category:schema "]),
        ("category:", ["category:schema ", 'category:"two words" ']),
        ("", []),
        ("nothing:", []),
    ],
)  # fmt: skip
def test_what_is_typed_is_completed(page: Page, text: str, choices: list[str]) -> None:
    values = "(key) => key === 'category' ? ['schema', 'two words'] : []"
    assert called(page, f"completions({json.dumps(text)}, {len(text)}, {values}).choices") == choices


def test_values_are_ordered_with_missing_ones_last(page: Page) -> None:
    values = "[3, null, 10, 2, undefined]"
    assert called(page, f"sorted({values}, (one) => one, false)") == [2, 3, 10, None, None]
    assert called(page, f"sorted({values}, (one) => one, true)") == [10, 3, 2, None, None]
    assert called(page, "sorted(['b10', 'B9', 'a'], (one) => one, false)") == ["a", "B9", "b10"]
    assert called(page, "sorted([[1, 'x'], [0, 'y'], [1, 'z']], (one) => one[0], true).map((one) => one[1])") == [
        "x", "z", "y",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["-seconds@2", "title", "plan", "-length"])
def test_an_order_is_read_and_written(page: Page, text: str) -> None:
    assert called(page, f"orderText(parseOrder({text!r}))") == text


@pytest.mark.parametrize("text", ["", "nothing", "constructor", "seconds@-1", "seconds@9999999", "<b>"])
def test_an_order_of_no_name_is_as_planned(page: Page, text: str) -> None:
    assert called(page, f"parseOrder({text!r})") == {"key": "plan", "descending": False, "column": None}


@pytest.mark.parametrize(
    ("before", "after", "pieces"),
    [
        ("the old goose", "the new goose", [("same", "the "), ("gone", "old"), ("new", "new"), ("same", " goose")]),
        ("same", "same", [("same", "same")]),
        ("", "new", [("new", "new")]),
        ("a b", "", [("gone", "a b")]),
        ("", "", []),
        ("a a a", "a a", [("same", "a a"), ("gone", " a")]),
    ],
)
def test_two_texts_differ_word_by_word(page: Page, before: str, after: str, pieces: list[tuple[str, str]]) -> None:
    found = called(page, f"difference({json.dumps(before)}, {json.dumps(after)})")
    assert [(one["kind"], one["text"]) for one in found] == pieces


def test_long_texts_differ_without_a_long_wait(page: Page) -> None:
    found = called(page, "difference('a '.repeat(9000), 'b '.repeat(9000)).length")
    assert found == 3
