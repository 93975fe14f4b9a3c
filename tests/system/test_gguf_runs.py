"""Runs that ask GGUF files by the embedded engine: in turn, with faults, stopped and taken up again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from plotbot.ask.embedded import MODEL_PATH, EmbeddedEngine, EngineOptions
from plotbot.commands import main
from plotbot.errors import EngineError
from plotbot.keep.journal_reading import read_journal
from tests.gguf_files import BROKEN, write_split
from tests.processes import PATIENCE, engines, run_module, running, wait_until

pytest.importorskip("xllamacpp")

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="it looks for the engine in /proc")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[[Path], Path]) -> Path:
    """A project with two models that are one: a.gguf and b.gguf."""
    project = make_project(tmp_path)
    for name in ("a.gguf", "b.gguf"):
        shutil.copyfile(MODEL_PATH, project / name)
    # Threads wait for each other spinning: two beside other tests are ten times slower than one.
    (project / "config").mkdir(exist_ok=True)
    (project / "config" / "config.json").write_text('{"EMBEDDED_THREADS": 1}', encoding="utf-8")
    return project


@pytest.fixture
def start(project: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start `pytest evals` in a session of its own; what is left of it dies with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pytest", "evals", "--sample-seed=1", *arguments]
        environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        with (project / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                command, cwd=project, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)


def lines(project: Path, kind: str) -> list[dict[str, Any]]:
    journals = sorted((project / "data" / "runs").glob("*/journal.jsonl"))
    return [dict(line.data) for line in read_journal(journals[-1]).lines if line.kind == kind] if journals else []


def replies(project: Path) -> int:
    return sum(line["reply"] is not None for line in lines(project, "exchange"))


@on_linux
@pytest.mark.parametrize("workers", ["0", "2"])
def test_two_files_are_asked_one_after_the_other_and_never_are_two_engines_alive(
    project: Path, start: Callable[..., subprocess.Popen[bytes]], run_file: Callable[..., Any], workers: str
) -> None:
    process = start("--embedded-model=a.gguf,b.gguf", "--test-sample-size=6", "-n", workers)
    seen: set[int] = set()
    most = 0
    while process.poll() is None:
        now = engines(process.pid)
        seen.update(now)
        most = max(most, len(now))
    assert (most, len(seen)) == (1, 2)
    assert process.returncode in {0, 1}
    summary = run_file(project, "summary.json")
    assert summary["total"]["planned"] == 12 == summary["total"]["passed"] + summary["total"]["failed"]
    assert [model["model"] for model in summary["models"]] == ["a", "b"]
    output = (project / "output.txt").read_text(encoding="utf-8")
    assert "plotbot: a.gguf, 2.04 MB, Q8_0, llama, 4 slots, " in output


# One that plotbot finds and two that the engine finds; tests/unit/ask/embedded reads the others, too.
@pytest.mark.parametrize("kind", ["truncated", "other architecture", "no tokens"])
def test_a_broken_file_ends_the_run_before_its_first_case_and_leaves_no_process(
    project: Path, start: Callable[..., subprocess.Popen[bytes]], kind: str
) -> None:
    """Also where its turn would come later."""
    data, said = BROKEN[kind]
    (project / "broken.gguf").write_bytes(data)
    process = start("--embedded-model=a.gguf,broken.gguf", "--test-sample-size=1")
    status = process.wait(PATIENCE)
    shown = (project / "output.txt").read_text(encoding="utf-8")
    assert status == 4, shown
    assert said in shown
    assert "Traceback" not in shown
    if sys.platform == "linux":
        wait_until(lambda: not list(running(process.pid)), "the end of all that the run started")
    assert lines(project, "exchange") == []


def test_the_doctor_says_that_the_engine_refuses_a_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, said = BROKEN["other architecture"]
    (project / "broken.gguf").write_bytes(data)
    assert main(["doctor", f"--rootdir={project}", "--embedded-model=a.gguf,broken.gguf"]) == 4
    shown = capsys.readouterr().out
    assert "ok  model a.gguf: " in shown
    assert said in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--embedded-model=a.gguf", "--context-length=4096"), "CONTEXT_LENGTH is 4096, but a has 2048 tokens at most"),
        (("--embedded-model=a.gguf,sub/a.gguf",), "would both be called a. Rename one"),
        (("--embedded-model=gone.gguf",), "gone.gguf"),
        (("--embedded-model=a.gguf", "--load"), "--load asks LM Studio to load a model"),
        (("--embedded-model=a.gguf", "--executor=dask"), "--embedded and EXECUTOR=dask do not go together"),
    ],
)
def test_what_cannot_be_done_is_refused(project: Path, run_pytest: Run, arguments: tuple[str, ...], said: str) -> None:
    (project / "sub").mkdir()
    shutil.copyfile(MODEL_PATH, project / "sub" / "a.gguf")
    result = run_pytest(project, "evals", "--test-sample-size=1", *arguments)
    assert result.returncode == 4
    assert said in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_a_split_model_runs(project: Path, run_pytest: Run, run_file: Callable[..., Any]) -> None:
    first, _ = write_split(project, "split")
    result = run_pytest(project, "evals", f"--embedded-model={first.name}", "--test-sample-size=2")
    assert result.returncode in {0, 1}, result.stdout
    (told,) = run_file(project, "plan.json")["header"]["fingerprints"].values()
    assert (told["key"], told["parameters"], told["architecture"]) == ("split", 1_916_640, "llama")


@on_linux
def test_an_engine_that_is_killed_is_started_again_once_and_no_case_is_lost(
    project: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    process = start("--embedded-model=a.gguf", "--repeats=3", "--test-sample-size=12")
    wait_until(lambda: replies(project) > 3, "some replies")
    os.kill(engines(process.pid)[0], signal.SIGKILL)
    assert process.wait(PATIENCE) in {0, 1}
    output = (project / "output.txt").read_text(encoding="utf-8")
    assert "a: the engine was ended by signal 9 (SIGKILL), as the system does when memory runs out." in output
    assert "It was started again, once; its open cases are asked again." in output
    faults = [
        one["fault"]["category"] for line in lines(project, "exchange") for one in line["attempts"] if one["fault"]
    ]
    assert set(faults) <= {"model_crashed"}
    assert replies(project) == 36


@on_linux
def test_an_engine_that_is_killed_twice_ends_in_errors_and_resume_asks_them(
    project: Path, start: Callable[..., subprocess.Popen[bytes]], run_pytest: Run, run_file: Callable[..., Any]
) -> None:
    process = start("--embedded-model=a.gguf,b.gguf", "--repeats=3", "--test-sample-size=12")
    wait_until(lambda: replies(project) > 3, "some replies")
    [first] = engines(process.pid)
    os.kill(first, signal.SIGKILL)
    os.kill(
        wait_until(lambda: [one for one in engines(process.pid) if one != first], "another engine")[0], signal.SIGKILL
    )
    assert process.wait(PATIENCE) == 10
    models = {model["model"]: model for model in run_file(project, "summary.json")["models"]}
    assert models["a"]["tally"]["error"] > 0
    assert set(models["a"]["errors"]) == {"model_crashed"}
    assert models["b"]["errors"] == {}, "the next model has an engine of its own"
    assert "Traceback" not in (project / "output.txt").read_text(encoding="utf-8")
    assert run_pytest(project, "evals", "--resume").returncode in {0, 1}
    assert run_file(project, "summary.json")["total"]["error"] == 0


@on_linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_engine_is_left_when_a_run_is_stopped_while_it_loads(
    project: Path, start: Callable[..., subprocess.Popen[bytes]], number: signal.Signals
) -> None:
    process = start("--embedded-model=a.gguf", "--embedded-slots=128")
    wait_until(lambda: engines(process.pid), "an engine")
    process.send_signal(number)
    assert process.wait(PATIENCE) == (-9 if number == signal.SIGKILL else 2)
    wait_until(lambda: not engines(process.pid), "the engine's end")
    assert b"Traceback" not in (project / "output.txt").read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill with SIGKILL")
def test_an_engine_that_is_killed_while_it_loads_says_so() -> None:
    engine = EmbeddedEngine(EngineOptions(MODEL_PATH, "a"))
    os.kill(engine.pid, signal.SIGKILL)
    with pytest.raises(EngineError, match=r"was not loaded: the engine was ended by signal 9 \(SIGKILL\)"):
        engine.wait_until_ready(PATIENCE)


@on_linux
def test_an_engine_ends_with_its_parent_though_no_thread_of_its_own_can_run() -> None:
    code = """
import ctypes
from plotbot.ask.embedded import serve
serve._watch_parent()
print("ready", flush=True)
ctypes.PyDLL(None).sleep(60)  # as while a model loads: the interpreter is not let go
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"ready\n"
        process.stdin.close()
        assert process.wait(PATIENCE / 2) == -signal.SIGTERM


def test_a_pinned_file_is_asked_and_a_changed_one_refused(project: Path, run_pytest: Run) -> None:
    assert run_module(project, "plotbot", "pin", "--embedded-model=a.gguf").returncode == 0
    asked = ("evals", "--embedded-model=a.gguf", "--pinned", "--test-sample-size=2")
    result = run_pytest(project, *asked)
    assert result.returncode in {0, 1}, result.stdout + result.stderr
    data = bytearray((project / "a.gguf").read_bytes())
    data[-1] ^= 1
    (project / "a.gguf").write_bytes(data)
    refused = run_pytest(project, *asked)
    assert refused.returncode == 4
    assert "sha256: pinned e1ddaa736c18" in refused.stdout + refused.stderr


def test_the_sha256_is_kept_and_taken_anew_when_the_file_changes(project: Path, run_pytest: Run) -> None:
    run_pytest(project, "evals", "--embedded-model=a.gguf", "--test-sample-size=1")
    cache = project / "data" / "runs" / ".gguf-sha256.json"
    (entry,) = json.loads(cache.read_bytes()).values()
    assert entry["sha256"].startswith("e1ddaa736c18")
    cache.write_bytes(b'["damaged')
    assert run_pytest(project, "evals", "--embedded-model=a.gguf", "--test-sample-size=1").returncode in {0, 1}
    assert list(json.loads(cache.read_bytes()).values()) == [entry]
