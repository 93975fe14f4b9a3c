"""Exit status and accounting of a session that holds more than evals: other tests, plugins, subtests, crashes."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.mock import MockServer, Rule

pytest_plugins = ("pytester",)

Evals = Callable[..., pytest.RunResult]
Mock = Callable[..., MockServer]
WORKERS = pytest.mark.parametrize("workers", ["0", "2"])

EVAL = "def test_own(reply, judge):\n    assert judge().ok\n"
BAD = Rule(nth=(2,), reply="no JSON at all")


def _boxes(result: pytest.RunResult) -> dict[str, int]:
    """The numbers of the accounting line, after it has been checked that they add up."""
    (line,) = [line for line in result.outlines if "planned " in line and " = " in line][:1]
    counts = {name: int(number) for number, name in re.findall(r"(\d+) (passed|failed|error|skipped|not run)", line)}
    planned = re.search(r"planned (\d+)", line)
    assert planned is not None
    assert int(planned[1]) == sum(counts.values())
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize(
    ("other", "options"),
    [
        ("def test_plain():\n    assert False\n", ()),
        ("import pytest\n@pytest.fixture\ndef broken():\n    assert False\ndef test_plain(broken):\n    pass\n", ()),
        ("import gone_for_good\n", ("--continue-on-collection-errors",)),
    ],
    ids=["a failed test", "an error in set-up", "a file that does not import"],
)
@WORKERS
def test_what_fails_beside_good_evals_is_seen(
    evals: Evals, write_eval: Callable[..., None], start_mock: Mock, project: Path, workers: str, other: str,
    options: tuple[str, ...], run_file: Callable[[Path, str], Any],
) -> None:  # fmt: skip
    write_eval(EVAL)
    (project / "evals" / "test_other.py").write_text(other, encoding="utf-8")
    result = evals(start_mock(), "-n", workers, *options)
    assert result.ret == 1
    assert _boxes(result) == {"passed": 4}
    assert run_file(project, "summary.json")["exit_status"] == 1


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("def pytest_runtestloop(session):\n    yield\n    session.testsfailed += 1\n", 1),
        ("def pytest_sessionfinish(session):\n    session.exitstatus = 1\n    yield\n", 1),
        ("def pytest_sessionfinish(session):\n    yield\n    session.exitstatus = 11\n", 11),
        ("def pytest_terminal_summary():\n    SESSION[0].exitstatus = 1\n    yield\n", 1),
        ("def pytest_terminal_summary():\n    yield\n", 0),
    ],
    ids=["coverage below its limit", "at the end", "after the end", "in the summary", "none"],
)
def test_no_plugins_status_is_lost_where_a_gate_holds(
    evals: Evals, write_eval: Callable[..., None], start_mock: Mock, project: Path, code: str, status: int
) -> None:
    """Two of the evals' cases fail, so that pytest's own status is 1 before any plugin has said anything."""
    write_eval(EVAL)
    (project / "evals" / "conftest.py").write_text(
        "import pytest\nSESSION = []\ndef pytest_collection(session):\n    SESSION.append(session)\n"
        f"@pytest.hookimpl(wrapper=True)\n{code}",
        encoding="utf-8",
    )
    assert evals(start_mock(rules=(BAD,)), "--min-pass-rate=0.5").ret == status


EXIT = """
import time
from pathlib import Path

import pytest

def on_disk():
    # A run of which no answer is on disk yet leaves nothing there.
    end = time.monotonic() + 60
    while not list(Path("data/runs").glob("*/journal.jsonl")) and time.monotonic() < end:
        time.sleep(0.01)
    return "t03"

def {function}:
    if "t03" in {name}:
        pytest.exit("enough", returncode=7)
"""
EXITS = {
    "an eval": ("test_own.py", "test_own(reply, request)", "request.node.name"),
    "a hook": ("conftest.py", "pytest_runtest_setup(item)", "item.name"),
    "another test": ("test_other.py", "test_plain()", "on_disk()"),
    "the last hook": ("conftest.py", "pytest_sessionfinish()", "'t03'"),
}


@pytest.mark.parametrize("where", EXITS)
@WORKERS
def test_an_exit_with_a_status_of_ones_own_keeps_it_and_the_accounting(
    evals: Evals, write_eval: Callable[..., None], start_mock: Mock, project: Path, workers: str, where: str,
    run_file: Callable[[Path, str], Any],
) -> None:  # fmt: skip
    file, function, name = EXITS[where]
    write_eval(EVAL)
    (project / "evals" / file).write_text(EXIT.format(function=function, name=name), encoding="utf-8")
    result = evals(start_mock(), "-n", workers, "--test-sample-size=12")
    assert result.ret == 7
    assert set(_boxes(result)) <= ({"passed"} if where == "the last hook" else {"passed", "not run"})
    summary = run_file(project, "summary.json")
    assert (summary["exit_status"], summary["total"]["planned"]) == (7, 12)
    said = result.stdout.str() + result.stderr.str()
    assert "Exit: enough" in said
    assert "INTERNALERROR" not in said


def test_an_interrupt_in_an_evals_own_code_in_a_worker_ends_the_run_as_ctrl_c_does(
    evals: Evals, write_eval: Callable[..., None], start_mock: Mock
) -> None:
    write_eval("def test_own(reply, title):\n    if title.id == 't03':\n        raise KeyboardInterrupt\n")
    result = evals(start_mock(), "-n", "2", "--test-sample-size=12")
    assert result.ret == 2
    assert set(_boxes(result)) == {"passed", "not run"}
    assert "KeyboardInterrupt" in result.stdout.str()


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest has subtests since version 9")
@WORKERS
def test_a_failed_subtest_is_a_failure_and_keeps_nothing(
    evals: Evals, write_eval: Callable[..., None], start_mock: Mock, project: Path, workers: str,
    verdicts: Callable[[], list[dict[str, Any]]],
) -> None:  # fmt: skip
    write_eval(
        "def test_own(reply, judge, title, subtests, results):\n"
        "    with subtests.test('words'):\n        assert title.id != 't03', 'too many words'\n"
        "    with subtests.test('form'):\n        assert judge().ok\n"
        "    results.keep()\n"
    )
    result = evals(start_mock(), "-n", workers, "--test-sample-size=12")
    assert (result.ret, _boxes(result)) == (1, {"passed": 11, "failed": 1})
    (failed,) = [verdict for verdict in verdicts() if verdict["outcome"] != "passed"]
    assert (failed["category"], failed["kept"]) == ("assertion", False)
    assert "too many words" in failed["message"]
    assert len(verdicts()) == 12
    assert len(list((project / "data" / "generated_data").glob("*.json"))) == 11


def test_what_a_plugin_shows_as_failed_is_counted_so(
    evals: Evals, write_eval: Callable[..., None], start_mock: Mock, project: Path
) -> None:
    write_eval(EVAL)
    (project / "evals" / "conftest.py").write_text(
        "def pytest_report_teststatus(report):\n"
        "    if report.when == 'call' and 't03' in report.nodeid:\n        return 'failed', 'F', 'TOO SLOW'\n",
        encoding="utf-8",
    )
    result = evals(start_mock(), "--test-sample-size=12")
    assert (result.ret, _boxes(result)) == (1, {"passed": 11, "failed": 1})


def test_a_try_that_is_repeated_is_no_verdict(
    evals: Evals,
    write_eval: Callable[..., None],
    start_mock: Mock,
    project: Path,
    verdicts: Callable[[], list[dict[str, Any]]],
) -> None:
    write_eval(
        "TRIED = set()\n"
        "def test_own(reply, title):\n    again = title.id in TRIED\n    TRIED.add(title.id)\n    assert again\n"
    )
    # As pytest-rerunfailures does it.
    (project / "evals" / "conftest.py").write_text(
        "from _pytest.runner import runtestprotocol\n"
        "def pytest_runtest_protocol(item, nextitem):\n"
        "    for last in (False, True):\n"
        "        for report in runtestprotocol(item, nextitem=nextitem, log=False):\n"
        "            if report.failed and not last:\n                report.outcome = 'rerun'\n"
        "            item.ihook.pytest_runtest_logreport(report=report)\n"
        "    return True\n"
        "def pytest_report_teststatus(report):\n"
        "    return ('rerun', 'R', 'RERUN') if report.outcome == 'rerun' else None\n",
        encoding="utf-8",
    )
    given = ("--gate=sequential", "--min-pass-rate=0.4", "--gate-every=4", "--test-sample-size=12")
    result = evals(start_mock(), *given)
    assert result.ret == 0
    assert {verdict["outcome"] for verdict in verdicts()} <= {"passed", "not_needed"}
    result.stdout.fnmatch_lines(["*gate: PASS*"])


@pytest.mark.parametrize("dist", ["load", "loadfile", "loadscope"])
def test_a_crashed_workers_case_is_counted_once_whoever_gives_it_out_again(
    evals: Evals, write_eval: Callable[..., None], start_mock: Mock, project: Path, dist: str
) -> None:
    write_eval(
        "import os, pathlib\n"
        "def test_own(reply, judge, title):\n"
        "    crashed = pathlib.Path(__file__).with_name('crashed')\n"
        "    if title.id == 't03' and not crashed.exists():\n"
        "        crashed.write_text('')\n        os._exit(9)\n"
        "    assert judge().ok\n"
    )
    result = evals(start_mock(), "-n", "2", "--dist", dist, "--test-sample-size=12")
    assert (result.ret, _boxes(result)) == (0, {"passed": 12})
    result.stdout.fnmatch_lines(["*12 passed, 1 requeued*"])


def test_a_case_that_kills_every_worker_is_an_error(
    evals: Evals, write_eval: Callable[..., None], start_mock: Mock
) -> None:
    write_eval("import os\ndef test_own(reply, title):\n    if title.id == 't03':\n        os._exit(9)\n")
    result = evals(start_mock(), "-n", "2", "--dist", "loadfile", "--test-sample-size=12", "--max-worker-restart=1")
    assert result.ret == 10
    assert _boxes(result)["error"] == 1


@pytest.mark.parametrize("marker", ["", "import pytest\n@pytest.mark.forked\n"])
def test_evals_in_copies_of_the_process_are_refused(
    evals: Evals, write_eval: Callable[..., None], start_mock: Mock, project: Path, marker: str
) -> None:
    (project / "pytest_forked.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--forked', action='store_true')\n"
        "def pytest_configure(config):\n    config.addinivalue_line('markers', 'forked: in a process of its own')\n",
        encoding="utf-8",
    )
    write_eval(f"{marker}def test_own(reply):\n    assert reply.content\n")
    server = start_mock()
    result = evals(server, "-p", "pytest_forked", *([] if marker else ["--forked"]))
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*pytest-forked (--forked, or the marker `forked`) runs each test in a copy*"])
    assert server.stats().models["mock-model"].requests == 0


def test_an_evals_exception_is_an_error_in_a_junit_file(
    evals: Evals, write_eval: Callable[..., None], start_mock: Mock, project: Path
) -> None:
    write_eval(
        "def test_own(reply, title, judge):\n    assert judge().ok\n    if title.id == 't03':\n        {}['gone']\n"
    )
    evals(start_mock(rules=(BAD,)), "--test-sample-size=12", "--junitxml=junit.xml")
    (suite,) = ET.parse(project / "junit.xml").getroot().iter("testsuite")
    assert (suite.get("errors"), suite.get("failures"), suite.get("tests")) == ("1", "1", "12")
    (case,) = [case for case in suite.iter("testcase") if case.find("error") is not None]
    assert "t03" in str(case.get("name"))


@pytest.mark.parametrize(
    "options",
    [("--fixtures",), ("--fixtures-per-test",), ("--setup-plan",), ("--setup-only",), ("--setup-only", "-n2")],
)
def test_what_runs_no_test_asks_nothing_and_leaves_no_run(
    evals: Evals, start_mock: Mock, project: Path, options: tuple[str, ...]
) -> None:
    server = start_mock()
    result = evals(server, *options)
    assert result.ret in {0, 5}
    assert [request for request in server.requests if request.method == "POST"] == []
    assert not (project / "data" / "runs").exists()


@WORKERS
def test_where_a_file_cannot_be_collected_nothing_is_asked(
    evals: Evals, start_mock: Mock, project: Path, workers: str
) -> None:
    (project / "evals" / "test_other.py").write_text("import gone_for_good\n", encoding="utf-8")
    server = start_mock()
    assert evals(server, "-n", workers).ret == 2
    assert [request for request in server.requests if request.method == "POST"] == []
    assert not (project / "data" / "runs").exists()


@pytest.mark.parametrize("blocked", ["terminal", "capture", "junitxml", "logging", "subtests"])
def test_it_runs_without_a_plugin_of_pytests_own(
    start_mock: Mock, project: Path, run_pytest: Callable[..., Any], run_file: Callable[[Path, str], Any], blocked: str
) -> None:
    server = start_mock(rules=(Rule(fault="F05", nth=(2,)),))
    arguments = ("evals", "-p", f"no:{blocked}", "--lm-studio-url", server.url, "--test-sample-size=4")
    assert run_pytest(project, *arguments).returncode == 1
    total = run_file(project, "summary.json")["total"]
    assert (total["passed"], total["failed"]) == (3, 1)
