"""What the benchmarks share: a project to run in, a mock in a process of its own, and what a process has cost.

Every measured thing is a whole process, from starting Python to its end, and meets a mock of its own. Processor time
and memory come from the system's own account of an ended child, so this needs Linux or macOS.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
COPIED = ("conftest.py", "pytest.ini", "evals", "data/prompt.txt", "data/story_seed.schema.json")
MODEL = "mock-model"
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Run:
    """One measured process. Seconds of wall and processor time, peak bytes of its largest process, the mocks' figures.

    `used` is the share of the slots' time that they were busy, from the first request in to the last reply out;
    `used_until_last` ends when the last request got its slot, from where on slots run out of work (of one mock alone,
    else 0). `mocks_cpu` is the processor time of the mocks, where somebody has asked for it.
    """

    status: int
    wall: float
    cpu: float
    peak: int
    requests: int
    span: float
    used: float
    used_until_last: float
    output: str
    hosts: Sequence[Mapping[str, Any]] = ()
    mocks_cpu: float = 0.0


def options(text: str | None, *, repeat: int = 5) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--folder", type=Path, help="where projects are made: the disk that is written to")
    parser.add_argument("--repeat", type=int, default=repeat, help=f"runs of each; medians are shown ({repeat})")
    parser.add_argument("--quick", action="store_true", help="a few small runs, to see that it works")
    return parser


@contextmanager
def project(titles: int, folder: Path | None = None) -> Iterator[Path]:
    """A temporary project: this one's plugin, eval, prompt and schema, and so many made-up titles."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="plotbot-benchmark-") as name:
        root = Path(name)
        (root / "data").mkdir()
        for part in COPIED:
            source = REPOSITORY / part
            (shutil.copytree if source.is_dir() else shutil.copyfile)(source, root / part)
        index = {f"t{n:05}": f"Headline {n:05}: a goose is elected mayor" for n in range(titles)}
        (root / "data" / "titles_index.json").write_text(json.dumps(index), encoding="utf-8")
        yield root


@contextmanager
def mock(*, slots: int = 4, latency: float = 0.0, sigma: float = 0.0, scenario: Path | None = None) -> Iterator[str]:
    """`plotbot mock` with one loaded model, in a process of its own; its base URL."""
    command = [sys.executable, "-m", "plotbot", "mock", "--port", "0", "--parallel", str(slots)]
    command += ["--latency", str(latency), "--sigma", str(sigma)]
    command += [] if scenario is None else ["--scenario", str(scenario)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


class Servers:
    """`benchmarks.servers`: mocks that share one process, and what they cost it."""

    def __init__(self, count: int, slots: int, latency: float, port: int = 0) -> None:
        command = [sys.executable, "-m", "benchmarks.servers", str(count), str(slots), str(latency), str(port)]
        self._process = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.urls: list[str] = json.loads(self._process.stdout.readline())

    def end(self) -> float:
        """End them; gives the processor seconds that they took, from when they listened."""
        seconds, _ = self._process.communicate()
        return float(seconds)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


def evals(*arguments: str) -> list[str]:
    """The command of a run of all titles."""
    return [sys.executable, "-m", "pytest", "evals", "-q", "--test-sample-size=0", "--sample-seed=1", *arguments]


def pool(width: int) -> list[str]:
    """The command of the baseline: a bare thread pool that asks the same and keeps nothing."""
    return [sys.executable, "-m", "benchmarks.pool", str(width)]


def measure(
    command: Sequence[str],
    root: Path,
    *urls: str,
    meanwhile: Callable[[int], float] | None = None,
    afresh: bool = True,
) -> Run:
    """Run a command in a project against some mocks, or none. *afresh* removes what an earlier run has left there.

    *meanwhile* gets its process id once it has started, and gives the time from which on the clock counts.
    """
    if afresh:
        shutil.rmtree(root / "data" / "generated_data", ignore_errors=True)
        shutil.rmtree(root / "data" / "runs", ignore_errors=True)
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=root, env=environment(urls), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        if meanwhile is not None:
            started = meanwhile(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    hosts = [model_stats(url) for url in urls]
    span = _span(hosts)
    return Run(
        status=process.returncode,
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime,
        peak=usage.ru_maxrss * _RSS_UNIT,
        requests=sum(host["requests"] for host in hosts),
        span=span,
        used=sum(host["busy_seconds"] for host in hosts) / (sum(host["slots"] for host in hosts) * span) if span else 0,
        used_until_last=hosts[0]["utilisation_until_last"] if len(hosts) == 1 else 0.0,
        output=text,
        hosts=hosts,
    )


def _span(hosts: Sequence[Mapping[str, Any]]) -> float:
    """Seconds from the first request in to the last reply out, over all mocks: one machine has one monotonic clock."""
    asked = [host for host in hosts if host["last_out"] is not None]
    return max(host["last_out"] for host in asked) - min(host["first_in"] for host in asked) if asked else 0.0


def checked(run: Run, status: int = 0) -> Run:
    """The run, if it ended as it should; a benchmark of a broken run says nothing."""
    if run.status != status:
        raise SystemExit(f"a measured run ended with status {run.status}, not {status}:\n{run.output[-4000:]}")
    return run


def model_stats(url: str) -> dict[str, Any]:
    """The mock's own figures of its model."""
    with urllib.request.urlopen(f"{url}/mock/stats", timeout=10) as answer:  # noqa: S310  it is this machine's
        figures: dict[str, Any] = json.load(answer)["models"][MODEL]
    return figures


def in_turns(runs: Mapping[str, Callable[[], Run]], repeat: int) -> dict[str, list[Run]]:
    """Each of them *repeat* times, in turns, so that a slow minute of the machine falls on all of them."""
    done: dict[str, list[Run]] = {name: [] for name in runs}
    for _ in range(repeat):
        for name, run in runs.items():
            done[name].append(run())
    return done


def median(runs: Sequence[Run], figure: Callable[[Run], float]) -> float:
    return statistics.median(figure(run) for run in runs)


def interrupt_when(url: str, in_flight: int) -> Callable[[int], float]:
    """For `measure`: Ctrl-C as soon as the mock has so many requests in flight, and the clock from then on."""

    def interrupt(pid: int) -> float:
        while model_stats(url)["in_flight"] < in_flight:
            time.sleep(0.05)
        os.kill(pid, signal.SIGINT)
        return time.monotonic()

    return interrupt


def environment(urls: Sequence[str]) -> dict[str, str]:
    """What is set outside must not change what is measured."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PLOTBOT_", "PYTEST_", "PYTHON"))}
    asked = {"PLOTBOT_LM_STUDIO_URL": ",".join(urls)} if urls else {}
    return {**kept, **asked, "PYTHONPATH": str(REPOSITORY), "PLOTBOT_MODEL": MODEL}
