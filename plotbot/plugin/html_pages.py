"""`reports/<model>.html`: pytest-html's pass/fail report, one page a model, made in one run.

pytest-html writes one file a session. Its report class only listens to hooks, so each model gets an instance that
is never registered with pytest: it hears of its own model's cases alone, and it calls a private hook relay that only
knows plotbot's columns. A user's own `--html=...` report and hooks are not touched, and the facts that pytest-metadata
collects (CI variables among them) cannot reach a page.

pytest-html escapes neither cells nor test ids and puts them into the page as HTML: all text goes through `_text`.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
import pytest_html.hooks
from pytest_html.report_data import ReportData
from pytest_html.selfcontained_report import SelfContainedReport
from pytest_html.util import _process_css, _read_template

from plotbot.measure.metrics import ModelMetrics
from plotbot.plugin.html_rows import LONGEST_CELL, MOST_REPLIES, MOST_ROWS, Entry, Rows
from plotbot.report import figures
from plotbot.report.case_row import CaseRow, case_row
from plotbot.report.hosts import apart_sentence, mixed_sentence
from plotbot.report.names import page_name
from plotbot.report.sentences import as_text
from plotbot.report.table import categories
from plotbot.safe import one_line, visible

__all__ = ["CaseRow", "HtmlPages", "case_row"]

_PHASES: Mapping[str, tuple[Literal["setup", "call"], Literal["passed", "failed", "skipped"]]] = {
    "passed": ("call", "passed"),
    "failed": ("call", "failed"),
    "skipped": ("setup", "skipped"),
}
_ERROR: tuple[Literal["setup"], Literal["failed"]] = ("setup", "failed")
_COLUMNS = {
    "result": "Result",
    "title": "Title",
    "category": "Category",
    "host": "Host",
    "seconds": "Seconds",
    "speed": "Tokens/s",
    "attempts": "Attempts",
    "testId": "Case",
}
_RESOURCES = Path(pytest_html.hooks.__file__).parent / "resources"
_CSS = """
body { color: #333; font-size: 14px; margin: 16px; }
a { color: #06c; }
h1, #results-table td, #environment td { overflow-wrap: anywhere; }
#results-table { color: #333; font-size: 13px; }
#results-table th, #results-table td { vertical-align: top; }
#results-table th, .col-result, .col-seconds, .col-speed, .col-attempts { white-space: nowrap; }
th.numeric, td.numeric { text-align: right !important; font-variant-numeric: tabular-nums; }
.col-result { width: 6em; }
.col-title { min-width: 16em; unicode-bidi: plaintext; }
.col-host { min-width: 10em; }
.col-testId { color: #666; font-family: monospace; font-size: 12px; }
.col-result:hover::after, .col-result.collapsed:hover::after { content: ""; }
.logwrapper { max-height: 420px; overflow-y: auto; background-color: #f4f4f4; }
.logwrapper .logexpander { float: right; top: 6px; margin: 6px; background-color: #f4f4f4; }
.logwrapper .log { position: static; height: auto; font-size: 13px; overflow-wrap: anywhere; unicode-bidi: plaintext; }
.log b { color: #666; font-family: Helvetica, Arial, sans-serif; font-size: 12px; }
.summary__data { flex: none; }
.summary__data p { margin: 4px 0; }
.controls { justify-content: flex-start; gap: 2em; margin: 12px 0; }
.filters span { margin-right: 8px; }
.collapse button { color: #06c; }
input.filter:disabled, input.filter:disabled + span { display: none; }
.run-count, .summary__spacer { display: none; }
"""


class HtmlPages:
    """Collects the cases of a run in the main process, and writes a page for each model at its end.

    Where the user has blocked pytest-html (`-p no:html`) it collects nothing and writes nothing.
    """

    def __init__(self, config: pytest.Config, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._wanted = hasattr(config.hook, "pytest_html_results_table_row")
        self._models: dict[str, Rows] = {}

    def add(self, report: pytest.TestReport, model: str, row: CaseRow) -> None:
        """Take a case's row; *report* adds its traceback and captured output where the case did not pass.

        It may be called for any phase of an item, and again: the last row of an item counts. A crashed worker's
        report (`when` is "???") is as good as any.
        """
        if self._wanted:
            self._models.setdefault(model, Rows()).add(report, row)

    def finish(self, metrics: Iterable[ModelMetrics], facts: Mapping[str, object]) -> list[Path]:
        """Write the pages of all models in *metrics* and return their paths, in that order.

        *facts* is all that the page's environment table shows beside the model (run id, sample seed, server,
        parameters); no value may be a secret. Raises OSError where a page cannot be written.
        """
        if not self._wanted:
            return []
        self._folder.mkdir(parents=True, exist_ok=True)
        return [self._write(one, facts) for one in metrics]

    def _write(self, metrics: ModelMetrics, facts: Mapping[str, object]) -> Path:
        path = self._folder / page_name(metrics.model)
        rows = self._models.get(metrics.model, Rows())
        several_hosts = len(set().union(*(one.hosts for one in self._models.values()))) > 1
        relay = pytest.PytestPluginManager()
        relay.add_hookspecs(pytest_html.hooks)
        relay.register(_PageHooks(metrics, rows, several_hosts=several_hosts))
        page = _Page(path, _PageConfig(relay.hook, self._config), {"model": metrics.model, **facts})
        page.write(rows.entries())
        return path


class _PageHooks:
    """What pytest-html asks its hooks, answered for one model's page. Reports are numbered, as the entries are."""

    def __init__(self, metrics: ModelMetrics, rows: Rows, *, several_hosts: bool) -> None:
        self._metrics = metrics
        self._columns = {name: label for name, label in _COLUMNS.items() if several_hosts or name != "host"}
        self._entries = rows.entries()
        self._cases = len(rows)

    def pytest_html_report_title(self, report: ReportData) -> None:
        report.title = f"plotbot: {one_line(self._metrics.model, LONGEST_CELL)}"

    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        cells[:] = [
            f'<th class="sortable{_numeric(name)}" data-column-type="{name}">{label}</th>'
            for name, label in self._columns.items()
        ]

    def pytest_html_results_table_row(self, report: pytest.TestReport, cells: list[str]) -> None:
        # Without cells there is no row: a teardown is fed only because it completes a test.
        if report.when == "teardown":
            cells.clear()
            return
        values = _values(self._entries[int(report.nodeid)].row)
        cells[1:] = [_cell(name, values[name]) for name in self._columns if name in values]

    def pytest_html_results_table_html(self, report: pytest.TestReport, data: list[str]) -> None:
        data[:] = ["\n".join(_log(self._entries[int(report.nodeid)]))]

    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        prefix += [f"<p>{_text(line)}</p>" for line in _head_lines(self._metrics, self._cases)]


class _PageConfig:
    """As much of pytest's config as pytest-html's report reads, with hooks of the page's own."""

    # The page is written once, at the end; and its columns are not those that a user's ini file may sort by.
    _FIXED: Mapping[str, object] = {"generate_report_on_test": False, "initial_sort": "result"}

    def __init__(self, hook: object, config: pytest.Config) -> None:
        self.hook = hook
        self._config = config

    def getini(self, name: str) -> Any:
        return self._FIXED[name] if name in self._FIXED else self._config.getini(name)


class _Page(SelfContainedReport):  # type: ignore[misc]  # pytest-html has no types
    """One page: pytest-html's report, with facts of our choosing, and a policy that lets only its own script run."""

    def __init__(self, path: Path, config: _PageConfig, facts: Mapping[str, object]) -> None:
        # The path goes round pytest-html, which expands ~ and $NAME in it.
        self._target = path
        self._facts = facts
        css = _process_css(_RESOURCES / "style.css", []) + _CSS
        super().__init__(path.name, config, ReportData(config), _read_template([_RESOURCES]), css)

    def write(self, entries: Sequence[Entry]) -> None:
        session = SimpleNamespace(config=self._config)
        self.pytest_sessionstart(session=session)
        for report in _numbered_reports(entries):
            self.pytest_runtest_logreport(report=report)
        self.pytest_sessionfinish(session=session)

    def _generate_environment(self) -> dict[str, str]:
        return {visible(name): _text(str(value)) for name, value in self._facts.items()}

    def _write_report(self, rendered_report: str) -> None:
        with self._target.open("w", encoding="utf-8", newline="\n") as file:
            file.write(_sealed(rendered_report))


def _numbered_reports(entries: Iterable[Entry]) -> Iterator[pytest.TestReport]:
    """For each entry the two reports that make pytest-html draw one row, under its number as the node id."""
    where = ("", None, "")
    for number, entry in enumerate(entries):
        when, outcome = _PHASES.get(entry.row.outcome, _ERROR)
        yield pytest.TestReport(str(number), where, {}, outcome, None, when, duration=entry.row.seconds)
        yield pytest.TestReport(str(number), where, {}, "passed", None, "teardown")


def _sealed(page: str) -> str:
    """The page with a policy: no network, and no script but those that pytest-html brought."""
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}"
    # The reload button of an unfinished page: never shown here, and the policy would call it an error.
    page = page.replace(' onclick="location.reload()"', "", 1)
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}"/>'
    return page.replace("<head>", f"<head>\n    {meta}", 1).replace("<html>", '<html lang="en">', 1)


def _values(row: CaseRow) -> dict[str, str]:
    """By column; the result's cell is pytest-html's own."""
    return {
        "title": one_line(row.title, LONGEST_CELL),
        "category": one_line(row.category, LONGEST_CELL),
        "host": one_line(row.host, LONGEST_CELL) or figures.NONE,
        "seconds": _sortable(row.seconds, 2),
        "speed": _sortable(row.tokens_per_second, 1),
        "attempts": _sortable(row.attempts, 0),
        "testId": one_line(row.slug, LONGEST_CELL),
    }


def _cell(name: str, value: str) -> str:
    return f'<td class="col-{name}{_numeric(name)}">{_text(value)}</td>'


def _sortable(value: float | None, decimals: int) -> str:
    """A number padded with spaces, which HTML does not show: the page sorts its cells as text."""
    return f"{figures.NONE if value is None else f'{value:.{decimals}f}':>16}"


def _numeric(column: str) -> str:
    return " numeric" if column in {"seconds", "speed", "attempts"} else ""


def _log(entry: Entry) -> list[str]:
    row = entry.row
    # A failing test's own output says what the message says, in readable lines.
    blocks = [("Message", "" if entry.output else row.message), ("Why", entry.output), ("Reply", row.reply)]
    lines = [f"<b>{label}</b>\n{_text(text.strip())}\n" for label, text in blocks if text]
    return lines or ["Nothing to show here; what was asked and answered is in the run's journal."]


def _head_lines(metrics: ModelMetrics, cases: int) -> Iterator[str]:
    yield figures.accounting_line(metrics.tally)
    if metrics.pass_rate is not None:
        interval = figures.interval_percent(metrics.interval)
        yield f"pass rate {figures.percent(metrics.pass_rate)}, 95 % interval {interval}%"
    mixed = mixed_sentence(metrics)
    if mixed is not None:
        sentences = [*mixed, " ", *apart_sentence(metrics)]
        yield f"mixed: {as_text(sentences, lambda name: one_line(name, LONGEST_CELL))}"
    for label, counts in (("failures", metrics.failures), ("errors", metrics.errors)):
        if counts:
            yield f"{label}: {categories(counts)}"
    if cases > MOST_ROWS:
        yield f"{cases} cases: only those that did not pass have a row (from {MOST_ROWS + 1} cases on)."
    elif cases > MOST_REPLIES:
        yield f"{cases} cases: only those that did not pass show their reply (from {MOST_REPLIES + 1} cases on)."


def _text(text: str) -> str:
    """Any text as HTML that shows it and does nothing else."""
    escaped = html.escape(visible(text))
    # pytest-html paints lines red that begin with an E, as pytest's tracebacks do: here only `E   ` is one of those.
    return re.sub(r"^E(?!   )", "&#69;", escaped, flags=re.MULTILINE)
