"""What plotbot uses of pytest, xdist and pytest-html without their promise, and what breaks when a version lacks it.

A failure here, under a new version of one of them, says which module to mend before a user's run does.
"""

from __future__ import annotations

import ast
import inspect
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_html.hooks
from _pytest._io import TerminalWriter
from _pytest.junitxml import LogXML
from pytest_html.basereport import BaseReport
from pytest_html.report_data import ReportData
from pytest_html.selfcontained_report import SelfContainedReport
from pytest_html.util import _process_css, _read_template
from xdist.dsession import DSession, Interrupted
from xdist.remote import WorkerInteractor
from xdist.scheduler import EachScheduling, LoadScheduling, LoadScopeScheduling, WorkStealingScheduling

PLUGIN = Path(__file__).parents[2] / "plotbot" / "plugin"
RESOURCES = Path(pytest_html.hooks.__file__).parent / "resources"
Request = pytest.FixtureRequest


def _writes_to_the_file_of_the_moment(_request: Request) -> bool:
    terminal: Any = TerminalWriter(io.StringIO())
    terminal._file = other = io.StringIO()
    terminal.write("text")
    return other.getvalue() == "text" and terminal.width_of_current_line == len("text")


def _prints_from_its_lists(_request: Request) -> bool:
    source = inspect.getsource(pytest.TerminalReporter)
    order = ["self.summary_failures()", "return (yield)", "self.short_test_summary()"]
    places = [source.find(step, source.find("def pytest_terminal_summary")) for step in order]
    reads = ("self.stats.get(name, ())", "self.stats.get(stat, [])", 'self.stats["error"]', 'self.getreports("")')
    return all(read in source for read in reads) and 0 < places[0] < places[1] < places[2]


def _can_suspend_capture(request: Request) -> bool:
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    return hasattr(capture, "global_and_fixture_disabled") and hasattr(capture, "suspend_global_capture")


def _remembers_failures(request: Request) -> bool:
    return isinstance(getattr(request.config.pluginmanager.get_plugin("lfplugin"), "lastfailed", None), dict)


def _puts_what_is_left_at_the_end_of_pending(_request: Request) -> bool:
    source = inspect.getsource(LoadScheduling)
    return "self.pending.extend(pending)" in source and "self.pending: list[int]" in source


def _keeps_nodes_and_counts(_request: Request) -> bool:
    xml = LogXML("junit.xml", None)
    xml.node_reporter("test_a.py::test_a")._add_simple("failure", "text")
    (node,) = xml.node_reporter("test_a.py::test_a").nodes
    return node.tag == "failure" and xml.stats["failure"] == 1


def _logs_right_after_the_hook(_request: Request) -> bool:
    text = inspect.getsource(DSession.handle_crashitem)
    return 0 < text.find("hook.pytest_handlecrashitem") < text.find("hook.pytest_runtest_logreport")


def _sends_the_output_last(_request: Request) -> bool:
    sends = inspect.getsource(WorkerInteractor.pytest_sessionfinish)
    reads = inspect.getsource(DSession.worker_workerfinished)
    order = [sends.find(step) for step in ('workeroutput["shouldstop"] =', "yield", '"workerfinished"')]
    order += [reads.find(step) for step in ("pytest_testnodedown", '["exitstatus"] == 2', '["shouldstop"]')]
    return 0 < order[0] < order[1] < order[2] and 0 < order[3] < order[4] < order[5]


def _takes_back_or_refuses(_request: Request) -> bool:
    takes = [inspect.getsource(kind.mark_test_pending) for kind in (LoadScheduling, WorkStealingScheduling)]
    refuses = [inspect.getsource(kind.mark_test_pending) for kind in (EachScheduling, LoadScopeScheduling)]
    return all("self.pending.insert" in one for one in takes) and all("NotImplementedError" in one for one in refuses)


def _is_made_of_five_parts(_request: Request) -> bool:
    parameters = list(inspect.signature(SelfContainedReport.__init__).parameters)
    return parameters == ["self", "report_path", "config", "report_data", "template", "css"]


def _fills_and_writes_in_two_steps(_request: Request) -> bool:
    steps = hasattr(SelfContainedReport, "_generate_report") and hasattr(SelfContainedReport, "_write_report")
    return steps and "self._report = report_data" in inspect.getsource(BaseReport.__init__)


def _has_what_a_page_is_filled_with(_request: Request) -> bool:
    names = {"outcomes", "data", "table_header", "additional_summary", "title", "running_state", "set_data"}
    return names <= set(dir(ReportData))


SEAMS: dict[str, tuple[str, Callable[[Request], bool]]] = {
    "pytest: an item knows its parameters as `callspec.params`": (
        "collection.py finds no case of an item, so no eval is asked.",
        lambda request: "seam" in request.node.callspec.params,
    ),
    "pytest: a callspec has `indices`, `marks` and `_arg2scope`, and `tmpdir` the key of an item's phases": (
        "collection.py has items share less: a run of 100,000 cases takes some 80 MB more.",
        lambda request: (
            {"indices", "marks", "_arg2scope"} <= vars(request.node.callspec).keys()
            and hasattr(request.config.pluginmanager.get_plugin("tmpdir"), "tmppath_result_key")
        ),
    ),
    "pytest: the terminal writer writes to `_file` and knows `width_of_current_line`": (
        "terminal.py cannot keep the progress line below pytest's own.",
        _writes_to_the_file_of_the_moment,
    ),
    "pytest: the end of the terminal is made of the lists of reports in `stats`, phases under an empty name": (
        "failure_summary.py cannot shorten the list of failures, or pytest keeps two reports too many for each case.",
        _prints_from_its_lists,
    ),
    "pytest: a report of a failed call takes what is no `ExceptionInfo` as it is": (
        "failure_text.py makes every failure cost a traceback, or shows none where one is wanted.",
        lambda _request: "longrepr = excinfo" in inspect.getsource(pytest.TestReport.from_item_and_call),
    ),
    "pytest: the plugin `capturemanager` can be suspended": (
        "terminal.py cannot ask a person: pytest's capture takes the question and the answer.",
        _can_suspend_capture,
    ),
    "pytest: the JUnit plugin counts in `stats` and keeps a case's `nodes` in its `node_reporter`": (
        "main_process.py leaves an eval's exception a failure in JUnit files.",
        _keeps_nodes_and_counts,
    ),
    "pytest: the plugin `lfplugin` keeps the names of the last failures in `lastfailed`": (
        "collection.py finds no failure that is remembered under a former name, so that --lf runs everything.",
        _remembers_failures,
    ),
    "xdist: the plugin `dsession` stops when its `shouldstop` is set": (
        "xdist.py cannot stop a run with workers when no host answers any more.",
        lambda _request: "if self.shouldstop:" in inspect.getsource(DSession.pytest_runtestloop),
    ),
    "xdist: the plugin `dsession` has `triggershutdown()`": (
        "xdist.py makes a refused run wait ten seconds for its workers.",
        lambda _request: list(inspect.signature(DSession.triggershutdown).parameters) == ["self"],
    ),
    "xdist: a stop is a KeyboardInterrupt of its own kind": (
        "xdist.py takes --maxfail with workers for a person's interrupt: status 2 instead of 1.",
        lambda _request: issubclass(Interrupted, KeyboardInterrupt) and Interrupted is not KeyboardInterrupt,
    ),
    "xdist: a worker's output says how its session ended, and is sent after all other plugins have seen the end": (
        "xdist.py ends the whole session with an internal error where an eval calls pytest.exit() in a worker.",
        _sends_the_output_last,
    ),
    "xdist: a crashed item's report is logged right after `pytest_handlecrashitem`": (
        "xdist.py's result of an item whose worker died does not reach the journal: the case counts as not run.",
        _logs_right_after_the_hook,
    ),
    "xdist: a scheduler takes an item back or raises NotImplementedError": (
        "xdist.py ends the whole session when a worker crashes under --dist loadscope or each.",
        _takes_back_or_refuses,
    ),
    "xdist: a crashed worker's items go to the end of the list `pending`, of indices": (
        "xdist.py leaves the items that a sequential gate waits for behind all others: the run asks every title.",
        _puts_what_is_left_at_the_end_of_pending,
    ),
    "pytest-html: a report is made of path, config, data, template and CSS": (
        "pytest_html.py cannot make a model's page.",
        _is_made_of_five_parts,
    ),
    "pytest-html: a report keeps its data in `_report`, and is made and written in two steps": (
        "pytest_html.py cannot fill a page, or cannot add the policy that keeps foreign script out.",
        _fills_and_writes_in_two_steps,
    ),
    "pytest-html: `ReportData` holds outcomes, rows, columns and summary": (
        "pytest_html.py cannot put rows, columns or the lines above them into a page.",
        _has_what_a_page_is_filled_with,
    ),
    "pytest-html: style sheet and template are in its `resources` folder": (
        "pytest_html.py makes pages without a layout.",
        lambda _request: bool(_process_css(RESOURCES / "style.css", [])) and _read_template([RESOURCES]) is not None,
    ),
}


@pytest.mark.parametrize("seam", SEAMS)
def test_a_seam_is_as_it_is_used(request: Request, seam: str) -> None:
    breaks, holds = SEAMS[seam]
    assert holds(request), f"{seam}: no longer. {breaks}"


def test_only_one_file_of_the_plugin_touches_each_of_them() -> None:
    owners = {"xdist": {"xdist.py"}, "pytest_html": {"pytest_html.py"}, "_pytest": set()}
    for path in PLUGIN.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert path.name in owners.get(name.partition(".")[0], {path.name}), f"{path.name} imports {name}"
