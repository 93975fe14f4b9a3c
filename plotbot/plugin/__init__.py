"""plotbot's pytest plugin: the hooks that every process has. What they do is in the modules of this folder."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import nullcontext
from typing import Any

import pytest

from plotbot.errors import UsageProblem
from plotbot.plugin import collection, exceptions, failure_text, options, outcomes
from plotbot.plugin.fixtures import PROCESS, ItemFixtures, session_fixtures
from plotbot.run import garbage
from plotbot.run.process import Process
from plotbot.settings import Settings


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", collection.MARKER)
    config.add_cleanup(garbage.restorer())
    with garbage.loading():
        process = config.stash[PROCESS] = _begin_process(config)
    config.pluginmanager.register(session_fixtures(process), "plotbot-session-fixtures")
    config.pluginmanager.register(ItemFixtures(process, lists=not options.runs_items(config)), "plotbot-fixtures")


def pytest_unconfigure(config: pytest.Config) -> None:
    # A session that ended early has no process.
    if PROCESS in config.stash:
        config.stash[PROCESS].run.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give an eval its cases, from the main process's plan. A problem is reported when collection is over."""
    process = metafunc.config.stash[PROCESS]
    try:
        collection.parametrize(metafunc, process)
    except UsageProblem as problem:
        process.problem = problem
        collection.parametrize_with_nothing(metafunc)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    process = config.stash[PROCESS]
    if process.problem is not None:
        process.run.refuse(process.problem)
    items[:] = [item for item in items if not collection.is_empty(item)]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Tell the run what deselection has left to ask. A worker tells it before xdist learns of its items."""
    process = session.config.stash[PROCESS]
    # Here and not earlier: `--failed-first` reorders the items after every other plugin.
    session.items[:] = collection.in_order(session.items)
    if not collection.is_broken(session) and options.runs_items(session.config):
        try:
            collection.refuse_copies(session)
            if chosen := collection.planned(session.items):
                process.run.select(chosen)
                collection.share_equal_parts(session.items)
                garbage.exempt_what_exists()
        except UsageProblem as problem:
            process.run.refuse(problem)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    result = yield
    collection.let_go(item)
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.config.stash[PROCESS].current = collection.begin_item(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    is_failed_eval = call.excinfo is not None and collection.STATE in item.stash
    if is_failed_eval:
        exceptions.make_showable(call)
    try:
        with failure_text.without_traceback(call) if outcomes.has_own_view(item, call) else nullcontext():
            report = yield
    except SystemExit:
        if not is_failed_eval:
            raise
        report = failure_text.report_in_words(item, call)
    outcomes.complete(item, call, report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable(
    report: pytest.TestReport,
) -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
    data: dict[str, Any] | None = yield
    if data is None:
        return None
    failure_text.add_place(report, data)
    builtin: dict[str, Any] = outcomes.serializable(data)
    return builtin


@pytest.hookimpl(wrapper=True)
def pytest_report_from_serializable(data: dict[str, Any]) -> Generator[None, Any, Any]:
    place = failure_text.take_place(data)
    report = yield
    if place is not None and report is not None:
        report.longrepr = failure_text.FailureText(report.longrepr, place)
    return report


def _begin_process(config: pytest.Config) -> Process:
    """Begin the main process or a worker. Each imports only what it needs, so that workers start fast."""
    given: Mapping[str, Any] | None = getattr(config, "workerinput", {}).get("plotbot")
    if given is None:
        from plotbot.plugin.main_process import begin_main_process  # noqa: PLC0415  see above

        return begin_main_process(config)
    from plotbot.plugin.xdist import WorkerHooks  # noqa: PLC0415  see above
    from plotbot.run.worker_rpc import RpcClient  # noqa: PLC0415  see above

    config.pluginmanager.register(WorkerHooks(config), "plotbot-worker")
    settings = Settings.from_json(given["settings"])
    return Process(settings, given["run"], RpcClient(given["rpc"]), given["keeps"], frozenset(given["folded"]))
