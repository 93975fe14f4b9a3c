"""What shows a run: a row for each item as it reports, and at the end all the rest.

Loaded when the first answers are on their way: to load it takes as long as to ask a quick server.
"""

from __future__ import annotations

import pytest

from plotbot.plugin.ending import Ending
from plotbot.plugin.finish import end_run
from plotbot.plugin.html_pages import HtmlPages
from plotbot.plugin.run import MainRun
from plotbot.records import Exchange, ItemResult
from plotbot.report.case_row import case_row


class Closing:
    """One run's pages, and its end."""

    def __init__(self, config: pytest.Config, run: MainRun, ending: Ending) -> None:
        self._run = run
        self._ending = ending
        self._pages = HtmlPages(config, run.settings.report_dir)

    def show(self, report: pytest.TestReport, result: ItemResult, exchange: Exchange | None) -> None:
        """Take an item into its model's page."""
        assert self._run.books is not None, "an item that reports has been planned"
        case = self._run.books.cases[result.case]
        self._pages.add(report, case.model, case_row(case, result, exchange))

    def end(self) -> int:
        """End the run: its exit status."""
        return end_run(self._run, self._pages, self._ending)
