"""`reports/<model>.html`: pytest-html's pass/fail report, a page for each model.

pytest-html writes one file a session. So each model gets a report object of pytest-html's that is never registered with
pytest. plotbot fills in its rows: if pytest-html made them of test reports, through hooks, that would take three times
as long. A user's own `--html=...` report and hooks are not touched, and the facts that pytest-metadata collects (CI
variables among them) cannot reach a page.

pytest-html puts cells and logs into the page as HTML, without escaping them: all text goes through `_text`. All that
plotbot uses of pytest-html is in this file.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_html.hooks
from pytest_html.report_data import ReportData
from pytest_html.selfcontained_report import SelfContainedReport
from pytest_html.util import _process_css, _read_template

from plotbot.errors import KeepError
from plotbot.keep.filesystem import Disk, describe, write_atomically
from plotbot.measure.metrics import ModelMetrics
from plotbot.measure.speed import speed_of
from plotbot.records import NOT_NEEDED, Case, Exchange, ItemResult
from plotbot.report import formatting
from plotbot.report.explanation import explanation_lines
from plotbot.report.formatting import as_text
from plotbot.report.hosts import apart_sentence, mixed_sentence
from plotbot.run.artifacts import PAGE, generator, page_name
from plotbot.safe import one_line, plural, visible, without_folders

MOST_REPLIES = 200
MOST_ROWS = 1000
# A browser has to open the page: no text has more than _PART characters, and once all add up to _PAGE, than _SHORT.
_PART, _PAGE, _SHORT = 20_000, 8_000_000, 500
_LONGEST_CELL = 200

_OUTCOMES = {"passed": "Passed", "failed": "Failed", "skipped": "Skipped", NOT_NEEDED: "Skipped"}
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
_VIEWPORT = '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
_CSS = (Path(__file__).parent / "pytest_html.css").read_text(encoding="utf-8")


class HtmlPages:
    """Collects a run's cases in the main process, and writes a page for each model at the end.

    If the user has blocked pytest-html (`-p no:html`), it collects nothing and writes nothing.
    """

    def __init__(self, config: pytest.Config, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._wanted = hasattr(config.hook, "pytest_html_results_table_row")
        # pytest-html compiles its template anew whenever it is read.
        self._template = _read_template([_RESOURCES]) if self._wanted else None
        self._models: dict[str, _Rows] = {}

    def show(self, report: pytest.TestReport, case: Case, result: ItemResult, exchange: Exchange | None) -> None:
        """Add the row of an item that has reported."""
        self.add(report, case.model, case_row(case, result, exchange))

    def needs_reply(self, report: pytest.TestReport, case: Case, result: ItemResult) -> bool:
        """Whether the row of an item that has reported will show what the model said."""
        rows = self._models.get(case.model, _Rows())
        shown = result.outcome != "passed" or len(rows) <= MOST_REPLIES
        return self._wanted and shown and rows.has_room(report.nodeid, result.outcome)

    def add(self, report: pytest.TestReport, model: str, row: CaseRow) -> None:
        """Add a case's row, or only count it where its page has rows enough.

        *report* has the traceback and the captured output of a case that did not pass. This may be called again for
        the same item: the last row counts.
        """
        if not self._wanted:
            return
        rows = self._models.setdefault(model, _Rows(self._config.rootpath))
        if rows.has_room(report.nodeid, row.outcome):
            rows.add(report, row)
        else:
            rows.count(report.nodeid, row.host)

    def finish(self, metrics: Iterable[ModelMetrics], facts: Mapping[str, object]) -> Iterator[Path]:
        """Write the page of each model in *metrics*, with all of its variants, and yield its path, in that order.

        The page's environment table shows *facts* beside the model; no value may be a secret. Raises `KeepError` naming
        a page that cannot be written; the file is then whole, or not there.
        """
        variants: dict[str, list[ModelMetrics]] = {}
        for one in metrics if self._wanted else ():
            variants.setdefault(one.model, []).append(one)
        for model, of_model in variants.items():
            yield self._write(model, of_model, facts)

    def _write(self, model: str, variants: Sequence[ModelMetrics], facts: Mapping[str, object]) -> Path:
        path = self._folder / page_name(model)
        several_hosts = len(set().union(*(one.hosts for one in self._models.values()))) > 1
        columns = {name: label for name, label in _COLUMNS.items() if several_hosts or name != "host"}
        rows = self._models.get(model, _Rows())
        page = _Page(path, self._config, self._template)
        head = [line for one in variants for line in _head_lines(one)] + _left_out(len(rows))
        page.describe(model, {"model": model, **facts}, head)
        page.write(rows.entries(), columns)
        return path


@dataclass(frozen=True, slots=True)
class CaseRow:
    """What a page shows of one case.

    `outcome` is `passed`, `failed`, `error` or `skipped`. `slug` is the item's short name, `seconds` the last
    attempt's, `reply` what the model said, raw; None where nothing arrived. `host` answered, or was asked last.
    """

    slug: str
    title: str
    outcome: str
    category: str
    seconds: float
    tokens_per_second: float | None = None
    attempts: int = 0
    reply: str | None = None
    message: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row, with pytest's traceback and captured output."""

    row: CaseRow
    output: str = ""

    @property
    def size(self) -> int:
        """The number of characters that a page shows of it, expanded."""
        return len(self.row.reply or "") + len(self.row.message) + len(self.output)


class _Rows:
    """One model's rows, which hold no more text than its page will show."""

    def __init__(self, root: Path = Path()) -> None:
        self.hosts: set[str] = set()
        self._root = root
        self._entries: dict[str, _Entry | None] = {}
        self._size = 0
        self._not_passed = 0

    def __len__(self) -> int:
        """The number of cases, shown or not."""
        return len(self._entries)

    def entries(self) -> list[_Entry]:
        return [entry for entry in self._entries.values() if entry is not None]

    def has_room(self, item: str, outcome: str) -> bool:
        """Whether an item gets a row: of those that passed few do, of the others the first `MOST_ROWS`."""
        if self._entries.get(item) is not None:
            return True
        return len(self) <= MOST_ROWS if outcome == "passed" else self._not_passed < MOST_ROWS

    def count(self, item: str, host: str) -> None:
        """Count an item without a row."""
        self._entries.setdefault(item, None)
        if host:
            self.hosts.add(host)

    def add(self, report: pytest.TestReport, row: CaseRow) -> None:
        entry = self._shortened(report, row)
        self.count(report.nodeid, row.host)
        self._put(report.nodeid, None)
        self._put(report.nodeid, self._bounded(entry))
        if len(self) in {MOST_REPLIES + 1, MOST_ROWS + 1}:
            for item, kept in self._entries.items():
                self._put(item, self._bounded(kept))

    def _shortened(self, report: pytest.TestReport, row: CaseRow) -> _Entry:
        limit = _PART if self._size < _PAGE else _SHORT
        reply = None if row.reply is None else _head(row.reply, limit)
        short = replace(row, reply=reply, message=_head(row.message, limit), title=row.title[: _LONGEST_CELL * 4])
        before = self._entries.get(report.nodeid)
        # The report of a teardown has no traceback of its own: the call's stays.
        own = _head(without_folders(_output(report, row), self._root), limit)
        return _Entry(short, own or ("" if before is None else before.output))

    def _put(self, item: str, entry: _Entry | None) -> None:
        before = self._entries.get(item)
        for one, sign in ((entry, 1), (before, -1)):
            if one is not None:
                self._size += sign * one.size
                self._not_passed += sign * (one.row.outcome != "passed")
        self._entries[item] = entry

    def _bounded(self, entry: _Entry | None) -> _Entry | None:
        if entry is None or entry.row.outcome != "passed" or len(self) <= MOST_REPLIES:
            return entry
        if len(self) > MOST_ROWS:
            return None
        return entry if entry.row.reply is None else replace(entry, row=replace(entry.row, reply=None))


class _PageConfig:
    """What pytest-html's report reads of pytest's config."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def getini(self, name: str) -> Any:
        # A user's ini file may sort by columns that this page does not have.
        return "result" if name == "initial_sort" else self._config.getini(name)


class _Page(SelfContainedReport):  # type: ignore[misc]  # pytest-html has no types
    """One page: pytest-html's report with plotbot's rows, and a policy that lets only its own script run."""

    def __init__(self, path: Path, config: pytest.Config, template: object) -> None:
        # pytest-html does not get the path: it would expand ~ and $NAME in it.
        self._target = path
        self._run = ""
        css = f"{_process_css(_RESOURCES / 'style.css', [])}\n{_CSS}"
        own = _PageConfig(config)
        super().__init__(path.name, own, ReportData(own), template, css)

    def describe(self, model: str, facts: Mapping[str, object], head: Iterable[str]) -> None:
        """Set the title, the environment table and the lines above the table of cases."""
        self._run = str(facts.get("run", ""))
        self._report.title = f"plotbot: {one_line(model, _LONGEST_CELL)}"
        self._report.set_data("environment", {visible(name): _text(str(value)) for name, value in facts.items()})
        back = f'<p><a href="{PAGE}">all models of run {_text(one_line(self._run, _LONGEST_CELL))}</a></p>'
        self._report.additional_summary["prefix"] += [back, *(f"<p>{_text(line)}</p>" for line in head)]

    def write(self, entries: Iterable[_Entry], columns: Mapping[str, str]) -> None:
        """Write the page, with a row for each entry; *columns* are labels by name."""
        self._report.table_header = [
            f'<th class="sortable{_numeric(name)}" data-column-type="{name}">{label}</th>'
            for name, label in columns.items()
        ]
        for number, entry in enumerate(entries):
            shown = _values(entry.row)
            self._report.outcomes = shown["result"]
            cells = [_cell(name, shown[name]) for name in columns]
            row = {"extras": [], **shown, "resultsTableRow": cells, "log": "\n".join(_log(entry))}
            # The key is a number: pytest-html's own, the test id, is not escaped.
            self._report.data["tests"][str(number)].append(row)
        self._report.running_state = "finished"
        self._generate_report()

    def _write_report(self, rendered_report: str) -> None:
        disk = Disk()
        try:
            disk.make_folder(self._target.parent)
            write_atomically(self._target, _sealed(rendered_report, self._run).encode(), disk)
        except OSError as error:
            raise KeepError(describe(error, self._target)) from error


def case_row(case: Case, result: ItemResult, exchange: Exchange | None) -> CaseRow:
    """The row of an item, from its records alone."""
    speed = None if exchange is None else speed_of(exchange)
    return CaseRow(
        slug=result.item.rpartition("::")[2],
        title=case.title.text,
        outcome=result.outcome,
        category=f"{result.category} (tolerated)" if result.tolerated else result.category,
        seconds=result.seconds if exchange is None else exchange.seconds,
        tokens_per_second=None if speed is None else speed.tokens_per_second,
        attempts=0 if exchange is None else len(exchange.attempts),
        reply=None if exchange is None else _said(exchange),
        message="" if result.is_plain_pass else "\n".join(explanation_lines(result)),
        host="" if exchange is None else exchange.host,
    )


def _said(exchange: Exchange) -> str | None:
    if exchange.reply is None:
        return exchange.raw.decode("utf-8", "backslashreplace") or None
    if not exchange.reply.reasoning:
        return exchange.reply.content
    return f"{exchange.reply.content}\n\n[reasoning]\n{exchange.reply.reasoning}"


def _sealed(page: str, run: str) -> str:
    """The page with its run's name and a content security policy: no network, no script except pytest-html's own.

    What pytest-html's template lacks for small screens and screen readers is added: a viewport, and names of its boxes.
    """
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}"
    # The reload button of an unfinished page is never shown here, and the policy would report its handler.
    page = page.replace(' onclick="location.reload()"', "", 1)
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}"/>'
    # No text of a case matches: a quotation mark in it is escaped.
    page = re.sub(r'(<input [^>]*data-test-result=")(\w+)"', r'\1\2" aria-label="show \2"', page)
    page = page.replace(
        '<div class="logwrapper">', '<div class="logwrapper" tabindex="0" role="group" aria-label="log">', 1
    )
    head = f"<head>\n    {generator(html.escape(run))}\n    {_VIEWPORT}\n    {meta}"
    return page.replace("<head>", head, 1).replace("<html>", '<html lang="en">', 1)


def _values(row: CaseRow) -> dict[str, str]:
    """The text of each column, as HTML. The page sorts by it."""
    return {
        "result": _OUTCOMES.get(row.outcome, "Error"),
        "title": _text(one_line(row.title, _LONGEST_CELL)),
        "category": _text(one_line(row.category, _LONGEST_CELL)),
        "host": _text(one_line(row.host, _LONGEST_CELL) or formatting.NONE),
        "seconds": _sortable(row.seconds, 2),
        "speed": _sortable(row.tokens_per_second, 1),
        "attempts": _sortable(row.attempts, 0),
        "testId": _text(one_line(row.slug, _LONGEST_CELL)),
    }


def _cell(name: str, value: str) -> str:
    return f'<td class="col-{name}{_numeric(name)}">{value}</td>'


def _sortable(value: float | None, decimals: int) -> str:
    """A number padded with spaces, which HTML does not show, because the page sorts its cells as text."""
    return f"{formatting.NONE if value is None else f'{value:.{decimals}f}':>16}"


def _numeric(column: str) -> str:
    return " numeric" if column in {"seconds", "speed", "attempts"} else ""


def _log(entry: _Entry) -> list[str]:
    row = entry.row
    # A failing test's own output has the message in readable lines.
    blocks = [("Message", "" if entry.output else row.message), ("Why", entry.output), ("Reply", row.reply)]
    lines = [f"<b>{label}</b>\n{_text(text.strip())}\n" for label, text in blocks if text]
    return lines or ["Nothing to show here; what was asked and answered is in the run's journal."]


def _head_lines(metrics: ModelMetrics) -> Iterator[str]:
    if metrics.variant:
        yield f"variant {one_line(metrics.variant, _LONGEST_CELL)}:"
    yield formatting.accounting_line(metrics.tally)
    if metrics.pass_rate is not None:
        interval = formatting.interval_percent(metrics.interval)
        yield f"pass rate {formatting.percent(metrics.pass_rate)}, 95 % interval {interval}%"
    mixed = mixed_sentence(metrics)
    if mixed is not None:
        sentences = [*mixed, " ", *apart_sentence(metrics)]
        yield f"mixed: {as_text(sentences, lambda name: one_line(name, _LONGEST_CELL))}"
    for label, counts in (("failures", metrics.failures), ("errors", metrics.errors)):
        if counts:
            yield f"{label}: {formatting.category_counts(counts)}"


def _left_out(cases: int) -> list[str]:
    if cases > MOST_ROWS:
        which = f"only those that did not pass have a row, and no more than {MOST_ROWS} of them"
        return [f"{cases} cases: {which} (from {MOST_ROWS + 1} cases on). index.html has all cases."]
    if cases > MOST_REPLIES:
        return [f"{cases} cases: only those that did not pass show their reply (from {MOST_REPLIES + 1} cases on)."]
    return []


def _text(text: str) -> str:
    """The text as HTML that shows it and does nothing else."""
    escaped = html.escape(visible(text))
    # pytest-html colours lines red that begin with an E; a line of pytest's traceback begins with `E   `.
    return re.sub(r"^E(?!   )", "&#69;", escaped, flags=re.MULTILINE)


def _output(report: pytest.TestReport, row: CaseRow) -> str:
    if row.outcome == "passed":
        return ""
    captured = (f"{name}\n{text}" for name, text in report.sections if name.startswith("Captured "))
    return "\n".join(part for part in (report.longreprtext, *captured) if part)


def _head(text: str, limit: int) -> str:
    rest = len(text) - limit
    return text if rest <= 0 else f"{text[:limit]}\n… {plural(rest, 'more character')} in the run's journal"
