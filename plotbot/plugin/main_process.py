"""The hooks of the main process: what it says at the start, writes down on the way, and shows at the end."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Generator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from plotbot.plugin import options
from plotbot.plugin.crashes import Crashes
from plotbot.plugin.garbage import collector_resting, spare_what_is_there
from plotbot.plugin.gone import StopsWhenGone
from plotbot.plugin.process import Process, begin_process
from plotbot.plugin.progress import register_live_view
from plotbot.plugin.reports import reply_text, result_on, show_reply
from plotbot.plugin.signals import Signals, leave_out_what_has_no_line
from plotbot.plugin.startup import begin_run
from plotbot.records import Exchange, ItemResult
from plotbot.run.ending import Ending
from plotbot.run.session import MainRun

if TYPE_CHECKING:
    from plotbot.plugin.closing import Closing
    from plotbot.run.baseline import Baseline
    from plotbot.run.worker_rpc import RpcServer

_MAXFAIL = "stopping after"


class MainHooks:
    """One session of the main process, with or without workers."""

    def __init__(self, config: pytest.Config, run: MainRun, ending: Ending, crashes: Crashes) -> None:
        self._config = config
        self._run = run
        self._ending = ending
        self._crashes = crashes
        self._signals = Signals()

    @cached_property
    def _closing(self) -> Closing:
        from plotbot.plugin.closing import Closing  # noqa: PLC0415  see `pytest_runtestloop`

        return Closing(self._config, self._run, self._ending)

    def pytest_report_header(self) -> str | None:
        if self._config.args_source is pytest.Config.ArgsSource.TESTPATHS:
            return None
        seed, origin = self._run.settings.sample_seed, self._run.settings.origins["SAMPLE_SEED"]
        return f"plotbot: sample seed {seed} ({origin}; repeat the sample with --sample-seed {seed})"

    def pytest_sessionstart(self) -> None:
        self._signals.listen()

    def pytest_collection_finish(self) -> None:
        """One message and status 4, without a traceback: what is wrong is the user's to put right."""
        if self._run.problem is not None:
            raise pytest.UsageError(str(self._run.problem))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> None:
        """The first answers are on their way: time enough to load what shows them, and not before."""
        if self._run.recorder is not None:
            _ = self._closing

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Before anything is shown it is written down; a failing test shows what the model said."""
        result = result_on(report) or self._crashes.result_of(report)
        if result is None or self._run.recorder is None:
            return
        self._run.recorder.note(result)
        exchange = self._run.shown(result.case)
        self._closing.show(report, result, exchange or self._run.recorder.measured(result.case))
        if exchange is not None:
            self._show(report, result, exchange)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """An exception in an eval's own code is an error: it says nothing about the model."""
        result = result_on(report)
        if report.failed and report.when == "call" and result is not None and result.outcome == "error":
            return "error", "E", "ERROR"
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # xdist stops for --maxfail by way of an interrupt; a person's is told apart by its words alone.
        if _MAXFAIL in str(excinfo.value):
            self._ending.stopped_by_maxfail = True
        elif self._run.gone is None:
            self._ending.interrupted = True
        if self._run.recorder is not None:
            self._signals.end_in_peace()
        leave_out_what_has_no_line(excinfo)

    def pytest_internalerror(self) -> None:
        self._ending.harness_fault = True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if _MAXFAIL in f"{session.shouldfail} {session.shouldstop}":
            self._ending.stopped_by_maxfail = True
        if self._run.recorder is None:
            self._run.stop()
            return
        with collector_resting():
            status = self._closing.end()
        if self._run.recorder.items:
            session.exitstatus = status

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
        """Last of all, below pytest's own list of failures, where the eye ends."""
        yield
        if self._ending.lines:
            terminalreporter.section("plotbot")
        for warning in dict.fromkeys(self._ending.warnings):
            terminalreporter.write_line(f"plotbot: {warning}", yellow=True)
        for fault in (*self._ending.faults, *(f"wrong_model: {why}" for why in self._ending.wrong_models)):
            terminalreporter.write_line(f"plotbot: {fault}", red=True)
        for line in self._ending.lines:
            terminalreporter.write_line(line)

    def pytest_unconfigure(self) -> None:
        self._signals.restore()

    def _show(self, report: pytest.TestReport, result: ItemResult, exchange: Exchange) -> None:
        if self._config.getoption(options.SHOW_REPLIES):
            name = result.item.rpartition("::")[2]
            terminal = self._config.pluginmanager.get_plugin("terminalreporter")
            if terminal is not None:
                terminal.write_line("")
                terminal.write_sep("-", f"{name}: {result.outcome}, {result.category}, {exchange.seconds:.2f} s")
                terminal.write_line(reply_text(exchange))
        elif report.failed:
            show_reply(report, exchange)


class XdistHooks:
    """Registered only where xdist is: the main process serves its workers."""

    def __init__(self, config: pytest.Config, run: MainRun) -> None:
        self._config = config
        self._run = run
        self._line: RpcServer | None = None

    def pytest_sessionstart(self) -> None:
        """While its workers start, the main process waits: time to load what it needs once they have."""
        if self._config.pluginmanager.has_plugin("dsession"):
            threading.Thread(target=_load_ahead, name="plotbot-loading", daemon=True).start()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        if self._line is None:
            # What only a run with workers needs is loaded for one only.
            from plotbot.run.worker_rpc import RpcServer  # noqa: PLC0415  see above

            self._line = RpcServer(self._run)
        worker_input = getattr(node, "workerinput")  # noqa: B009  xdist has no types
        worker_input["plotbot"] = {
            "line": self._line.ticket,
            "settings": self._run.settings.to_json(),
            "run": self._run.folder.run_id,
            "keeps": self._run.keeps_answers,
            "folded": sorted(self._run.folded),
        }

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        if self._run.problem is not None:
            # Workers that are not told would be waited for, ten seconds long.
            session: Any = self._config.pluginmanager.get_plugin("dsession")
            session.triggershutdown()
            raise pytest.UsageError(str(self._run.problem))
        if self._run.recorder is not None:
            spare_what_is_there()

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        if self._line is not None:
            self._line.close()


def begin_main(config: pytest.Config) -> None:
    """Make this process the main one. Raises `pytest.UsageError` for settings and options that cannot be used."""
    ending = Ending(baseline=_baseline(config))
    run = begin_run(config, ending.warnings.append)
    process = Process(run.settings, run.folder.run_id, run, run.keeps_answers, run.folded, schemas=run.schemas)
    begin_process(config, process)
    crashes = Crashes(run)
    config.pluginmanager.register(MainHooks(config, run, ending, crashes), "plotbot-main")
    config.pluginmanager.register(StopsWhenGone(config, run), "plotbot-gone")
    register_live_view(config, run)
    if config.pluginmanager.has_plugin("xdist"):
        config.pluginmanager.register(crashes, "plotbot-crashes")
        config.pluginmanager.register(XdistHooks(config, run), "plotbot-xdist")


def _load_ahead() -> None:
    for module in ("plotbot.judge.schema_compiler", "plotbot.ask.transport.http", "plotbot.plugin.closing"):
        importlib.import_module(module)


def _baseline(config: pytest.Config) -> Baseline | None:
    """The baseline that the command line names; most runs have none, and load nothing for it."""
    if config.getoption(options.BASELINE) is None:
        return None
    from plotbot.run.baseline import read_given  # noqa: PLC0415  see above

    return read_given(config)
