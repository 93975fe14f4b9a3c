from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from plotbot.measure.gate import judge_gates
from plotbot.measure.metrics import ModelMetrics, measure_run
from plotbot.records import RunRecords
from plotbot.report.advice import advice
from plotbot.report.markdown import code, summary_markdown

MakeRecords = Callable[..., RunRecords]

HOSTILE = "<img src=x onerror=alert(1)> | a `b` ``c`` @everyone #1 [l](javascript:x)\n\n# h\x1b[2J\u202e\ud800"


@pytest.mark.parametrize(
    ("text", "span"),
    [("a", "`a`"), ("", "` `"), ("a`b", "``a`b``"), ("`", "`` ` ``"), ("a\nb", "`a b`"), ("\x1b", "`\\x1b`")],
)
def test_a_code_span_holds_any_text(text: str, span: str) -> None:
    assert code(text) == span


def test_hostile_text_stays_inside_code_spans(make_records: MakeRecords) -> None:
    text = summary_markdown(*_measured(make_records((HOSTILE, "failed", "schema", HOSTILE), model=HOSTILE)))
    assert text.encode("utf-8")
    assert text.count("<img") == 4
    outside = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    assert not re.search(r"<img|@everyone|javascript:|# h|\x1b|\u202e", outside)
    assert "`" not in outside


def test_a_bar_does_not_split_a_cell(make_records: MakeRecords) -> None:
    text = summary_markdown(*_measured(make_records(("t|t", "failed", "schema", "a|b"), model="m|m")))
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [row.replace("\\|", "").count("|") for row in rows] == [11, 6, 4]


def test_the_comment_shows_table_gate_categories_and_next_step(make_records: MakeRecords) -> None:
    records = make_records(
        ("t[a]", "passed", "ok", ""), ("t[b]", "failed", "fenced", "came in a fence"), None, header={"sample_seed": 7}
    )
    metrics = measure_run(records)
    lines = summary_markdown(records, metrics, judge_gates(metrics, {"*": 0.9})).splitlines()
    assert lines[0] == "### plotbot: 0 of 1 gate holds"
    assert "| `m` | 3 | 1 | 1 | 0 | 0 | 1 | 50.0% [9-91] | - | - |" in lines
    assert "- gate for `m`: **FAIL: the pass rate 50% misses the threshold 90%**" in lines
    assert f"| `m` | failure | `fenced` | 1 | {advice('fenced')} |" in lines
    assert "**Next:** `pytest evals --resume` (1 planned but not run; finished work is not asked again)" in lines
    assert "| `t[b]` | `fenced` | `came in a fence` |" in lines
    last = "planned 3 = 1 passed + 1 failed + 0 error + 0 skipped + 1 not run"
    assert lines[-1] == f"run `20260101-run`, sample seed `7`, {last}"


def test_only_the_first_ten_bad_cases_are_listed(make_records: MakeRecords) -> None:
    records = make_records(*((f"t[{number}]", "error", "timeout", "") for number in range(12)))
    lines = summary_markdown(*_measured(records)).splitlines()
    assert sum(line.startswith("| `t[") for line in lines) == 10
    assert "and 2 more: see the reports" in lines


def test_a_perfect_run_has_no_empty_tables(make_records: MakeRecords) -> None:
    text = summary_markdown(*_measured(make_records(("t[a]", "passed", "ok", ""))))
    assert text.startswith("### plotbot: 1 of 1 passed\n\n| model |")
    assert "details" not in text
    assert "category" not in text
    assert "\n\n\n" not in text


def _measured(records: RunRecords) -> tuple[RunRecords, tuple[ModelMetrics, ...]]:
    return records, measure_run(records)
