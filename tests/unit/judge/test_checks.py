"""What a check may return, and what it may not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from plotbot.judge import TitleText, compile_schema, judge
from plotbot.judge.checks import findings_of
from plotbot.records import Finding, Reply, Title

SCHEMA = compile_schema({"type": "array", "items": {"type": "object"}}, "schema.json")
TITLE = Title("t1", "A goose", {"expected": 4})


def _failing(*_: object) -> None:
    raise AssertionError("four, not five\nassert 5 == 4")


def _findings_then_failing(*_: object) -> Iterator[str]:
    yield "one"
    assert not _, ""


@pytest.mark.parametrize(
    ("result", "found"),
    [
        (None, []),
        (True, []),
        ("", []),
        ([], []),
        ([None, True, ""], []),
        (False, [("$[0]", "check", "the check says no")]),
        ("bad", [("$[0]", "check", "bad")]),
        (("tone", "dull"), [("$[0].tone", "check", "dull")]),
        (("$.tone", "dull"), [("$[0].tone", "check", "dull")]),
        (["one", "two"], [("$[0]", "check", "one"), ("$[0]", "check", "two")]),
        ([("a", "b"), ("$", "c")], [("$[0].a", "check", "b"), ("$[0]", "check", "c")]),
        ((one for one in ("x", "y")), [("$[0]", "check", "x"), ("$[0]", "check", "y")]),
        (Finding("$.a", "mine", "no"), [("$[0].a", "mine", "no")]),
        ((Finding("$.a", "mine", "no"), "and"), [("$[0].a", "mine", "no"), ("$[0]", "check", "and")]),
    ],
)  # fmt: skip
def test_a_check_returns_what_reads_best(result: Any, found: list[tuple[str, str, str]]) -> None:
    verdict = judge(Reply('[{"a": 1}]'), SCHEMA, TITLE, check=lambda *_: result)
    assert [(one.path, one.check, one.message) for one in verdict.findings] == found
    assert verdict.category == ("content" if found else "ok")


def test_a_failed_assertion_is_a_finding_with_the_name_of_its_check() -> None:
    verdict = judge(Reply("[{}]"), SCHEMA, TITLE, check=_failing)
    assert [(one.check, one.message) for one in verdict.findings] == [("_failing", "four, not five")]
    both = judge(Reply("[{}]"), SCHEMA, TITLE, check=partial(_findings_then_failing))
    assert [one.message for one in both.findings] == ["one", "an assertion does not hold"]
    assert both.findings[0].check == "_findings_then_failing"


def test_the_headline_is_a_text_that_knows_its_fields() -> None:
    seen: list[TitleText] = []
    judge(Reply("[{}]"), SCHEMA, TITLE, check=lambda _, title: seen.append(title))
    judge(Reply("[{}]"), SCHEMA, check=lambda _, title: seen.append(title))
    assert seen == ["A goose", ""]
    assert (seen[0].upper(), seen[0].id, seen[0].fields["expected"]) == ("A GOOSE", "t1", 4)
    assert (seen[1].id, seen[1].fields) == ("", {})
    assert json.dumps(TitleText("x", fields={"a": 1})) == '"x"'


@pytest.mark.parametrize("result", [7, {"a": "b"}, b"bytes", [7], [["nested"]], [("a", "b", "c")], object()])
def test_anything_else_is_an_error_of_the_check(result: Any) -> None:
    with pytest.raises(TypeError, match=r"the check check returned .*; a check returns findings, texts"):
        judge(Reply("[{}]"), SCHEMA, TITLE, check=lambda *_: result)


def test_what_a_check_raises_is_not_the_models_fault() -> None:
    def broken(entry: Any, _: str) -> Any:
        return entry["gone"]

    with pytest.raises(KeyError):
        judge(Reply("[{}]"), SCHEMA, TITLE, check=broken)


def test_an_endless_check_ends() -> None:
    def endless(*_: object) -> Iterator[str]:
        while True:
            yield "again"

    check: Callable[..., Iterator[str]] = endless
    assert 100 < len(list(findings_of(check, {}, TitleText()))) < 1_000_000
