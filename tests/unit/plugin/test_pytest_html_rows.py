from __future__ import annotations

import dataclasses

import pytest

from plotbot.plugin.pytest_html import CaseRow, case_row
from plotbot.records import Attempt, Case, Exchange, Fault, ItemResult, Reply, Title

CASE = Case("c", "qwen-1abc2d-r1", "qwen", Title("1abc2d", "A headline"), "h", "none", 1, 7)
RESULT = ItemResult("c", "evals/test_story_seeds.py::test_story_seed[qwen-1abc2d-r1]", "passed", "ok", seconds=0.25)
ATTEMPT = Attempt("2026-01-01T00:00:00Z", 2.0)
EXCHANGE = Exchange("c", "qwen", ATTEMPT.at, 2.0, (ATTEMPT, ATTEMPT), reply=Reply("[]", completion_tokens=50))


def test_a_row_is_read_from_case_result_and_exchange() -> None:
    assert case_row(CASE, RESULT, EXCHANGE) == CaseRow(
        slug="test_story_seed[qwen-1abc2d-r1]",
        title="A headline",
        outcome="passed",
        category="ok",
        seconds=2.0,
        tokens_per_second=25.0,
        attempts=2,
        reply="[]",
        message="",
    )


def test_without_an_exchange_the_items_own_seconds_are_shown() -> None:
    row = case_row(CASE, dataclasses.replace(RESULT, outcome="error", message="crashed"), None)
    assert (row.seconds, row.attempts, row.reply, row.message) == (0.25, 0, None, "crashed")


@pytest.mark.parametrize(
    ("hosts", "host"), [(("one:1", "two:1"), "two:1"), (("two:1", "one:1"), "one:1"), (("",), ""), ((), "")]
)
def test_the_host_is_the_one_that_was_asked_last(hosts: tuple[str, ...], host: str) -> None:
    attempts = tuple(dataclasses.replace(ATTEMPT, host=name) for name in hosts)
    assert case_row(CASE, RESULT, dataclasses.replace(EXCHANGE, attempts=attempts)).host == host


def test_a_tolerated_category_says_so() -> None:
    assert case_row(CASE, dataclasses.replace(RESULT, category="fenced", tolerated=True), None).category == (
        "fenced (tolerated)"
    )


@pytest.mark.parametrize(
    ("answer", "raw", "said"),
    [
        (Reply("[]", reasoning="hm"), b"", "[]\n\n[reasoning]\nhm"),
        (Reply(""), b"", ""),
        (None, b"<html>\xff", "<html>\\xff"),
        (None, b"", None),
    ],
)
def test_what_the_model_said_is_both_channels_or_the_body_as_it_came(
    answer: Reply | None, raw: bytes, said: str | None
) -> None:
    fault = Fault("protocol", "no") if answer is None else None
    assert case_row(CASE, RESULT, dataclasses.replace(EXCHANGE, reply=answer, raw=raw, fault=fault)).reply == said
