"""The hooks of the main process: what it says at the start, records on the way, and shows at the end."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from plotbot.errors import InputError
from plotbot.measure.exit_status import worse
from plotbot.plugin import options
from plotbot.plugin.failure_summary import FailureSummary
from plotbot.plugin.outcomes import (
    REPEATED,
    as_shown,
    has_asked,
    hide_reply,
    is_subtest,
    reply_text,
    result_on,
    show_reply,
    turn,
)
from plotbot.plugin.progress import register_progress
from plotbot.plugin.session_status import SessionStatus
from plotbot.plugin.signals import Signals, in_one_piece, keep_exit_status, keep_traceable, terminate
from plotbot.plugin.startup import WATCH, begin_run, link_to_watch, note_session
from plotbot.plugin.xdist import XdistHooks, is_stop, stop_session
from plotbot.records import Exchange, ItemResult
from plotbot.report.terminal_lines import fitted
from plotbot.run import garbage
from plotbot.run.process import Process
from plotbot.run.recorder import Recorder
from plotbot.run.session import MainRun
from plotbot.safe import visible

if TYPE_CHECKING:
    from plotbot.plugin.pytest_html import HtmlPages
    from plotbot.run.baseline import Baseline
    from plotbot.run.finish import Finished


def begin_main_process(config: pytest.Config) -> Process:
    """Begin a run and register its hooks. Raises `pytest.UsageError` for settings and options that cannot be used."""
    baseline = _baseline(config)
    warnings: list[str] = []
    link_to_watch(config)
    run = begin_run(config, warnings.append)
    run.stop_when_worse = config.getoption(options.STOP_WHEN_WORSE)
    run.baseline = None if baseline is None else (baseline.sheet, f"baseline {baseline.path.name}")
    hooks = MainHooks(config, run, warnings, baseline)
    config.pluginmanager.register(hooks, "plotbot-main")
    config.pluginmanager.register(hooks.status, "plotbot-status")
    config.pluginmanager.register(hooks.failures, "plotbot-failures")
    register_progress(config, run)
    if config.pluginmanager.has_plugin("xdist"):
        config.pluginmanager.register(XdistHooks(config, run), "plotbot-xdist")
    return Process(run.settings, run.folder.run_id, run, run.keeps_answers, run.folded, schemas=run.schemas)


class MainHooks:
    """One session of the main process, with or without workers."""

    def __init__(self, config: pytest.Config, run: MainRun, warnings: list[str], baseline: Baseline | None) -> None:
        self._config = config
        self._run = run
        self._warnings = warnings
        self._baseline = baseline
        self.status = SessionStatus(self._has_evals, self._show_end)
        self._signals = Signals()
        self.failures = FailureSummary(config, run)
        self._failed_subtests: dict[str, ItemResult] = {}
        self._session: pytest.Session | None = None
        self._pages: HtmlPages | None = None
        self._finished: Finished | None = None
        self._shown = False
        self._interrupted = False
        self._harness_fault = False

    def pytest_report_header(self) -> list[str] | None:
        if self._config.args_source is pytest.Config.ArgsSource.TESTPATHS:
            return None
        seed, origin = self._run.settings.sample_seed, self._run.settings.origins["SAMPLE_SEED"]
        sample = f"plotbot: sample seed {seed} ({origin}; repeat the sample with --sample-seed {seed})"
        models = (f"plotbot: {model}" for model in self._run.described_models())
        return fitted("\n".join([sample, *models]))

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session
        self._signals.listen()
        if (watch := self._config.stash.get(WATCH, None)) is not None:
            watch.call_at_end(terminate)
        if self._config.getoption("xmlpath", default=None):
            self._config.pluginmanager.register(JunitErrors(self._config), "plotbot-junit")

    def pytest_collection_finish(self) -> None:
        """End the session with one message and status 4, without a traceback: the user can put the problem right."""
        if self._run.problem is not None:
            raise pytest.UsageError(str(self._run.problem))

    @pytest.hookimpl(trylast=True)
    def pytest_report_collectionfinish(self) -> list[str]:
        """Say below the number of collected items how many of them need not be asked."""
        return self._announced()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        """Say the same with workers, of which the first has told by now what is to be asked."""
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None and terminal.verbosity >= 0:
            for line in self._announced():
                terminal.ensure_newline()
                terminal.write_line(line)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> None:
        """Load what shows the run while its first requests are out, and not before: that takes as long as a request."""
        if self._run.recorder is not None:
            self._pages = self._new_pages()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        """Record a result before anything is shown; have a failing test show what the model said."""
        result, recorder = self._result(report), self._run.recorder
        with in_one_piece() if result is not None else nullcontext():
            if result is not None and recorder is not None:
                result = self._run.note(result)
                turn(report, result)
                self._show(report, result, recorder)
            if self._run.gone is not None and self._session is not None:
                stop_session(self._session, self._run.gone)
            yield
            if result is not None and recorder is not None:
                # Other plugins have seen it. It is read back for the failures that are shown at the end.
                hide_reply(report)
                recorder.forget_text(result.case)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Show what says nothing about the model as an error: an exception in an eval's own code, a worker's crash."""
        result = result_on(report)
        if report.failed and result is not None and result.outcome == "error":
            return "error", "E", "ERROR"
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        if self._run.gone is None and not (is_stop(excinfo.value) and self._stopped_by_maxfail()):
            self._interrupted = True
        self.status.stopped_by_itself = not self._interrupted
        if self._run.recorder is not None:
            self._signals.end_with_a_limit()
        keep_exit_status()
        keep_traceable(excinfo)

    def pytest_internalerror(self) -> None:
        self._harness_fault = True

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Finish the run after all other plugins, also if one of them fails or calls `pytest.exit`."""
        demanded = 0
        try:
            return (yield)
        except pytest.exit.Exception as error:
            demanded = error.returncode or 0
            raise
        finally:
            self._finish_session(session, worse(int(session.exitstatus), demanded))

    def _finish_session(self, session: pytest.Session, floor: int) -> None:
        if self._run.recorder is None:
            self._run.stop()
            return
        with garbage.paused():
            self._finished = self._finish(floor)
        if self._has_evals():
            self.status.own = self._finished.status
            note_session(self._config, self._run.folder.run_id)
            session.exitstatus = worse(session.exitstatus, self._finished.status)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
        """Write the run's lines last, below pytest's own list of failures, where a reader looks first."""
        with self.failures.shortened(terminalreporter):
            yield
        self._show_run(terminalreporter)

    def pytest_unconfigure(self) -> None:
        self._signals.restore()

    def _announced(self) -> list[str]:
        """The run's announcements, each once."""
        told, self._run.announcements = self._run.announcements, []
        return [piece for one in told for piece in fitted(visible(f"plotbot: {one}"))]

    def _has_evals(self) -> bool:
        return self._run.recorder is not None and bool(self._run.recorder.items)

    def _show_end(self) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if self._finished is not None and not self._shown and terminal is not None and not terminal.no_summary:
            self._show_run(terminal)

    def _show_run(self, terminalreporter: pytest.TerminalReporter) -> None:
        finished, self._shown = self._finished, True
        if finished is not None and finished.lines:
            terminalreporter.section("plotbot")
        warned = dict.fromkeys([*self._warnings, *(finished.warnings if finished else ())])
        self._write(terminalreporter, [f"plotbot: {warning}" for warning in warned], yellow=True)
        if finished is not None:
            self._write(terminalreporter, [f"plotbot: {fault}" for fault in finished.faults], red=True)
            self._write(terminalreporter, finished.lines)

    def _write(self, terminal: pytest.TerminalReporter, lines: Sequence[str], **colour: bool) -> None:
        for line in fitted("\n".join(lines)) if lines else ():
            terminal.write_line(line, **colour)

    def _result(self, report: pytest.TestReport) -> ItemResult | None:
        """The result to record of a report; None of a test that is no eval, and of what is not the item's last word.

        A subtest's item goes on; one that failed makes its item a failure, whatever comes after it. A failed try that
        pytest-rerunfailures repeats would decide a sequential gate.
        """
        if report.when == "setup":
            # What a crashed worker had of an item that now runs again.
            self._failed_subtests.pop(report.nodeid, None)
        result = result_on(report)
        if result is None or report.outcome == REPEATED:
            return None
        if is_subtest(report):
            if report.failed:
                self._failed_subtests.setdefault(report.nodeid, result)
            return None
        if result.outcome in {"passed", "skipped"} and (part := self._failed_subtests.get(report.nodeid)) is not None:
            return replace(part, seconds=result.seconds)
        return as_shown(report, result, self._config)

    def _show(self, report: pytest.TestReport, result: ItemResult, recorder: Recorder) -> None:
        case, shows_all = recorder.cases[result.case], self._config.getoption(options.SHOW_REPLIES)
        pages = self._pages = self._pages or self._new_pages()
        wanted = report.failed or shows_all or pages.needs_reply(report, case, result)
        exchange = recorder.exchange_of(result.case) if wanted and has_asked(report) else None
        pages.show(report, case, result, exchange or recorder.measured(case.id))
        if exchange is None:
            return
        if shows_all:
            self._print_reply(result, exchange)
        elif report.failed:
            show_reply(report, exchange)

    def _print_reply(self, result: ItemResult, exchange: Exchange) -> None:
        name = result.item.rpartition("::")[2]
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.write_line("")
            terminal.write_sep("-", f"{name}: {result.outcome}, {result.category}, {exchange.seconds:.2f} s")
            terminal.write_line(reply_text(exchange))

    def _new_pages(self) -> HtmlPages:
        # `finish` is not needed yet, but loading it now costs no time that anything waits for.
        import plotbot.run.finish  # noqa: F401, PLC0415  see `pytest_runtestloop`
        from plotbot.plugin.pytest_html import HtmlPages  # noqa: PLC0415  see `pytest_runtestloop`

        return HtmlPages(self._config, self._run.settings.report_dir)

    def _stopped_by_maxfail(self) -> bool:
        maxfail = self._config.getoption("maxfail")
        return bool(maxfail) and self._session is not None and self._session.testsfailed >= maxfail

    def _finish(self, floor: int) -> Finished:
        from plotbot.run.finish import SessionEnd, finish_run  # noqa: PLC0415  see `pytest_runtestloop`

        session = SessionEnd(
            floor=floor,
            interrupted=self._interrupted,
            harness_fault=self._harness_fault,
            stopped_by_maxfail=self._stopped_by_maxfail(),
        )
        return finish_run(self._run, session, self._pages or self._new_pages(), self._baseline)


def _baseline(config: pytest.Config) -> Baseline | None:
    """The baseline that the command line names; most runs have none, and load nothing for it."""
    name = config.getoption(options.BASELINE)
    if name is None:
        return None
    from plotbot.run.baseline import read_baseline  # noqa: PLC0415  see above

    try:
        return read_baseline(config.invocation_params.dir / name)
    except InputError as problem:
        raise pytest.UsageError(str(problem)) from None


class JunitErrors:
    """Has a JUnit file call an eval's exception an `<error>`; registered only where such a file is written.

    pytest calls every exception in a test's call a failure. One in an eval's own code says nothing about the model, and
    a CI page that reads the file would show it as the model's failure.
    """

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
