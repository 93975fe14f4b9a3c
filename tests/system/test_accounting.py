"""planned = passed + failed + error + skipped + not run + not needed: the same figures wherever a run shows them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from plotbot import testing
from plotbot.commands import main
from plotbot.mock import MockServer, Rule

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and process groups")

TITLES, PATIENCE = 60, 60.0
BOXES = ("planned", "passed", "failed", "error", "skipped", "not_run", "not_needed")
LINE = re.compile(
    r"planned (\d+) = (\d+) passed \+ (\d+) failed \+ (\d+) error \+ (\d+) skipped \+ (\d+) not run"
    r"(?: \+ (\d+) not needed)?"
)
PAGE_INDEX = re.compile(r'<script type="application/json" id="index">(.*?)</script>', re.DOTALL)
GATE = (
    "--gate=sequential",
    "--min-pass-rate=0.7",
    "--gate-every=10",
    "--sample-seed=1",
    f"--test-sample-size={TITLES}",
)
# One title in ten fails, at once; a pass takes its time, so that a signal finds the run under way.
FAILING, SLOW = Rule(headline="Headline \\d\\d0", reply="no"), Rule(latency=0.05)
ERROR = Rule(nth=(7,), status=400, body='{"error": "no"}')
CRASHES = """
import os
from pathlib import Path


def test_story_seed(reply, judge, results, title):
    crashed = Path("crashed")
    if title.id.endswith("5") and not crashed.exists():
        crashed.touch()
        os._exit(9)
    assert judge(reply).ok
    results.keep()
"""

Counts = tuple[int, ...]


def _start(project: Path, server: MockServer, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pytest", "evals", f"--lm-studio-url={server.url}", "--confirm=skip"]
    return subprocess.Popen(
        [*command, "--junitxml=junit.xml", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _stopped(process: subprocess.Popen[str], server: MockServer, number: signal.Signals | None) -> str:
    """What the run printed; it gets the signal once it has asked 15 times."""
    give_up = time.monotonic() + PATIENCE
    while number is not None and sum(one.path.endswith("completions") for one in server.requests) < 15:
        assert time.monotonic() < give_up
        assert process.poll() is None
        time.sleep(0.01)
    if number is not None:
        os.killpg(process.pid, number)
    return process.communicate(timeout=PATIENCE)[0]


def _told(text: str) -> Counts:
    """The last accounting line of a text."""
    return tuple(int(one or 0) for one in LINE.findall(" ".join(text.split()))[-1])


def _everywhere(project: Path, output: str | None, capsys: pytest.CaptureFixture[str]) -> Counts:
    """The figures of the run, which are the same in each place. *output* is None for a run that was killed."""
    if output is None:
        assert main(["report", "last"]) == 0
    counts, run = _counts(project), max((project / "data" / "runs").iterdir())
    assert counts[0] == sum(counts[1:]) == TITLES
    assert output is None or _told(output) == counts
    assert _told((project / "reports" / "summary.md").read_text(encoding="utf-8")) == counts
    index = PAGE_INDEX.search((project / "reports" / "index.html").read_text(encoding="utf-8"))
    assert index is not None
    assert _told(index[1]) == counts
    capsys.readouterr()
    assert main(["verify"]) == 0
    assert _told(capsys.readouterr().out) == counts
    assert main(["runs"]) == 0
    (line,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(run.name)]
    assert tuple(map(int, line[2 : 8 + (counts[-1] > 0)])) == (counts if counts[-1] else counts[:-1])
    if output is not None:
        _agrees(project / "junit.xml", dict(zip(BOXES, counts, strict=True)))
    return counts


def _agrees(junit: Path, total: dict[str, int]) -> None:
    # A crashed worker's item is there twice.
    cases = {(case.get("classname"), case.get("name")): case for case in ET.parse(junit).getroot().iter("testcase")}
    found = [
        next((one.tag for one in case if one.tag in {"failure", "error", "skipped"}), "") for case in cases.values()
    ]
    assert found.count("failure") == total["failed"]
    assert found.count("error") == total["error"]
    skipped = total["skipped"] + total["not_needed"]
    # With workers, tests beyond the stop may be over before the last one of its look is.
    assert skipped - 3 <= found.count("skipped") <= skipped


def _project(folder: Path) -> Path:
    titles = {f"t{one:03}": f"Headline {one:03}: a goose is elected" for one in range(TITLES)}
    return testing.make_project(folder, titles=titles)


def _counts(project: Path) -> Counts:
    run = max((project / "data" / "runs").iterdir())
    total = json.loads((run / "summary.json").read_bytes())["total"]
    return tuple(total.get(box, 0) for box in BOXES)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, start_mock: Callable[..., MockServer]) -> Counts:
    """The figures of a run that nothing disturbs."""
    project = _project(tmp_path_factory.mktemp("undisturbed"))
    _start(project, start_mock(rules=(FAILING,)), *GATE).communicate(timeout=PATIENCE)
    return _counts(project)


@pytest.mark.parametrize(
    ("rule", "options", "number"),
    [
        pytest.param(ERROR, (), None, id="an error before the decision"),
        pytest.param(SLOW, ("-x",), None, id="-x"),
        pytest.param(SLOW, (), signal.SIGINT, id="Ctrl-C"),
        pytest.param(SLOW, ("-n2",), signal.SIGINT, id="Ctrl-C with workers"),
        pytest.param(SLOW, (), signal.SIGKILL, id="a kill"),
        pytest.param(SLOW, ("-n2",), None, id="the crash of a worker"),
    ],
)
def test_the_figures_of_a_run_agree_and_resume_takes_it_to_the_decision_of_an_undisturbed_one(
    tmp_path: Path,
    start_mock: Callable[..., MockServer],
    *,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    undisturbed: Counts,
    rule: Rule,
    options: tuple[str, ...],
    number: signal.Signals | None,
) -> None:
    _project(tmp_path)
    if "crash" in request.node.callspec.id:
        (tmp_path / "evals" / "test_story_seeds.py").write_text(CRASHES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    server = start_mock(rules=(FAILING, rule))
    output = _stopped(_start(tmp_path, server, *GATE, *options), server, number)
    _everywhere(tmp_path, None if number is signal.SIGKILL else output, capsys)
    server = start_mock(rules=(FAILING,))
    resumed = _everywhere(tmp_path, _stopped(_start(tmp_path, server, "--resume"), server, None), capsys)
    assert resumed == undisturbed
    assert resumed[-1] > 0
