"""A session with xdist's workers: what the main process gives them, and what becomes of those that die or end early.

All that plotbot uses of xdist beyond its documented hooks is in this file.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Generator
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import pytest

from plotbot.plugin.collection import is_broken, rename_last_failures_of_run
from plotbot.plugin.exceptions import text_of
from plotbot.plugin.outcomes import REPEATED, attach
from plotbot.records import ItemResult
from plotbot.run import garbage
from plotbot.safe import one_line, plural

if TYPE_CHECKING:
    from plotbot.run.session import MainRun
    from plotbot.run.worker_rpc import RpcServer

CONTROLLER = "dsession"
"""The name of xdist's controller among pytest's plugins; it is there in a session with workers only."""
_REQUEUED = "requeued"
_EXIT = "plotbot_exit"
"""Under which a worker's output has the message and the status of the `pytest.exit` that has ended its session."""
_LONGEST_REASON = 400
_FOR_ASKING = ("plotbot.judge.schema_compiler", "plotbot.ask.transport.http")
_FOR_SHOWING = ("plotbot.plugin.pytest_html", "plotbot.run.finish")


class Gateway(Protocol):
    """What is used of execnet's gateway."""

    @property
    def id(self) -> str: ...


class Worker(Protocol):
    """What is used of xdist's `WorkerController`: its name, and the builtin values that the worker starts with."""

    workerinput: dict[str, Any]

    @property
    def gateway(self) -> Gateway: ...


class Scheduling(Protocol):
    """What is used of xdist's schedulers."""

    def mark_test_pending(self, item: str) -> None:
        """Give an item to another worker. Raises `NotImplementedError` in schedulers that never do."""


class XdistHooks:
    """Registered only where xdist is installed: the main process serves its workers."""

    def __init__(self, config: pytest.Config, run: MainRun) -> None:
        self._config = config
        self._run = run
        self._server: RpcServer | None = None
        self._crashes: CrashHooks | None = None
        self._session: pytest.Session | None = None
        self._exit: tuple[str, int | None] | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Load what asking needs while the workers start, and no more: they start on the same processors."""
        self._session = session
        if self._config.pluginmanager.has_plugin(CONTROLLER):
            _load_meanwhile(_FOR_ASKING)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Worker) -> None:
        if self._server is None:
            # Only a run with workers loads this.
            from plotbot.run.worker_rpc import RpcServer  # noqa: PLC0415  see above

            self._server = RpcServer(self._run)
            self._crashes = CrashHooks(self._run)
            self._config.pluginmanager.register(self._crashes, "plotbot-crashes")
        self._run.await_worker(node.gateway.id, starting=True)
        node.workerinput["plotbot"] = {
            "rpc": self._server.ticket,
            "settings": self._run.settings.to_json(),
            "run": self._run.folder.run_id,
            "keeps": self._run.keeps_answers,
            "folded": sorted(self._run.folded),
        }

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Worker) -> None:
        self._run.await_worker(node.gateway.id, starting=False)
        # A worker that was killed has no output.
        if self._exit is None and (ended := getattr(node, "workeroutput", {}).get(_EXIT)) is not None:
            self._exit = ended

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """End as a worker's session did, once xdist has stopped the other workers."""
        try:
            return (yield)
        except KeyboardInterrupt:
            if self._exit is None:
                raise
        raise pytest.exit.Exception(*self._exit) from None

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Worker) -> None:
        self._run.await_worker(node.gateway.id, starting=False)
        if self._run.problem is not None:
            self._stop(pytest.UsageError(str(self._run.problem)))
        if self._run.recorder is not None:
            # A worker that replaces a crashed one collects when tests have failed already.
            has_run = self._crashes is not None and self._crashes.has_run
            if self._session is not None and not has_run and is_broken(self._session):
                # xdist would run the rest, while pytest without workers runs nothing. No model has been asked.
                self._stop(
                    pytest.Session.Interrupted(f"{plural(self._session.testsfailed, 'error')} during collection")
                )
            rename_last_failures_of_run(self._config, self._run.recorder.items, self._run.recorder.cases)
            garbage.exempt_what_exists()
            _load_meanwhile(_FOR_SHOWING)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        if self._server is not None:
            self._server.close()

    def _stop(self, why: BaseException) -> NoReturn:
        # xdist would wait ten seconds for workers that are not told to stop.
        self._config.pluginmanager.get_plugin(CONTROLLER).triggershutdown()  # type: ignore[union-attr]
        raise why


class WorkerHooks:
    """Registered in a worker: an item or a hook that ends the session there stops the main process's session too.

    xdist itself knows workers that stop for `-x` and workers that crash. One whose session is ended by `pytest.exit` or
    an interrupt would be replaced, or end the whole session with an internal error.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._ended: dict[str, Any] = {}

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self._note_end(excinfo.value)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """Change what xdist has put into the worker's output, before it is sent."""
        try:
            return (yield)
        except pytest.exit.Exception as error:
            self._note_end(error)
            raise
        finally:
            output: dict[str, Any] = self._config.workeroutput  # type: ignore[attr-defined]
            output.update(self._ended)

    def _note_end(self, error: BaseException) -> None:
        worker: str = self._config.workerinput["workerid"]  # type: ignore[attr-defined]
        reason = one_line(text_of(error), _LONGEST_REASON)
        # With its own status, that of an interrupt, xdist would take the worker for a crashed one.
        self._ended = {"exitstatus": 0, "shouldstop": f"{worker}: {type(error).__name__} {reason}".rstrip()}
        if isinstance(error, pytest.exit.Exception):
            status = error.returncode
            self._ended[_EXIT] = (reason, int(status) if isinstance(status, int) else None)


class CrashHooks:
    """What becomes of the item of a worker that dies: another worker gets it, once; after that it is an error.

    The schedulers of `--dist loadscope`, `loadfile` and `loadgroup` give it to another worker by themselves, each time.
    `has_run` says that workers have begun to run items.
    """

    def __init__(self, run: MainRun) -> None:
        self.has_run = False
        self._run = run
        self._requeued: set[str] = set()

    def pytest_runtest_logstart(self) -> None:
        self.has_run = True

    @pytest.hookimpl(optionalhook=True, trylast=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport, sched: Scheduling) -> None:
        """Give an eval's item to another worker, or make it an error. xdist logs *report* right after this.

        It is an error in the journal until the other worker reports it, which may never happen.
        """
        case = None if self._run.recorder is None else self._run.recorder.case_of(crashitem)
        if case is None or report.outcome == REPEATED:
            # pytest-rerunfailures has given it to another worker. Twice in one worker would be an error.
            return
        attach(report, ItemResult(case, crashitem, "error", "eval_code", report.longreprtext))
        if _gives_again(sched) or (crashitem not in self._requeued and _requeue(sched, crashitem)):
            self._requeued.add(crashitem)
            # As a failure it would count beside the outcome that the other worker reports.
            report.outcome = _REQUEUED  # type: ignore[assignment]

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        return (_REQUEUED, "R", "REQUEUED") if report.outcome == _REQUEUED else None


def stop_session(session: pytest.Session, why: str) -> None:
    """Have pytest stop after this item, or xdist's controller in its place."""
    controller = session.config.pluginmanager.get_plugin(CONTROLLER)
    (session if controller is None else controller).shouldstop = why


def is_stop(interrupt: BaseException) -> bool:
    """Whether xdist has stopped its session, for --maxfail or `stop_session`. A person raises KeyboardInterrupt."""
    return type(interrupt) is not KeyboardInterrupt


def _gives_again(scheduling: Scheduling) -> bool:
    """Whether the scheduler gives a crashed worker's item to another worker by itself."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415  xdist has loaded it where a worker has crashed

    return isinstance(scheduling, LoadScopeScheduling)


def _requeue(scheduling: Scheduling, item: str) -> bool:
    # xdist has just put what the crashed worker had left behind all other items. A sequential gate needs it first: the
    # tests of later items would wait for it, and it for them.
    if isinstance(pending := getattr(scheduling, "pending", None), list):
        pending.sort()
    try:
        scheduling.mark_test_pending(item)
    except NotImplementedError:
        return False
    return True


@cache
def _load_meanwhile(modules: tuple[str, ...]) -> None:
    """Load modules on a thread of their own, once a process; an import of one of them meanwhile waits for it."""

    def load() -> None:
        for module in modules:
            importlib.import_module(module)

    threading.Thread(target=load, name="plotbot-loading", daemon=True).start()
