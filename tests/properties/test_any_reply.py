"""Judging gives every possible reply a verdict: nothing is raised, and the verdict is consistent."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plotbot.categories import FAILURE_CATEGORIES, OK
from plotbot.judge import StrictJsonError, compile_schema, explain, judge, locate, parse_strict, validate_entry
from plotbot.judge.explanations import MAX_LENGTH
from plotbot.records import Reply, Title
from plotbot.safe import visible

SCHEMA = compile_schema(
    json.loads((Path(__file__).parents[2] / "data" / "story_seed.schema.json").read_text(encoding="utf-8")), "s.json"
)
TITLE = Title("goose", "Goose wins")
GOOD = json.dumps([
    {
        "title": "Goose wins", "core_event": "A goose is elected mayor.", "themes": ["power"], "tone": "wry",
        "conflict_type": "person vs society", "stakes": "everything", "setting_hint": "a town",
        "characters": ["Mabel"], "potential_story_hooks": ["Who voted for it?", "What does it want?"],
    }
])  # fmt: skip
PIECES = (
    *("```", "~~~\n", "<think>", "</think>", "<|channel|>final<|message|>", "[THINK]", "[", "]", "{", "}", '"', "\\"),
    *("'", ",", ":", "\n", "\ufeff", "\x00", "\ud800", "\\ud800", "NaN", "1e999", "9" * 301, " no ", '{"a":1}', GOOD),
)
ANY_TEXT = st.text(st.characters(), max_size=60)
ASSEMBLED = st.lists(st.sampled_from(PIECES) | ANY_TEXT, max_size=8).map("".join)
MUTATED = st.tuples(st.integers(0, len(GOOD)), st.integers(0, 12), st.sampled_from(PIECES)).map(
    lambda cut: GOOD[: cut[0]] + cut[2] + GOOD[cut[0] + cut[1] :]
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=8,
)
quick: Callable[..., Callable[..., None]] = settings(
    max_examples=80, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


REFUSED = object()


def read(data: str | bytes) -> tuple[Any, int]:
    """The value and 0, or `REFUSED` and the offset of the error."""
    try:
        return parse_strict(data), 0
    except StrictJsonError as error:
        return REFUSED, error.offset


@quick
@given(
    content=ASSEMBLED | MUTATED | JSON_VALUES.map(json.dumps),
    reasoning=st.just("") | ASSEMBLED,
    finish=st.sampled_from([None, "stop", "length", "\ud800"]),
)
def test_any_reply_gets_a_consistent_verdict(content: str, reasoning: str, finish: str | None) -> None:
    reply = Reply(content, reasoning, finish)
    verdict = judge(reply, SCHEMA, TITLE, check=validate_entry, tolerate=FAILURE_CATEGORIES)
    assert verdict.category in {OK, *FAILURE_CATEGORIES}
    assert verdict.ok == (verdict.category == OK or verdict.recoverable)
    if verdict.ok:
        assert SCHEMA.violations(verdict.value) == ()
    offset = locate(verdict)
    assert offset is None or 0 <= offset <= len(content)
    text = explain(verdict, reply)
    assert len(text) <= MAX_LENGTH
    assert visible(text) == text


@quick
@given(ASSEMBLED | MUTATED | JSON_VALUES.map(json.dumps))
def test_another_parser_reads_the_same_value_from_strict_json(text: str) -> None:
    value, offset = read(text)
    assert 0 <= offset <= len(text)
    if value is not REFUSED:
        assert json.loads(text.encode("utf-8")) == value
        assert json.loads(json.dumps(value, allow_nan=False)) == value


@quick
@given(st.binary(max_size=60))
def test_bytes_are_read_or_refused(data: bytes) -> None:
    assert 0 <= read(data)[1] <= len(data)
