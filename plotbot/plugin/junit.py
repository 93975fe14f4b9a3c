"""What a JUnit file says of an eval's exception: all that plotbot uses of pytest's JUnit plugin is in this file.

pytest calls every exception in a test's call a failure. One in an eval's own code says nothing about the model, and a
CI page that reads the file would show it as the model's failure.
"""

from __future__ import annotations

from typing import Any

import pytest

from plotbot.plugin.outcomes import result_on


class JunitErrors:
    """Registered only where a JUnit file is written: an eval's exception becomes an `<error>` in it."""

    def __init__(self, config: pytest.Config) -> None:
        plugins = config.pluginmanager.get_plugins()
        self._xml: Any = next((one for one in plugins if hasattr(one, "node_reporter") and hasattr(one, "stats")), None)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        result = result_on(report)
        if self._xml is None or result is None or result.outcome != "error" or report.when != "call":
            return
        for node in self._xml.node_reporter(report).nodes:
            if node.tag == "failure":
                node.tag = "error"
                self._xml.stats["failure"] -= 1
                self._xml.stats["error"] += 1
