from __future__ import annotations

import json
import re
from dataclasses import replace

from plotbot.judge import compile_schema, explain, judge
from plotbot.judge.explanations import headline
from plotbot.records import Finding, ItemResult, Reply, Verdict
from plotbot.report.explanation import MOST_LISTED, explanation_lines

SCHEMA = compile_schema({"type": "array", "items": {"properties": {"tone": {"maxLength": 3}}}}, "s.json")


def result_of(verdict: Verdict) -> ItemResult:
    facts = ("expected", "came", "where", "violations", "findings", "recoverable")
    told = {name: getattr(verdict, name) for name in facts}
    return ItemResult("c", "i", "failed", verdict.category, headline(verdict), verdict=verdict.category, **told)


def test_the_reports_list_what_the_terminal_lists() -> None:
    for content in (json.dumps([{"tone": "long one"}]), 'x [{"tone": "a"}]', "no json", "[1, 2", "7", ""):
        verdict = judge(Reply(content), SCHEMA)
        shown = [line.strip().removeprefix("- ") for line in explain(verdict).splitlines()]
        listed = explanation_lines(result_of(verdict))
        facts = [" ".join(line.split()) for line in shown if "recovered" not in line]
        plain = [re.sub("^(expected|came|where): ", r"\1 ", line) for line in listed if "recovered" not in line]
        assert plain == facts


def test_a_result_of_an_older_version_shows_its_message() -> None:
    told = {"outcome": "failed", "category": "not_json", "message": "not_json: expected x came y"}
    old = ItemResult.from_json({"case": "c", "item": "i", "violations": [], "findings": [], **told})
    assert explanation_lines(old) == ["not_json: expected x came y"]


def test_an_own_assertion_says_why_itself() -> None:
    beside = result_of(judge(Reply("no json"), SCHEMA))
    assert explanation_lines(replace(beside, category="assertion", message="too dull")) == ["too dull"]


def test_a_thousand_findings_are_a_short_list() -> None:
    verdict = Verdict("content", "a value", findings=tuple(Finding(f"$[{n}]", "m" * 500, "c") for n in range(1000)))
    lines = explanation_lines(result_of(verdict))
    assert len(lines) == 2 + MOST_LISTED + 1
    assert lines[-1] == f"and {1000 - MOST_LISTED} others"
    assert max(map(len, lines)) < 350
