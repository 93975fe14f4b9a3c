"""When no host answers any more the session stops: what is left stays to be asked another time."""

from __future__ import annotations

from typing import Any

import pytest

from plotbot.run.session import MainRun


class StopsWhenGone:
    """Asks pytest, or xdist in its place, to stop after the item that found out."""

    def __init__(self, config: pytest.Config, run: MainRun) -> None:
        self._config = config
        self._run = run
        self._session: pytest.Session | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self) -> None:
        if self._run.gone is not None:
            whoever_loops: Any = self._config.pluginmanager.get_plugin("dsession") or self._session
            whoever_loops.shouldstop = self._run.gone
