"""What becomes of the item of a worker that dies, by what xdist's scheduler can do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from xdist import newhooks
from xdist.scheduler import LoadScopeScheduling

from plotbot.plugin.main_process import MainHooks
from plotbot.plugin.outcomes import result_on
from plotbot.plugin.xdist import CrashHooks, is_stop, stop_session

ITEM = "evals/test_a.py::test_a[x]"


class Takes:
    def __init__(self) -> None:
        self.pending: list[str] = []

    def mark_test_pending(self, item: str) -> None:
        self.pending.append(item)


class Refuses:
    def mark_test_pending(self, item: str) -> None:
        raise NotImplementedError


def crashed(item: str = ITEM) -> pytest.TestReport:
    phase: Any = "???"
    return pytest.TestReport(item, ("", 0, ""), {}, "failed", "worker 'gw0' crashed", phase)


@pytest.fixture
def hooks() -> CrashHooks:
    run: Any = SimpleNamespace(recorder=SimpleNamespace(case_of={ITEM: "case"}.get))
    return CrashHooks(run)


def test_the_item_is_given_to_another_worker_once_and_is_an_error_the_second_time(hooks: CrashHooks) -> None:
    scheduler, first, second = Takes(), crashed(), crashed()
    hooks.pytest_handlecrashitem(ITEM, first, scheduler)
    assert scheduler.pending == [ITEM]
    assert hooks.pytest_report_teststatus(first) == ("requeued", "R", "REQUEUED")
    # Until the other worker reports it, which may never happen.
    assert getattr(result_on(first), "outcome", None) == "error"
    hooks.pytest_handlecrashitem(ITEM, second, scheduler)
    assert scheduler.pending == [ITEM]
    assert hooks.pytest_report_teststatus(second) is None
    # pytest itself would count it among the failed assertions.
    assert MainHooks.pytest_report_teststatus(cast("Any", None), second) == ("error", "E", "ERROR")
    result = result_on(second)
    assert result is not None
    assert (result.case, result.outcome, result.category) == ("case", "error", "eval_code")
    assert result.message == "worker 'gw0' crashed"


def test_what_the_worker_had_left_goes_before_later_items_again(hooks: CrashHooks) -> None:
    class Loads:
        pending = [7, 8, 9, 2, 3]  # noqa: RUF012  of one test

        def mark_test_pending(self, _: str) -> None:
            self.pending.insert(0, 1)

    scheduler = Loads()
    hooks.pytest_handlecrashitem(ITEM, crashed(), scheduler)
    assert scheduler.pending == [1, 2, 3, 7, 8, 9]


def test_an_item_that_another_plugin_runs_again_is_not_given_out_twice(hooks: CrashHooks) -> None:
    scheduler, report = Takes(), crashed()
    plugins = pytest.PytestPluginManager()
    plugins.add_hookspecs(newhooks)

    class Reruns:
        def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport, sched: Takes) -> None:
            sched.mark_test_pending(crashitem)
            report.outcome = "rerun"  # type: ignore[assignment]

    plugins.register(Reruns())
    # The last plugin to come is asked first, unless it asks to be the last.
    plugins.register(hooks)
    plugins.hook.pytest_handlecrashitem(crashitem=ITEM, report=report, sched=scheduler)
    assert (scheduler.pending, str(report.outcome)) == ([ITEM], "rerun")


def test_a_scheduler_that_takes_nothing_back_makes_it_an_error_at_once(hooks: CrashHooks) -> None:
    report = crashed()
    hooks.pytest_handlecrashitem(ITEM, report, Refuses())
    assert (report.outcome, hooks.pytest_report_teststatus(report)) == ("failed", None)
    assert result_on(report) is not None


def test_a_scheduler_that_gives_it_out_by_itself_is_not_asked_to(hooks: CrashHooks) -> None:
    class GivesOut(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types here
        def __init__(self) -> None:
            """Without xdist's controller."""

    reports = [crashed(), crashed()]
    for report in reports:
        hooks.pytest_handlecrashitem(ITEM, report, GivesOut())
    assert [hooks.pytest_report_teststatus(report) for report in reports] == [("requeued", "R", "REQUEUED")] * 2


def test_a_test_that_is_no_eval_is_left_to_xdist(hooks: CrashHooks) -> None:
    scheduler, report = Takes(), crashed("tests/test_b.py::test_b")
    hooks.pytest_handlecrashitem("tests/test_b.py::test_b", report, scheduler)
    assert (scheduler.pending, report.outcome, result_on(report)) == ([], "failed", None)


@pytest.mark.parametrize("with_workers", [True, False])
def test_a_session_is_stopped_by_the_one_that_loops(with_workers: bool) -> None:
    controller = SimpleNamespace(shouldstop=False) if with_workers else None
    plugins = SimpleNamespace(get_plugin={"dsession": controller}.get)
    session: Any = SimpleNamespace(shouldstop=False, config=SimpleNamespace(pluginmanager=plugins))
    stop_session(session, "no host answers")
    assert (controller or session).shouldstop == "no host answers"
    assert session.shouldstop is (False if with_workers else session.shouldstop)


def test_a_person_s_interrupt_is_no_stop_of_xdist() -> None:
    class Interrupted(KeyboardInterrupt):
        """As xdist has one."""

    assert is_stop(Interrupted("stopping after 1 failures"))
    assert not is_stop(KeyboardInterrupt("stopping after 1 failures"))
