"""What shows a run: a row for each item as it reports, and at the end all the rest.

Loaded when the first answers are on their way: to load it takes as long as to ask a quick server.
"""

from __future__ import annotations

import pytest

from plotbot.plugin.pytest_html import HtmlPages
from plotbot.records import Exchange, ItemResult
from plotbot.report.case_row import case_row
from plotbot.run.ending import Ending
from plotbot.run.finish import end_run
from plotbot.run.session import MainRun


class Closing:
    """One run's pages, and its end."""

    def __init__(self, config: pytest.Config, run: MainRun, ending: Ending) -> None:
        self._run = run
        self._ending = ending
        self._pages = HtmlPages(config, run.settings.report_dir)

    def show(self, report: pytest.TestReport, result: ItemResult, exchange: Exchange | None) -> None:
        """Take an item into its model's page."""
        assert self._run.recorder is not None, "an item that reports has been planned"
        case = self._run.recorder.cases[result.case]
        self._pages.add(report, case.model, case_row(case, result, exchange))

    def end(self) -> int:
        """End the run: its exit status."""
        return end_run(self._run, self._pages, self._ending)
