"""An eval as a user with types would write it. mypy checks this file; pytest does not collect it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, assert_type

import pytest

from plotbot import (
    Check,
    Finding,
    Reply,
    Results,
    Title,
    TitleText,
    Verdict,
    __version__,
    checks,
    explain,
    judge,
    validate_entry,
)

assert_type(__version__, str)


def short_hooks(entry: Mapping[str, Any], title: str) -> Sequence[Finding]:
    hooks = entry["potential_story_hooks"]
    return [Finding("$.potential_story_hooks", "short", f"no hook for {title}")] if not hooks else []


def both_checks(entry: Mapping[str, Any], title: str) -> Sequence[Finding]:
    return [*validate_entry(entry, title), *short_hooks(entry, title)]


def with_words(entry: Mapping[str, Any], title: TitleText) -> Iterator[str | tuple[str, str]]:
    if entry["answer"] != title.fields["expected"]:
        yield "$.answer", "wrong"
        yield "a text alone"


def says_yes(entry: Mapping[str, Any], title: str) -> bool:
    return title in entry["answer"]


ALL: Check = checks.all_of(with_words, says_yes, validate_entry, checks.word_count("answer", most=9))


@pytest.mark.eval(prompt="data/prompt.txt")
def test_with_what_the_item_holds(reply: Reply, judge: Callable[..., Verdict], results: Results) -> None:
    verdict = judge(check=both_checks)
    assert verdict.ok, explain(verdict, reply)
    results.keep()


def test_with_everything_handed_over(
    reply: Reply, title: Title, schema: Any, judge: Callable[..., Verdict], results: Results
) -> None:
    verdict = judge(reply, schema, check=short_hooks)
    assert verdict.ok, f"{title.text}: {explain(verdict, reply)}"
    results.keep(reply)


def test_without_the_judge_fixture(reply: Reply, title: Title, schema: Any) -> None:
    verdict = judge(reply, schema, title, check=validate_entry)
    assert_type(verdict, Verdict)
    assert_type(verdict.ok, bool)
