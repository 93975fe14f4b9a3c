"""pytest's list of failures at the end of a run of evals: of many failures one of each kind, and a count of the rest.

pytest prints every failure in full, and for each one it looks through the reports of all tests. So while pytest prints,
its lists hold only the reports that are to be shown. All else that reads them (counts, exit status, `--lf`, JUnit,
other plugins' summaries) finds them whole. Every use of pytest's lists of reports is in this file.
"""

from __future__ import annotations

import shlex
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Literal

import pytest

from plotbot.plugin import options
from plotbot.plugin.failure_text import shorten
from plotbot.plugin.outcomes import SHOWN_CHARACTERS, has_asked, is_of_eval, result_on, show_reply
from plotbot.report.failure_kinds import KindKey, failure_kinds, kind_lines, kind_of
from plotbot.report.terminal_lines import WIDEST, fitted, terminal_width
from plotbot.run.recorder import Recorder
from plotbot.run.session import MainRun
from plotbot.safe import plural

SUMMARY_LINES = 20
"""Lines of pytest's short summary that failures of evals get when not all of them are shown."""
SHORT_REPLY = 1_000
"""Characters of a reply that are shown where not all failures are."""
NOT_CHOSEN = "auto", "fE"
"""pytest's own defaults of `--tb` and `-r`. A user who has set one of them gets all that pytest would print."""
_BAD = ("failed", "error")


class FailureSummary:
    """Shortens what pytest prints at the end, and says what was left out and how to see it.

    `pytest_terminal_summary` is the innermost of the hook's wrappers: it gives the hook's other implementations the
    whole lists. `shortened` belongs around the outermost.
    """

    def __init__(self, config: pytest.Config, run: MainRun) -> None:
        self._config = config
        self._run = run
        self._whole: dict[str, list[pytest.TestReport]] = {}
        self._in_full: dict[str, list[pytest.TestReport]] = {}
        self._in_short: dict[str, list[pytest.TestReport]] = {}
        # `--durations` lists all phases.
        self._phases_kept = config.getoption("durations", default=None) is not None
        self._terminal: pytest.TerminalReporter | None = None
        self._keywords: dict[str, dict[str, Literal[1]]] = {}
        self._first: dict[KindKey, pytest.TestReport] = {}
        self._held = 0

    def pytest_sessionstart(self) -> None:
        self._terminal = self._config.pluginmanager.get_plugin("terminalreporter")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        """Drop from a report, or with it, what is not read at the end: a large run has three reports of each case."""
        yield
        if not is_of_eval(report):
            return
        self._share_keywords(report)
        result = result_on(report)
        if result is not None and not report.passed:
            self._hold(report, kind_of(result))
        elif report.when != "call" and report.passed and not report.sections and not self._phases_kept:
            self._drop(report)

    def _share_keywords(self, report: pytest.TestReport) -> None:
        """Have all reports of one test function share their keywords, without the names of the items."""
        function, name = report.nodeid.partition("[")[0], report.location[2]
        if function not in self._keywords:
            self._keywords[function] = {word: 1 for word in report.keywords if word != name}
        report.keywords = self._keywords[function]

    def _hold(self, report: pytest.TestReport, kind: KindKey) -> None:
        """Keep a failure's text if it may be shown: the first ones, and the first of each kind. Of others a line."""
        self._held += 1
        first = self._first.setdefault(kind, report)
        limit = self._limit
        if limit is not None and self._held > limit and first is not report:
            shorten(report)

    @property
    def _limit(self) -> int | None:
        """How many failures are shown in full; None for all of them."""
        limit = self._run.settings.show_failures
        # Without its terminal plugin pytest has no such option.
        chosen = self._config.getoption("tbstyle", NOT_CHOSEN[0]) != NOT_CHOSEN[0]
        return None if limit == "all" or chosen else limit

    def _drop(self, report: pytest.TestReport) -> None:
        phases = [] if self._terminal is None else self._terminal.stats.get("", [])
        if phases and phases[-1] is report:
            phases.pop()

    @contextmanager
    def shortened(self, terminal: pytest.TerminalReporter) -> Iterator[None]:
        """Have pytest print only some failures, if there are more than SHOW_FAILURES. Afterwards say what is left."""
        recorder = self._run.recorder
        failures = [] if recorder is None else self._failures(terminal, recorder)
        if recorder is not None:
            self._choose(terminal, recorder, failures)
        terminal.stats.update(self._in_full)
        try:
            yield
        finally:
            terminal.stats.update(self._whole)
        left = len(failures) - SUMMARY_LINES
        if self._whole and self._config.option.reportchars == NOT_CHOSEN[1] and left > 0:
            terminal.write_line(f"… and {left:,} more")

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
        """Print the kinds below the failures that are shown; the rest of pytest's summary comes after the hook."""
        if self._whole and self._run.recorder is not None:
            terminalreporter.stats.update(self._whole)
            self._print_kinds(terminalreporter, self._run.recorder)
        yield
        terminalreporter.stats.update(self._in_short)

    def _failures(self, terminal: pytest.TerminalReporter, recorder: Recorder) -> list[pytest.TestReport]:
        """The reports of evals that failed or were errors."""
        results = recorder.records().results
        return [report for box in _BAD for report in terminal.stats.get(box, ()) if report.nodeid in results]

    def _choose(
        self, terminal: pytest.TerminalReporter, recorder: Recorder, failures: Sequence[pytest.TestReport]
    ) -> None:
        """Choose what is printed in full and what in the short summary, and put the replies under the former."""
        limit = self._limit
        if limit is None or len(failures) <= limit:
            self._show_replies(recorder, failures, SHOWN_CHARACTERS)
            return
        kinds = failure_kinds(recorder.records())[:limit]
        chosen = [self._first[kind.key] for kind in kinds if kind.key in self._first]
        self._show_replies(recorder, chosen, SHORT_REPLY)
        self._whole = {box: list(terminal.stats[box]) for box in _BAD if box in terminal.stats}
        self._in_full = _only(self._whole, failures, chosen)
        if self._config.option.reportchars == NOT_CHOSEN[1]:
            self._in_short = _only(self._whole, failures, list(islice(failures, SUMMARY_LINES)))

    def _show_replies(self, recorder: Recorder, reports: Sequence[pytest.TestReport], limit: int) -> None:
        """Put the replies back under failures. `--show-replies` has printed them already."""
        if self._config.getoption(options.SHOW_REPLIES):
            return
        for report in reports:
            exchange = recorder.exchange_of(recorder.records().results[report.nodeid].case)
            if exchange is not None and has_asked(report):
                show_reply(report, exchange, limit)

    def _print_kinds(self, terminal: pytest.TerminalReporter, recorder: Recorder) -> None:
        from plotbot.run.artifacts import PAGE, short_path  # noqa: PLC0415  no first request waits for what ends a run

        kinds, settings = failure_kinds(recorder.records()), self._run.settings
        total = sum(kind.count for kind in kinds)
        terminal.section(f"{plural(total, 'failure')} of {plural(len(kinds), 'kind')}")
        # pytest takes a terminal of fewer than 40 columns for one of 80.
        narrow = terminal_width() < WIDEST
        width = terminal_width() if narrow else self._config.get_terminal_writer().fullwidth
        page = short_path(settings.report_dir / PAGE, settings.root)
        more = f"all of them: {page}#show=bad", f"one by one: pytest {shlex.join(self._config.args)} --lf -x"
        for line in fitted("\n".join([*kind_lines(kinds, width), *more])):
            terminal.write_line(line)


def _only(
    whole: Mapping[str, Sequence[pytest.TestReport]],
    failures: Sequence[pytest.TestReport],
    chosen: Sequence[pytest.TestReport],
) -> dict[str, list[pytest.TestReport]]:
    """The lists with *chosen* of the *failures* of evals, and with all that is not of evals."""
    hidden = {id(report) for report in failures} - {id(report) for report in chosen}
    return {box: [report for report in reports if id(report) not in hidden] for box, reports in whole.items()}
