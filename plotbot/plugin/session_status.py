"""The exit status of pytest's session: never better than what pytest and the other plugins found.

A failed eval is a failure for pytest, while for plotbot a gate may hold all the same. So the run's own status takes the
place of "tests failed" where every failure is an eval's, and otherwise it may only make the session's worse.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest

from plotbot.errors import ExitStatus
from plotbot.measure.exit_status import worse
from plotbot.plugin.outcomes import result_on


class SessionStatus:
    """Counts the failures that are evals', and combines the run's own status with everybody else's.

    `stopped_by_itself` says that the session was stopped for the run's sake or by `--maxfail`, which pytest's status
    may call an interrupt. `own` is the run's status, None for a session that ran no eval. `show` shows the end of the
    run unless it has been shown: pytest itself shows none after an internal error, or an exit status of a user's own.
    """

    def __init__(self, has_evals: Callable[[], bool], show: Callable[[], None]) -> None:
        self.stopped_by_itself = False
        self.own: int | None = None
        self._has_evals = has_evals
        self._show = show
        self._evals_failed = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # As pytest counts them in `session.testsfailed`.
        if report.failed and not hasattr(report, "wasxfail") and result_on(report) is not None:
            self._evals_failed += 1

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Leave the evals' failures out of the status before any other plugin changes it, and combine it after all."""
        if self._has_evals():
            session.exitstatus = self._without_evals(session)
        try:
            yield
        finally:
            if self.own is not None:
                session.exitstatus = worse(session.exitstatus, self.own)
            self._show()

    def _without_evals(self, session: pytest.Session) -> int:
        """The session's status as it would be if every eval had passed and the run had not been stopped for one."""
        given = int(session.exitstatus)
        if given == ExitStatus.FAILURES and session.testsfailed == 0:
            # A plugin's own doing: no test has failed.
            return given
        if given in {ExitStatus.OK, ExitStatus.FAILURES} or (
            given == ExitStatus.INTERRUPTED and self.stopped_by_itself
        ):
            return ExitStatus.FAILURES if session.testsfailed > self._evals_failed else ExitStatus.OK
        return given
