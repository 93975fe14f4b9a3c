from dataclasses import replace
from typing import Any

import pytest

from plotbot.ask.servers.discovery import ServerFacts
from plotbot.ask.servers.model_listing import ModelFacts
from plotbot.ask.servers.preflight import (
    Demand,
    context_wanted,
    demand_of,
    ignored_keywords,
    impossible_context,
    needless_waiting,
    smaller_than_asked,
    tight_context,
    unenforced_schema,
)
from plotbot.records import Case, Question, Title

MODEL = ModelFacts("m", loaded=True, context_length=4096, slots=4)
QUESTION = Question("Write.", {"type": "array"}, "none", "q")
CASE = Case("c", "c", "m", Title("t", "x" * 40), "q", "none", 1, 1)


def server(kind: str) -> ServerFacts:
    return ServerFacts("http://s", kind, None, (MODEL,))


def test_the_demand_is_of_the_shortest_and_the_longest_title_in_bytes() -> None:
    long = replace(CASE, title=Title("u", "é" * 100))
    demand = demand_of([CASE, long], {"q": QUESTION}, 1000)
    assert demand.longest_prompt - demand.shortest_prompt == 200 - 40
    assert demand.likely_tokens == demand.longest_prompt // 4 + 1000


def test_the_context_that_is_wanted_holds_prompt_and_reply_and_hardly_depends_on_the_titles() -> None:
    assert context_wanted([QUESTION], 40, 1000) == context_wanted([QUESTION], 900, 1000) == 2048
    long = replace(QUESTION, prompt="é" * 30_000)
    assert context_wanted([QUESTION, long], 40, 1000) >= 60_000 // 3 + 1000
    assert context_wanted([QUESTION], 9000, 1000) % 1024 == 0 < context_wanted([QUESTION], 9000, 1000) - 4000


@pytest.mark.parametrize(
    ("bytes_", "context", "stopped"), [(6000, 1000, True), (5999, 1000, False), (6000, None, False)]
)
def test_a_run_is_hopeless_only_where_no_prompt_can_fit(bytes_: int, context: int | None, stopped: bool) -> None:
    problem = impossible_context(replace(MODEL, context_length=context), Demand(bytes_, 10 * bytes_, 1))
    assert (problem is not None) is stopped
    assert problem is None or "the shortest prompt alone has at least 1000 (estimated" in problem


@pytest.mark.parametrize(
    ("changes", "in_flight", "warned"),
    [
        ({}, 4, "4 requests at once may need about 4400 (an estimate"),
        ({}, 3, None),
        ({"slots": 3}, 99, None),
        ({"slots": None}, 4, "4 requests at once"),
        ({"context_per_slot": True}, 4, None),
        ({"context_per_slot": True, "context_length": 1000}, 4, "one request may need about 1100"),
        ({"context_length": None}, 4, None),
    ],
)
def test_a_context_is_tight_where_the_requests_in_flight_may_not_fit(
    changes: dict[str, Any], in_flight: int, warned: str | None
) -> None:
    word = tight_context(replace(MODEL, **changes), Demand(4, 400, 1000), in_flight)
    assert (word is None) if warned is None else (word is not None and warned in word)


@pytest.mark.parametrize(("asked", "warned"), [(None, False), (4096, False), (4097, True)])
def test_a_context_that_is_smaller_than_asked_for_is_said(asked: int | None, warned: bool) -> None:
    assert (smaller_than_asked(MODEL, asked) is not None) is warned


@pytest.mark.parametrize(
    ("workers", "max_in_flight", "slots", "window", "said"),
    [
        (4, None, 4, 4, []),
        (0, None, None, 4, []),
        (6, None, 4, 4, ["-n 6: only 4 requests"]),
        (0, 5, 4, 5, []),
        (0, 6, 4, 6, ["MAX_IN_FLIGHT is 6, but there are 4 slots"]),
        (0, 6, None, 6, []),
        (8, 7, 4, 7, ["-n 8: only 7 requests", "MAX_IN_FLIGHT is 7"]),
    ],
)
def test_what_would_only_wait_is_said(
    workers: int, max_in_flight: int | None, slots: int | None, window: int, said: list[str]
) -> None:
    words = needless_waiting(workers, max_in_flight, slots, window)
    assert len(words) == len(said)
    assert all(word.startswith(begin) for word, begin in zip(words, said, strict=True))


@pytest.mark.parametrize(
    ("schema", "ignored"),
    [
        ({"type": "integer", "minimum": 1}, []),
        ({"type": "number", "minimum": 1, "multipleOf": 2}, ["minimum", "multipleOf"]),
        ({"type": "string", "minLength": 1, "maxLength": 2000, "pattern": "^[a-z]+$", "format": "date"}, []),
        ({"type": "string", "maxLength": 2001}, ["maxLength"]),
        ({"type": "string", "pattern": "a", "format": "email"}, ["pattern", "format"]),
        ({"type": "string", "pattern": r"^\d$"}, ["pattern"]),
        ({"pattern": 7}, ["pattern"]),
        ({"items": {"properties": {"not": {"uniqueItems": True}}}}, ["items.properties.not.uniqueItems"]),
        ({"anyOf": [{"not": {"const": 1}}], "properties": {}}, ["properties", "anyOf.0.not"]),
        ({"$defs": {"a": {"contains": {}}}, "enum": ["not", {"if": 1}]}, ["$defs.a.contains"]),
        ({"items": True, "anyOf": 3, "properties": []}, ["properties"]),
    ],
)
def test_what_the_grammar_ignores_is_named_by_its_place(schema: dict[str, Any], ignored: list[str]) -> None:
    assert ignored_keywords(schema) == ignored


def test_a_property_is_not_taken_for_a_keyword() -> None:
    assert ignored_keywords({"properties": {"if": {"type": "string"}, "format": {"enum": ["not"]}}}) == []


def test_a_schema_nested_deeply_is_walked_without_recursion() -> None:
    schema: dict[str, Any] = {"not": {}}
    for _ in range(5000):
        schema = {"items": schema}
    assert len(ignored_keywords(schema)) == 1


@pytest.mark.parametrize(
    ("kind", "format_", "schema", "said"),
    [
        ("lmstudio", "gguf", {"type": "array"}, []),
        ("lmstudio", "gguf", {"uniqueItems": True}, ["ignores or refuses them: uniqueItems."]),
        ("llama-server", "gguf", {"not": {}}, ["ignores or refuses them: not."]),
        ("lmstudio", "mlx", {"uniqueItems": True}, []),
        ("lmstudio", "mlx", {"items": {"type": ["string", "null"]}}, ["MLX"]),
        ("ollama", None, {}, ["Ollama"]),
        ("openai", None, {"not": {}}, ["not known"]),
        ("vllm", None, {"not": {}}, []),
    ],
)
def test_what_a_server_is_known_to_make_of_a_schema_is_said(
    kind: str, format_: str | None, schema: dict[str, Any], said: list[str]
) -> None:
    words = unenforced_schema(server(kind), replace(MODEL, format=format_), schema)
    assert len(words) == len(said)
    assert all(part in word for word, part in zip(words, said, strict=True))


@pytest.mark.parametrize(("thinks", "may_think", "said"), [(True, True, 1), (True, False, 0), (False, True, 0)])
def test_a_model_that_thinks_before_constrained_json_is_named(thinks: bool, may_think: bool, said: int) -> None:
    words = unenforced_schema(server("lmstudio"), replace(MODEL, thinks=thinks), {}, may_think=may_think)
    assert [("REASONING_EFFORT=none" in word) for word in words] == [True] * said


def test_many_ignored_keywords_are_counted_after_the_first_few() -> None:
    schema = {"properties": {f"p{number}": {"uniqueItems": True} for number in range(10)}}
    (word,) = unenforced_schema(server("lmstudio"), MODEL, schema)
    assert "properties.p7.uniqueItems and 2 more" in word
