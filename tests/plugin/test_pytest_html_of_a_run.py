"""Pages that a session has written: each model's cases, and the user's own report beside them."""

from __future__ import annotations

import re

import pytest

from plotbot.run.artifacts import page_name
from tests.plugin.written_page import WrittenPage

pytest_plugins = ["pytester"]

# A plugin that does as the real one does: every report goes to the pages, which are written at the end.
FEEDER = """
from pathlib import Path
from plotbot.measure.metrics import measure_run
from plotbot.plugin.pytest_html import CaseRow, HtmlPages
from plotbot.records import Case, ItemResult, PlannedItem, RunRecords, Title

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Feeder(config))

class Feeder:
    def __init__(self, config):
        self.pages, self.results = HtmlPages(config, Path("reports")), {}

    def pytest_runtest_logreport(self, report):
        if report.when in ("setup", "teardown") and report.passed:
            return
        outcome = "error" if report.when != "call" and report.failed else report.outcome
        model = "b" if "[b-" in report.nodeid else "a"
        self.results[report.nodeid] = ItemResult(model, report.nodeid, outcome, "ok" if report.passed else "schema")
        row = CaseRow(report.nodeid, "Title of " + report.nodeid, outcome, "category", 1.5, reply="a reply")
        self.pages.add(report, model, row)

    def pytest_sessionfinish(self, session):
        cases = {model: Case(model, model, model, Title("t", "t"), "h", "none", 1, 1) for model in "ab"}
        items = tuple(PlannedItem(item, result.case) for item, result in self.results.items())
        tuple(self.pages.finish(measure_run(RunRecords("r", {}, cases, items, {}, self.results)), {"run": "r1"}))
"""


def test_every_model_has_a_page_with_its_own_cases_only(pytester: pytest.Pytester) -> None:
    _suite(pytester)
    pytester.runpytest_inprocess("-q").assert_outcomes(passed=2, failed=1, errors=1)
    a, b = _pages(pytester)
    assert [re.sub(".*::", "", name) for name in a.column("testId")] == ["test_x[a-1]", "test_x[a-2]"]
    assert sorted(a.column("result")) == ["Failed", "Passed"]
    assert b.column("result") == ["Passed", "Error"]
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in a.tags
    boxes = [attrs for tag, attrs in a.tags if tag == "input" and "data-test-result" in attrs]
    assert boxes
    assert all(one["aria-label"] == f"show {one['data-test-result']}" for one in boxes)


def test_the_users_own_report_and_hooks_are_left_alone(pytester: pytest.Pytester) -> None:
    _suite(pytester)
    pytester.makepyfile(
        hooks="""
        def pytest_html_results_table_row(report, cells):
            cells.insert(1, "<td class='col-mine'>mine</td>")

        def pytest_html_results_table_header(cells):
            cells.insert(1, "<th>Mine</th>")
        """
    )
    pytester.syspathinsert()
    pytester.runpytest_inprocess("-q", "-p", "hooks", "--html=own.html", "--self-contained-html")
    own = WrittenPage(pytester.path / "own.html")
    assert "<th>Mine</th>" in own.source
    assert all(row["resultsTableRow"][1] == "<td class='col-mine'>mine</td>" for row in own.rows)
    assert not any("col-category" in cell for row in own.rows for cell in row["resultsTableRow"])
    assert all("Mine" not in page.source for page in _pages(pytester))


def test_with_workers_a_crashed_one_included_the_pages_are_complete(pytester: pytest.Pytester) -> None:
    _suite(pytester, extra="def test_dies(): import os; os._exit(1)")
    pytester.runpytest_inprocess("-q", "-n", "1")
    a, b = _pages(pytester)
    assert sorted(a.column("result")) == ["Error", "Failed", "Passed"]
    assert sorted(b.column("result")) == ["Error", "Passed"]


def test_without_pytest_html_there_are_no_pages_and_no_crash(pytester: pytest.Pytester) -> None:
    _suite(pytester)
    pytester.runpytest_inprocess("-q", "-p", "no:html").assert_outcomes(passed=2, failed=1, errors=1)
    assert not (pytester.path / "reports").exists()


def _suite(pytester: pytest.Pytester, extra: str = "") -> None:
    pytester.makeconftest(FEEDER)
    test = """
import pytest

@pytest.fixture
def broken(request):
    if request.node.name == "test_x[b-2]":
        raise OSError("no server")

@pytest.mark.parametrize("case", ["a-1", "a-2", "b-1", "b-2"])
def test_x(case, broken):
    assert case != "a-2"
"""
    pytester.makepyfile(test + extra)


def _pages(pytester: pytest.Pytester) -> list[WrittenPage]:
    return [WrittenPage(pytester.path / "reports" / page_name(model)) for model in ("a", "b")]
