"""Further fields of a title reach whatever shows or judges it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from plotbot.commands import main
from plotbot.mock import MockServer

pytest_plugins = ("pytester",)

NASTY = "<img src=x onerror=alert(1)>{title.__class__}%s\u202e"
ROWS = f'id,title,expected,note\na,A goose,4,plain\nb,A swan,5,"{NASTY}"\n'
EVAL = """
def test_sum(reply, title, results):
    assert title.fields["expected"] == {"a": "4", "b": "5"}[title.id]
    results.keep()
"""


def _index(project: Path) -> Any:
    page = (project / "reports" / "index.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="index">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_fields_reach_eval_plan_junit_page_and_export(
    pytester: pytest.Pytester,
    project: Path,
    start_mock: Callable[..., MockServer],
    write_eval: Callable[..., None],
    run_file: Callable[[Path, str], Any],
    capsys: pytest.CaptureFixture[str],
    workers: str,
) -> None:
    write_eval(EVAL)
    (project / "data" / "rows.csv").write_text(ROWS, encoding="utf-8")
    options = ("--titles-path=data/rows.csv", "--test-sample-size=2", "--junitxml=junit.xml", workers)
    done = pytester.runpytest_inprocess("evals", f"--lm-studio-url={start_mock().url}", *options)
    done.assert_outcomes(passed=2)
    plan = run_file(project, "plan.json")
    fields = {case["title"]["id"]: plan["fields"][case["title"]["fields"]] for case in plan["cases"]}
    assert fields == {"a": {"expected": "4", "note": "plain"}, "b": {"expected": "5", "note": NASTY}}
    names = {(one.get("name"), one.get("value")) for one in ET.parse(project / "junit.xml").iter("property")}
    assert {("field.expected", "4"), ("field.note", "plain")} <= names
    titles = {title[0]: title[2] for title in _index(project)["titles"]}
    assert titles["a"] == "expected: 4 · note: plain"
    assert "<img" not in (project / "reports" / "index.html").read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(["export", "--rootdir", str(project)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["title_id"]: row["fields"] for row in rows} == fields


def test_a_replay_has_the_recorded_fields_and_says_so_and_reuse_has_todays(
    pytester: pytest.Pytester, project: Path, start_mock: Callable[..., MockServer], write_eval: Callable[..., None]
) -> None:
    write_eval(EVAL)
    rows = project / "data" / "rows.csv"
    rows.write_text(ROWS, encoding="utf-8")
    server = start_mock()
    options = ("evals", f"--lm-studio-url={server.url}", "--titles-path=data/rows.csv", "--test-sample-size=2")
    pytester.runpytest_inprocess(*options).assert_outcomes(passed=2)
    rows.write_text(ROWS.replace(",4,", ",44,"), encoding="utf-8")

    replayed = pytester.runpytest_inprocess("evals", "--replay=last")
    replayed.assert_outcomes(passed=2)
    replayed.stdout.fnmatch_lines(["*replay of run *: its replies, titles and fields as recorded, judged by *"])
    asked = server.stats().models["mock-model"].requests
    pytester.runpytest_inprocess(*options, "--like=last", "--reuse=last").assert_outcomes(passed=1, failed=1)
    assert server.stats().models["mock-model"].requests == asked
