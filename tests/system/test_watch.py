"""An afternoon with a prompt: `plotbot watch` in a process of its own, five prompts, mishaps, and what is left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from plotbot.mock import MockServer, Rule, Scenario
from tests.processes import engines, running, wait_until

REPOSITORY = Path(__file__).parents[2]
LONGEST_SECONDS = 100
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="it looks for processes in /proc")
WAITS = "Waiting for a save"
# Twelve titles a run: the first prompt fails half of them, the third all, the others none.
RULES = (Rule(reply="no JSON at all", nth=(*range(1, 7), *range(25, 37))),)


class Watch:
    """A watch, and all that it has printed until it waits again."""

    def __init__(self, project: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "plotbot", "watch", *arguments],
            cwd=project,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )
        # It never ends a run that works; a test that waits for what does not come must end all the same.
        self._limit = threading.Timer(LONGEST_SECONDS, self.process.kill)
        self._limit.start()

    def printed(self) -> str:
        lines: list[str] = []
        for line in _output(self.process.stdout):
            lines.append(line)
            if WAITS in line:
                return "".join(lines)
        pytest.fail("the watch has ended:\n" + "".join(lines))

    def press(self, key: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(key)
        self.process.stdin.flush()

    def close(self) -> int:
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            self._limit.cancel()


def _output(stream: IO[str] | None) -> Iterator[str]:
    assert stream is not None
    return iter(stream.readline, "")


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[[Path], Path]) -> Path:
    return make_project(tmp_path / "here")


def test_after_each_save_the_screen_says_whether_it_is_better(project: Path) -> None:
    prompt, eval_file = project / "data" / "prompt.txt", project / "evals" / "test_story_seeds.py"
    prompt.write_text("The first prompt.", encoding="utf-8")
    with MockServer(Scenario(rules=RULES)) as server:
        watch = Watch(project, f"--lm-studio-url={server.url}", "--test-sample-size=0", "evals")
        assert "6 failed, 6 passed" in watch.printed()

        prompt.write_text("The second prompt.", encoding="utf-8")
        better = watch.printed()
        assert "saved data/prompt.txt" in better
        assert "0 broken, 6 fixed: more than chance, p 0.031" in better
        assert better.index("-The first prompt.") < better.index("newly fixed: 6")

        prompt.write_text("The third prompt.", encoding="utf-8")
        assert "12 broken, 0 fixed: more than chance" in watch.printed()

        prompt.write_text("The second prompt.", encoding="utf-8")
        back = watch.printed()
        assert "12 on record, 0 to ask" in back
        assert "0 broken, 12 fixed: more than chance" in back

        text = eval_file.read_text(encoding="utf-8")
        eval_file.write_text("def broken(:\n", encoding="utf-8")
        assert "SyntaxError" in watch.printed()
        eval_file.write_text(text, encoding="utf-8")
        assert "12 on record, 0 to ask" in watch.printed()

        prompt.write_text("The fourth prompt.", encoding="utf-8")
        assert "same 12 titles: nothing broken, nothing fixed" in watch.printed()
        watch.press("r")
        assert "12 on record, 0 to ask" in watch.printed()
    prompt.write_text("The fifth prompt.", encoding="utf-8")
    assert "pytest ended with 4" in watch.printed(), "the server is gone"
    watch.press("q")
    assert watch.close() == 0

    page = (project / "reports" / "history.html").read_bytes()
    found = re.search(rb'<script type="application/json" id="index">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    index = json.loads(found[1])
    [series] = index["series"]
    assert [point["shown"] for point in series["points"][:4]] == ["50.0%", "100.0%", "0.0%", "100.0%"]
    assert [point["changes"] for point in series["points"][:4]] == [[], ["prompt"], ["prompt"], ["prompt"]]
    assert index["runs"][1]["note"] == "saved data/prompt.txt: The second prompt."


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_save_in_the_middle_of_a_run_starts_it_again_with_what_is_on_record(project: Path) -> None:
    rules = (Rule(headline="Headline 11", shape="hang", nth=(1,)),)
    with MockServer(Scenario(rules=rules)) as server:
        options = (
            f"--lm-studio-url={server.url}",
            "--test-sample-size=0",
            "--max-in-flight=1",
            "--sample-seed=1",
            "-v",
        )
        watch = Watch(project, *options, "evals")
        for line in _output(watch.process.stdout):
            if line.count("PASSED"):
                break
        (project / "data" / "prompt.txt").write_text("Another.", encoding="utf-8")
        again = watch.printed()
        assert "saved data/prompt.txt" in again
        assert "12 passed" in again
        watch.press("q")
        assert watch.close() == 0


@on_linux
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_engine_ends_with_the_watch(project: Path, end: signal.Signals) -> None:
    pytest.importorskip("xllamacpp")
    watch = Watch(project, "--embedded", "--test-sample-size=1", "--sample-seed=1", "evals")
    session = watch.process.pid
    watch.printed()
    assert len(engines(session)) == 1
    watch.process.send_signal(end)
    assert watch.close() == (-9 if end == signal.SIGKILL else 2)
    wait_until(lambda: not list(running(session)), "the engine's end")


@on_linux
def test_one_engine_stays_up_between_runs(project: Path) -> None:
    pytest.importorskip("xllamacpp")
    prompt = project / "data" / "prompt.txt"
    watch = Watch(project, "--embedded", "--test-sample-size=3", "--sample-seed=1", "evals")
    session = watch.process.pid
    watch.printed()
    [engine] = engines(session)
    prompt.write_text("Another.", encoding="utf-8")
    assert "0 on record, 3 to ask" in watch.printed()
    assert engines(session) == [engine], "it is the same one"

    os.kill(engine, signal.SIGKILL)
    prompt.write_text("A third.", encoding="utf-8")
    assert "0 on record, 3 to ask" in watch.printed()
    [other] = engines(session)
    assert other != engine
    fingerprints = [
        json.loads(plan.read_bytes())["header"]["fingerprints"]
        for plan in sorted((project / "data" / "runs").glob("*/plan.json"))
    ]
    assert fingerprints[0] == fingerprints[1] == fingerprints[2]

    watch.press("q")
    assert watch.close() == 0
    wait_until(lambda: not list(running(session)), "the engine's end")


@on_linux
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_ends_with_the_watch(project: Path, end: signal.Signals) -> None:
    with MockServer(Scenario(rules=(Rule(headline="Headline 11", shape="hang"),))) as server:
        watch = Watch(
            project, f"--lm-studio-url={server.url}", "--test-sample-size=0", "--sample-seed=1", "-v", "evals"
        )
        next(line for line in _output(watch.process.stdout) if "PASSED" in line)
        watch.process.send_signal(end)
        assert watch.close() == {signal.SIGTERM: 2, signal.SIGKILL: -9}[end]
        wait_until(lambda: not list(running(watch.process.pid)), "the run's end")
    [summary] = (project / "data" / "runs").glob("*/summary.json")
    assert json.loads(summary.read_bytes())["total"]["not_run"] > 0


@pytest.mark.parametrize("argument", ["--resume", "--replay=last", "--missing"])
def test_another_plan_is_refused(project: Path, argument: str) -> None:
    watch = Watch(project, argument, "evals")
    assert watch.close() == 4
    assert f"plotbot watch and {argument} do not go together" in "".join(_output(watch.process.stdout))
