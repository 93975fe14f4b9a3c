import json
from typing import Any

import pytest

from plotbot.judge import Schema, explain, judge, locate, validate_entry
from plotbot.judge.explanations import MAX_LENGTH
from plotbot.records import Finding, Reply, Title, Verdict, Violation
from plotbot.safe import visible


def test_a_schema_failure_reads_category_expectation_place_and_violations(
    schema: Schema, entry: dict[str, Any]
) -> None:
    entry["tone"] = "x"
    del entry["stakes"]
    lines = explain(judge(Reply(json.dumps([entry])), schema)).splitlines()
    assert lines == [
        "schema: JSON, but not as the schema wants it",
        "  expected  a value that keeps to the schema",
        "  came      2 violations",
        "  where     $[0]",
        "  - $[0]: 'stakes' is a required property (required)",
        "  - $[0].tone: 'x' is too short (minLength)",
        "  no valid answer can be recovered from it",
    ]


def test_with_the_reply_a_caret_stands_under_the_place(schema: Schema) -> None:
    reply = Reply("[\n  {\"tone\": 'wry'}]")
    lines = explain(judge(reply, schema), reply).splitlines()
    assert lines[3] == "  where     offset 13 (line 2, column 12)"
    text, caret = lines[4:6]
    assert text[caret.index("^") :] == "'wry'}]"


def test_a_recoverable_failure_says_how_to_tolerate_it(schema: Schema, entry: dict[str, Any], title: Title) -> None:
    reply = Reply(f"```\n{json.dumps([entry])}\n```")
    assert "TOLERATE=fenced" in explain(judge(reply, schema, title, check=validate_entry))
    tolerated = judge(reply, schema, title, check=validate_entry, tolerate={"fenced"})
    assert explain(tolerated).endswith("passed: a valid answer could be recovered, and TOLERATE names fenced")


def test_a_good_verdict_is_one_line() -> None:
    assert explain(Verdict("ok")) == "ok: a good answer"


@pytest.mark.parametrize(
    "content",
    [
        "\x1b[2J\u202e\ud800 no",
        "\x1b[2J\u202e\ud800 [{]",
        '[{"\\u001b[2J": "\\u202e", "\\u0000": [1]}]',
        "[" * 10_000_000,
        '[{"' + "k" * 900_000 + '": 1}]',
        json.dumps([{str(number) * 50: number for number in range(2_000)}]),
        json.dumps([{"title": 1}] * 5_000),
    ],
    ids=range(7),
)
def test_an_explanation_is_short_and_harmless_whatever_the_reply(schema: Schema, title: Title, content: str) -> None:
    reply = Reply(content)
    text = explain(judge(reply, schema, title, check=validate_entry), reply)
    assert len(text) <= MAX_LENGTH
    assert visible(text) == text
    assert text.encode("utf-8")
    assert text.endswith("recovered from it")


def test_an_explanation_of_anything_keeps_its_last_line_and_its_limit() -> None:
    fault = "\x1b\ud800" * 5_000
    verdict = Verdict("schema", fault, fault, fault, (Violation(fault, fault, fault),) * 99, (Finding("", "", fault),))
    text = explain(verdict)
    assert len(text) <= MAX_LENGTH
    assert visible(text) == text
    assert text.splitlines()[-2:] == ["  …", "  no valid answer can be recovered from it"]


def test_an_offset_is_located_and_a_path_is_not() -> None:
    assert locate(Verdict("bad_json", where="offset 17 (line 2, column 5)")) == 17
    assert locate(Verdict("schema", where="$[0]")) is None
