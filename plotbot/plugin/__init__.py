"""plotbot's pytest plugin: the hooks that every process has. What they do stands in the modules beside this one."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import pytest

from plotbot.errors import UsageProblem
from plotbot.plugin import garbage, options, reports
from plotbot.plugin import outcomes as evals
from plotbot.plugin.fixtures import Fixtures, results_plugin
from plotbot.plugin.process import Process, begin_process, end_process, process_of
from plotbot.settings import Settings


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    garbage.give_back_at_the_end(config)
    with garbage.loading():
        _begin(config)
    process = process_of(config)
    config.pluginmanager.register(Fixtures(process), "plotbot-fixtures")
    config.pluginmanager.register(results_plugin(process), "plotbot-results")


def pytest_unconfigure(config: pytest.Config) -> None:
    end_process(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """An eval's cases, from the main process's plan. What is wrong with it is said when collection is over."""
    process = process_of(metafunc.config)
    try:
        evals.parametrize(metafunc, process)
    except UsageProblem as problem:
        process.problem = problem
        evals.parametrize_with_nothing(metafunc)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    process = process_of(config)
    if process.problem is not None:
        process.run.refuse(process.problem)
    items[:] = evals.in_order([item for item in items if not evals.is_empty(item)])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """What is left after deselection is what the run will ask. A worker tells it before xdist learns of its items."""
    process = process_of(session.config)
    chosen = evals.planned(session.items)
    if chosen and not session.config.option.collectonly:
        try:
            process.run.select(chosen)
        except UsageProblem as problem:
            process.run.refuse(problem)
        garbage.spare_what_is_there()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    process_of(item.config).current = evals.begin(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    result = evals.result_of(item, call, report)
    if result is not None:
        reports.attach(report, result)
        if item.config.getoption("xmlpath", default=None):
            evals.add_junit_properties(item, result)
        words = None if item.config.option.tbstyle != "auto" else evals.words_of(item)
        reports.tidy(report, call, result, words)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
    data = yield
    return None if data is None else reports.harmless(data)


def _begin(config: pytest.Config) -> None:
    """Each kind of process imports what it needs: four workers that load what only the main one uses start late."""
    given: Mapping[str, Any] | None = getattr(config, "workerinput", {}).get("plotbot")
    if given is None:
        from plotbot.plugin.main_process import begin_main  # noqa: PLC0415  see above

        begin_main(config)
    else:
        from plotbot.run.worker_rpc import RpcClient  # noqa: PLC0415  see above

        settings = Settings.from_json(given["settings"])
        run, folded = RpcClient(given["line"]), frozenset(given["folded"])
        begin_process(config, Process(settings, given["run"], run, given["keeps"], folded))
