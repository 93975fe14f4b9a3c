"""A disk that is full, gone, or cannot lock: the harness's fault, status 3, and nothing is shown that is not there.

RLIMIT_FSIZE makes real writes fail as a full disk does, without a file system of its own.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.commands import main
from plotbot.mock import MockServer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as POSIX does")

Run = Callable[..., Any]

_LIMIT = "import resource\n    resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, resource.RLIM_INFINITY))"
_AT_THE_END = "import pathlib, shutil\ndef pytest_sessionfinish(session):\n    {}\n"
_AFTER_THREE = (
    "import pathlib, shutil\nSEEN = []\n"
    "def pytest_runtest_setup(item):\n    SEEN.append(1)\n    if len(SEEN) == 4:\n        break_it()\n"
    "def break_it():\n    {}\n"
)


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[[Path], Path]) -> Path:
    return make_project(tmp_path)


@pytest.fixture
def evals(project: Path, run_pytest: Run, start_mock: Callable[..., MockServer]) -> Run:
    """Run twelve cases one after the other, with this conftest for the evals."""
    server = start_mock()

    def run(conftest: str, *arguments: str) -> Any:
        (project / "evals" / "conftest.py").write_text(conftest, encoding="utf-8")
        given = ("--lm-studio-url", server.url, "--test-sample-size=12", "--max-in-flight=1", *arguments)
        result = run_pytest(project, "evals", *given)
        result.asked = server.stats().models["mock-model"].requests
        assert "INTERNALERROR" not in result.stdout
        return result

    return run


@pytest.mark.parametrize(
    ("breaks", "named"),
    [
        (_LIMIT.format(40_000), "reports/index.html: File too large"),
        (_LIMIT.format(70_000), "reports/index.html: File too large"),
        ("shutil.rmtree('reports'); pathlib.Path('reports').write_text('a file')", "reports/index.html: "),
        ("shutil.rmtree('data/runs'); pathlib.Path('data/runs').write_text('a file')", "summary.json: "),
    ],
    ids=["no room for any page", "room for the model's alone", "a file in its place", "no folder of runs"],
)
def test_reports_that_cannot_be_written_end_with_3_and_leave_no_page_of_an_earlier_run(
    evals: Run, project: Path, breaks: str, named: str
) -> None:
    assert evals("").returncode == 0
    (project / "reports" / "mine.html").write_text("the user's own", encoding="utf-8")
    earlier = {path.name: path.read_bytes() for path in (project / "reports").glob("*") if path.name != "mine.html"}
    assert sorted(earlier) == ["history.html", "index.html", "mock-model.html", "summary.md"]
    result = evals(_AT_THE_END.format(breaks))
    assert result.returncode == 3
    assert named in result.stdout
    assert "planned 12 = 12 passed" in result.stdout
    for path in (project / "reports").glob("*"):
        assert path.read_bytes() != earlier.get(path.name)
        assert path.name == "mine.html" or path.read_bytes().rstrip().endswith(b"</html>") or path.suffix == ".md"


def test_a_page_of_another_run_does_not_stay_beside_the_new_ones(
    evals: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evals("", "--model=mock-model")
    first = max((project / "data" / "runs").iterdir())
    stays, goes = project / "reports" / "mine.html", project / "reports" / "gone-model.html"
    stays.write_text("<html><head><title>mine</title>", encoding="utf-8")
    goes.write_bytes((project / "reports" / "mock-model.html").read_bytes())
    evals("", "-p", "no:html")
    assert sorted(path.name for path in (project / "reports").iterdir()) == [
        "history.html",
        "index.html",
        "mine.html",
        "summary.md",
    ]
    evals("")
    monkeypatch.chdir(project)
    assert main(["report", first.name]) == 0
    assert sorted(path.name for path in (project / "reports").iterdir()) == [
        "history.html",
        "index.html",
        "mine.html",
        "summary.md",
    ]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_journal_that_cannot_be_written_stops_the_asking(
    evals: Run, project: Path, run_file: Callable[[Path, str], Any], workers: str
) -> None:
    """The limit is the size of the plan, which is less than that of twelve exchanges."""
    assert evals("").returncode == 0
    (run,) = (project / "data" / "runs").iterdir()
    limit = (run / "plan.json").stat().st_size + 500
    shutil.rmtree(run)
    result = evals(
        f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))\n",
        "-n",
        workers,
    )
    assert result.returncode == 3
    assert "journal.jsonl: File too large" in result.stdout
    assert "so nothing more was asked" in result.stdout
    assert "eval_code" not in result.stdout
    # While workers start, a server that takes no time may have answered everything.
    assert result.asked < 2 * 12 or workers == "2"
    (line,) = [line for line in result.stdout.splitlines() if "planned 12 = " in line][:1]
    assert " 0 error" in line
    told = run_file(project, "summary.json")["total"]
    assert told["planned"] == 12 == told["passed"] + told["not_run"]
    assert f"{told['passed']} passed" in line
    again = evals("", "--resume")
    assert again.returncode == 0
    assert "planned 12 = 12 passed" in again.stdout


@pytest.mark.parametrize(
    ("breaks", "workers"),
    [
        # With a worker, so that the limit is not the journal's too.
        ("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))", "1"),
        ("import errno, fcntl\n    def no(*_): raise OSError(errno.ENOLCK, 'No locks')\n    fcntl.flock = no", "0"),
        ("import errno, fcntl\n    def no(*_): raise OSError(errno.ENOLCK, 'No locks')\n    fcntl.flock = no", "2"),
        ("shutil.rmtree('data/generated_data'); pathlib.Path('data/generated_data').write_text('a file')", "0"),
    ],
    ids=["full", "no locks", "no locks, workers", "a file in its place"],
)
def test_title_files_that_cannot_be_written_end_with_3_and_lose_nothing(evals: Run, breaks: str, workers: str) -> None:
    result = evals(_AFTER_THREE.format(breaks), "-n", workers)
    assert result.returncode == 3
    assert "planned 12 = 12 passed" in result.stdout
    assert "kept in the journal, not in its title file" in result.stdout


@pytest.mark.parametrize("error", ["ENOLCK", "EOPNOTSUPP"])
def test_a_file_system_without_locks_is_found_out_before_anything_is_asked(evals: Run, error: str) -> None:
    result = evals(
        f"import errno, fcntl, os\ndef refuse(*_):\n    raise OSError(errno.{error}, os.strerror(errno.{error}))\n"
        "fcntl.flock = refuse\n"
    )
    assert result.returncode == 4
    assert "files cannot be locked there" in result.stderr
    assert result.asked == 0
