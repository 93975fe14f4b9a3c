"""A worker that dies takes its test with it: once, the test is given to another; after that it is an error."""

from __future__ import annotations

from typing import Any

import pytest

from plotbot.records import ItemResult
from plotbot.run.session import MainRun

_PHASES = frozenset({"setup", "call", "teardown"})
_REQUEUED = "requeued"
# The other schedulers cannot take a test back: they raise NotImplementedError, which ends the whole session.
_SCHEDULERS = frozenset({"LoadScheduling", "WorkStealingScheduling"})


class Crashes:
    """What becomes of the tests of crashed workers, which no worker reports."""

    def __init__(self, run: MainRun) -> None:
        self._run = run
        self._requeued: set[str] = set()

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport, sched: Any) -> None:
        """Give an eval's item to another worker, once: its reply is on record and is not asked for again."""
        may_return = type(sched).__name__ in _SCHEDULERS and crashitem not in self._requeued
        if may_return and self._case(crashitem) is not None:
            self._requeued.add(crashitem)
            sched.mark_test_pending(crashitem)
            # xdist would count the crash as a failure beside the outcome that the other worker reports.
            report.__dict__["outcome"] = _REQUEUED

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        return (_REQUEUED, "R", "REQUEUED") if report.outcome == _REQUEUED else None

    def result_of(self, report: pytest.TestReport) -> ItemResult | None:
        """The result of an item whose worker died for good; None for every other report."""
        # Every set-up and teardown comes by here: the plan is searched only for what no phase reported.
        if report.when in _PHASES or report.outcome == _REQUEUED:
            return None
        case = self._case(report.nodeid)
        return None if case is None else ItemResult(case, report.nodeid, "error", "eval_code", report.longreprtext)

    def _case(self, item: str) -> str | None:
        recorder = self._run.recorder
        return None if recorder is None else recorder.case_of(item)
