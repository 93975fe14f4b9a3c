"""Stopping a run from outside: Ctrl-C, SIGTERM, and a main process that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from plotbot.keep.filesystem import Disk
from plotbot.keep.journal_reading import read_journal
from plotbot.keep.locks import LOCKS_FOLDER, TitleLocks
from plotbot.mock import MockServer, ModelSpec, Rule
from plotbot.plan.sample import draw
from plotbot.records import Title
from plotbot.safe import file_stem

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and process groups")

PATIENCE = 60.0
STOPS_WITHIN = 5.0
# What a stop is given beyond that on a machine that is busy with other tests.
GRACE = 3.0

Start = Callable[..., subprocess.Popen[bytes]]


def _wait_until(true: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, f"waited {seconds:g} s for {what}"
        time.sleep(0.02)


@pytest.fixture
def hanging(start_mock: Callable[..., MockServer]) -> MockServer:
    """Answers the first four cases of the plan, and lets every other hang for good."""
    titles = [Title(f"t{number:02}", f"Headline {number:02}") for number in range(1, 13)]
    later = "|".join(title.text for title in draw(titles, 0, seed=1)[4:])
    return start_mock(models=(ModelSpec("mock-model", parallel=4),), rules=(Rule(headline=later, latency=600.0),))


@pytest.fixture
def start(make_project: Callable[[Path], Path], tmp_path: Path) -> Iterator[Start]:
    """Start `pytest evals` in a session of its own, as a terminal would; whatever is left of it dies with the test."""
    make_project(tmp_path)
    started: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pytest", "evals", "--sample-seed=1", "--test-sample-size=12"]
        command += ["--max-in-flight=4", *arguments]
        environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        with (tmp_path / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                command, cwd=tmp_path, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)


def _run_folder(project: Path) -> Path:
    return max((project / "data" / "runs").iterdir())


def _replies(project: Path) -> int:
    runs = project / "data" / "runs"
    if not runs.is_dir() or not list(runs.glob("*/journal.jsonl")):
        return 0
    lines = read_journal(_run_folder(project) / "journal.jsonl").lines
    return sum(line.kind == "exchange" and line.data["reply"] is not None for line in lines)


def _group_is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize(
    ("number", "to_all"),
    [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, False)],
    ids=["ctrl-c", "sigint to the main process", "sigterm"],
)
def test_an_interrupt_ends_the_run_with_2_and_keeps_what_was_answered(
    start: Start, hanging: MockServer, tmp_path: Path, workers: str, number: signal.Signals, to_all: bool
) -> None:
    process = start("--lm-studio-url", hanging.url, "-n", workers, "--write-strategy=batch")
    _wait_until(lambda: hanging.stats().models["mock-model"].in_flight == 4, "four hanging requests")
    _wait_until(lambda: _replies(tmp_path) == 4, "four replies on record")
    (os.killpg if to_all else os.kill)(process.pid, number)
    assert process.wait(STOPS_WITHIN + GRACE) == 2
    summary = json.loads((_run_folder(tmp_path) / "summary.json").read_bytes())
    total = summary["total"]
    assert summary["exit_status"] == 2
    assert total["planned"] == 12 == sum(total[box] for box in ("passed", "failed", "error", "skipped", "not_run"))
    assert total["error"] == 0
    assert total["not_run"] >= 8
    reported = {item["case"] for item in _verdicts(tmp_path)}
    kept = {path.stem for path in (tmp_path / "data" / "generated_data").glob("*.json")}
    # The interrupt may come after an answer was kept, and before its test has reported.
    assert len(reported) <= len(kept) <= 4
    assert b"Traceback" not in (tmp_path / "output.txt").read_bytes()


def test_an_interrupt_of_text_that_is_run_as_code_ends_with_2_too(
    start: Start, hanging: MockServer, tmp_path: Path
) -> None:
    """As where a dataclass was just being made. CPython then ends by SIGINT, although the interrupt was handled."""
    with (tmp_path / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write("\n\ndef pytest_runtest_call():\n    exec('raise KeyboardInterrupt')\n")
    assert start("--lm-studio-url", hanging.url).wait(PATIENCE) == 2
    assert json.loads((_run_folder(tmp_path) / "summary.json").read_bytes())["exit_status"] == 2


def _verdicts(project: Path) -> list[dict[str, object]]:
    lines = read_journal(_run_folder(project) / "journal.jsonl").lines
    return [dict(line.data) for line in lines if line.kind == "verdict" and line.data["outcome"] == "passed"]


def test_a_second_interrupt_while_a_lock_is_held_ends_it_too(start: Start, hanging: MockServer, tmp_path: Path) -> None:
    plan = json.loads((tmp_path / "data" / "titles_index.json").read_bytes())
    folder = tmp_path / "data" / "generated_data" / LOCKS_FOLDER
    folder.mkdir(parents=True)
    locks = TitleLocks(folder, Disk())
    shards = {locks.shard(file_stem(title)) for title in plan}
    held = [locks.hold(shard) for shard in sorted(shards)]
    for lock in held:
        lock.__enter__()
    try:
        process = start("--lm-studio-url", hanging.url, "--write-strategy=batch")
        _wait_until(lambda: len(_verdicts_so_far(tmp_path)) == 4, "four verdicts")
        os.killpg(process.pid, signal.SIGINT)
        # As fast as a person presses again; the locks keep the first end busy for longer than that.
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(7.0 + GRACE) == 2
    finally:
        for lock in held:
            lock.__exit__(None, None, None)
    assert _replies(tmp_path) == 4


def _verdicts_so_far(project: Path) -> list[dict[str, object]]:
    return _verdicts(project) if _replies(project) else []


def test_workers_die_with_a_main_process_that_is_killed(start: Start, hanging: MockServer, tmp_path: Path) -> None:
    process = start("--lm-studio-url", hanging.url, "-n", "4")
    _wait_until(lambda: hanging.stats().models["mock-model"].in_flight == 4, "four hanging requests")
    _wait_until(lambda: _replies(tmp_path) == 4, "four replies on record")
    process.kill()
    process.wait(PATIENCE)
    _wait_until(lambda: _group_is_gone(process.pid), "the last worker's end", STOPS_WITHIN + GRACE)


def test_the_embedded_engine_dies_with_a_main_process_that_is_killed(start: Start, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    process = start("--embedded", "-n", "2", "--repeats=50")
    _wait_until(lambda: _replies(tmp_path) > 0, "a first reply")
    process.kill()
    process.wait(PATIENCE)
    _wait_until(lambda: _group_is_gone(process.pid), "the engine's end", STOPS_WITHIN + GRACE)


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, "0"), (signal.SIGINT, "2"), (signal.SIGKILL, "0")])
def test_a_sequential_gate_that_was_interrupted_or_killed_comes_to_the_decision_of_a_whole_run(
    start: Start,
    hanging: MockServer,
    start_mock: Callable[..., MockServer],
    run_pytest: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
    number: signal.Signals,
    workers: str,
) -> None:
    gate = ("--gate=sequential", "--min-pass-rate=0.5", "--gate-every=4", "--confirm=skip")
    process = start("--lm-studio-url", hanging.url, "-n", workers, *gate)
    _wait_until(lambda: len(_verdicts_so_far(tmp_path)) == 4, "four verdicts")
    os.killpg(process.pid, number)
    process.wait(STOPS_WITHIN + GRACE)
    assert _plotbot("report", "last", folder=tmp_path) == 0
    total = _summary(tmp_path)["total"]
    assert (total["passed"], total["not_run"], total["not_needed"]) == (4, 8, 0)
    whole = start_mock()
    resumed = run_pytest(tmp_path, "evals", "--resume", "--confirm=skip", "--lm-studio-url", whole.url, "-n", workers)
    assert resumed.returncode == 0, resumed.stdout
    (model,) = _summary(tmp_path)["models"]
    assert (model["gate"]["verdict"], model["gate"]["titles"]) == ("PASS", 8)
    assert (model["tally"]["passed"], model["tally"]["not_run"], model["tally"]["not_needed"]) == (8, 0, 4)
    assert model["tally"]["planned"] == 12
    asked = sum(one.path.endswith("completions") for one in whole.requests)
    assert 4 <= asked <= 8 - 4 + 3, "no more than the slots beyond the decision, less the one that decided"


def _summary(project: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((_run_folder(project) / "summary.json").read_bytes())
    return summary


def _plotbot(*arguments: str, folder: Path) -> int:
    command = [sys.executable, "-m", "plotbot", *arguments]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, check=False).returncode
