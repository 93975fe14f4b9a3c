"""Judging with other schemas and checks than those of story seeds."""

from collections.abc import Mapping
from typing import Any

import pytest

from plotbot.judge import compile_schema, judge
from plotbot.records import Finding, Reply, Title

OBJECT = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}
NAMED = {"$ref": "#/$defs/list", "$defs": {"list": {"type": "array", "items": {"type": "integer"}}}}


@pytest.mark.parametrize(
    ("schema", "content", "category", "recoverable"),
    [
        (OBJECT, '{"a": 1}', "ok", False),
        (OBJECT, '[{"a": 1}]', "wrong_shape", False),
        (OBJECT, 'So: {"a": 1}', "prose_around", True),
        (OBJECT, 'So: [{"a": 1}, oops', "prose_around", False),
        (OBJECT, 'So: [{"a": 1}, {"a"}]', "prose_around", False),
        (OBJECT, '{"b": 1}', "schema", False),
        (NAMED, "[1, 2]", "ok", False),
        (NAMED, "So: [1, 2]", "prose_around", True),
        (NAMED, '{"a": 1}', "wrong_shape", False),
        ({"type": ["array", "null"]}, "null", "ok", False),
        ({"type": ["array", "null"]}, "3", "wrong_shape", False),
        ({"type": "integer"}, "1.0", "ok", False),
        ({"type": "integer"}, "true", "wrong_shape", False),
        ({"type": "string"}, '```\n"a"\n```', "fenced", True),
        ({}, "3", "ok", False),
        ({"minimum": 4}, "3", "schema", False),
    ],
)
def test_the_root_of_the_schema_decides_the_shape(
    schema: dict[str, Any], content: str, category: str, recoverable: bool
) -> None:
    verdict = judge(Reply(content), compile_schema(schema, "s.json"))
    assert (verdict.category, verdict.recoverable) == (category, recoverable)


def test_a_check_sees_each_object_of_an_array_and_the_title() -> None:
    seen: list[Any] = []

    def check(entry: Mapping[str, Any], title: str) -> list[Finding]:
        seen.append((dict(entry), title))
        return [Finding("$.a", "odd", "no"), Finding("", "whole", "no"), Finding("a", "bare", "no")]

    verdict = judge(Reply('[1, {"a": 2}]'), compile_schema({}, "s.json"), Title("t", "T"), check=check)
    assert seen == [({"a": 2}, "T")]
    assert [finding.path for finding in verdict.findings] == ["$[1].a", "$[1]", "$[1].a"]


def test_a_check_is_asked_about_an_object_at_the_root_and_has_no_title_without_one() -> None:
    def check(entry: Mapping[str, Any], title: str) -> list[Finding]:
        return [Finding("$.a", "odd", repr(title))]

    verdict = judge(Reply('{"a": 2}'), compile_schema({}, "s.json"), check=check)
    assert (verdict.category, verdict.findings) == ("content", (Finding("$.a", "odd", "''"),))


def test_a_check_is_not_asked_where_the_schema_is_broken() -> None:
    def check(entry: Mapping[str, Any], title: str) -> list[Finding]:
        raise AssertionError

    assert judge(Reply("{}"), compile_schema(OBJECT, "s.json"), check=check).category == "schema"


def test_a_check_is_not_asked_about_what_is_no_object() -> None:
    def check(entry: Mapping[str, Any], title: str) -> list[Finding]:
        raise AssertionError

    assert judge(Reply('"an answer"'), compile_schema({}, "s.json"), check=check).ok


def test_what_a_check_raises_goes_through() -> None:
    def check(entry: Mapping[str, Any], title: str) -> list[Finding]:
        raise KeyError("a")

    with pytest.raises(KeyError):
        judge(Reply("{}"), compile_schema({}, "s.json"), check=check)


def test_without_a_check_nothing_beyond_the_schema_is_asked() -> None:
    schema = compile_schema({"description": "three short words"}, "s.json")
    assert judge(Reply('"three short words"'), schema).ok
