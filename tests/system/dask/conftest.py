"""What tests on Dask share: schedulers and workers of this machine, servers next to them, runs that are under way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from plotbot.mock import Latency, MockServer, ModelSpec

REPOSITORY = Path(__file__).parents[3]
PATIENCE = 60.0
SLOTS = 4

StartMock = Callable[..., MockServer]


class Cluster:
    """A scheduler and its workers, each in a process of its own, all with the same further *environ*."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self._environ = environ
        self.log = folder / "log.txt"
        self._started: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        self.scheduler = self._start("dask_scheduler", "--port", "0", "--scheduler-file", str(file))
        _wait_until(lambda: file.is_file() and bool(file.read_text("utf-8")), "the scheduler")
        self.address: str = json.loads(file.read_bytes())["address"]

    @property
    def executor(self) -> str:
        return f"dask://{self.address.partition('://')[2]}"

    def worker(self, url: str, *options: str, **environ: str) -> subprocess.Popen[bytes]:
        """Start a worker next to a server; `joined` waits for it."""
        given = ("--no-nanny", "--nworkers", "1", "--nthreads", str(SLOTS), *options)
        return self._start("dask_worker", self.address, *given, PLOTBOT_LM_STUDIO_URL=url, **environ)

    def joined(self, count: int) -> None:
        """Wait until so many workers have said, since the start, that they are registered."""
        _wait_until(lambda: self.log.read_text("utf-8").count("Registered to:") >= count, f"{count} workers")

    def end(self) -> None:
        for process in self._started:
            process.kill()
        for process in self._started:
            process.wait(PATIENCE)

    def _start(self, program: str, *arguments: str, **environ: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{program}", *arguments, "--host", "127.0.0.1"]
        command += ["--dashboard-address", "127.0.0.1:0"]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY), **self._environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._started.append(process)
        return process


class Evals:
    """`pytest evals` under way in a project, twelve titles so often."""

    def __init__(self, project: Path, executor: str, *arguments: str, **environ: str) -> None:
        self.project = project
        command = [sys.executable, "-m", "pytest", "evals", "--sample-seed=1", "--test-sample-size=0", *arguments]
        command += [f"--executor={executor}"]
        with (project / "output.txt").open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=project,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def wait(self) -> int:
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()

    @property
    def output(self) -> str:
        """What it printed, on one line: sentences are wrapped."""
        return " ".join((self.project / "output.txt").read_text("utf-8").split())


def _wait_until(true: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < give_up, f"waited {PATIENCE:g} s for {what}"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], bool], str], None]:
    return _wait_until


@pytest.fixture(scope="module")
def new_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Cluster]]:
    """Start a scheduler; it ends with the module's tests."""
    with ExitStack() as ending:

        def start(**environ: str) -> Cluster:
            cluster = Cluster(tmp_path_factory.mktemp("cluster"), **environ)
            ending.callback(cluster.end)
            return cluster

        yield start


@pytest.fixture(scope="module")
def cluster(new_cluster: Callable[[], Cluster]) -> Cluster:
    """A scheduler that has no workers but those that a test starts."""
    return new_cluster()


@pytest.fixture
def at_work(cluster: Cluster) -> Iterator[Callable[..., None]]:
    """Have a worker of `cluster` next to a server, for as long as the test lasts."""
    with ExitStack() as ending:

        def start(url: str, *options: str, **environ: str) -> None:
            joined = cluster.log.read_text("utf-8").count("Registered to:")
            process = cluster.worker(url, *options, **environ)
            ending.callback(process.wait, PATIENCE)
            ending.callback(process.kill)
            cluster.joined(joined + 1)

        yield start


@pytest.fixture(scope="module")
def servers(start_mock: StartMock) -> Callable[..., list[MockServer]]:
    """Start so many servers of one model with four slots."""

    def start(count: int, latency: float = 0.05) -> list[MockServer]:
        model = ModelSpec("mock-model", parallel=SLOTS)
        return [start_mock(models=(model,), latency=Latency(latency)) for _ in range(count)]

    return start


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[[Path], Path]) -> Path:
    return make_project(tmp_path)


@pytest.fixture
def evals(project: Path) -> Callable[..., Evals]:
    """Start `pytest evals`."""
    return partial(Evals, project)
