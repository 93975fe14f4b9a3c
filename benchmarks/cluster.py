"""How well a run on Dask uses its servers' slots, and what a case costs whom: `python -m benchmarks.cluster [--quick]`.

A scheduler and three workers, each next to a mock of its own with four slots, all processes of this machine and new
for every run. Used is the share of all slots' time, from the first request in to the last reply out; processor time is
the front's from its start to its end, the others' during the run.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.measuring import REPOSITORY, checked, evals, measure, mock, model_stats, options, project

WORKERS, SLOTS = 3, 4
CASES, LATENCY = 600, 0.2
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Figures:
    """One run. Wall seconds, the share of the slots' time, milliseconds of processor time a case."""

    wall: float
    used: float
    peak: int
    front: float
    scheduler: float
    worker: float


def main() -> None:
    chosen = options(__doc__, repeat=3).parse_args()
    cases, latency, repeat = (48, 0.05, 1) if chosen.quick else (CASES, LATENCY, chosen.repeat)
    print(f"{cases} cases, {WORKERS} workers with {SLOTS} slots each, {latency * 1000:g} ms")
    print(f"{'':8} {'wall s':>8} {'slots used':>11} {'most in flight':>15} {'cpu ms/case: front':>19} "
          f"{'scheduler':>10} {'a worker':>9}")  # fmt: skip
    with project(cases, chosen.folder) as root:
        runs = [_run(root, cases, latency) for _ in range(repeat)]
    for number, run in enumerate(runs, 1):
        _show(f"run {number}", run)
    if len(runs) > 1:
        middle = (statistics.median(getattr(run, name) for run in runs) for name in Figures.__slots__)
        _show("median", Figures(*middle))


def _run(root: Path, cases: int, latency: float) -> Figures:
    with ExitStack() as stack:
        urls = [stack.enter_context(mock(slots=SLOTS, latency=latency)) for _ in range(WORKERS)]
        address, processes = stack.enter_context(_cluster(urls))
        before = [_cpu(process) for process in processes]
        run = checked(measure(evals(f"--executor={address.replace('tcp', 'dask')}"), root, urls[0]))
        scheduler, *workers = [_cpu(process) - then for process, then in zip(processes, before, strict=True)]
        stats = [model_stats(url) for url in urls]
    span = max(one["span_seconds"] for one in stats)
    return Figures(
        wall=run.wall,
        used=sum(one["busy_seconds"] for one in stats) / (WORKERS * SLOTS * span),
        peak=max(one["peak_in_flight"] for one in stats),
        front=run.cpu * 1000 / cases,
        scheduler=scheduler * 1000 / cases,
        worker=sum(workers) * 1000 / cases,
    )


@contextmanager
def _cluster(urls: Sequence[str]) -> Iterator[tuple[str, list[psutil.Process]]]:
    """A scheduler with a worker next to each server: its address, and the processes, the scheduler's first."""
    with tempfile.TemporaryDirectory(prefix="plotbot-cluster-") as name, ExitStack() as stack:
        folder = Path(name)
        scheduler = stack.enter_context(_dask(folder, "scheduler", "--port", "0"))
        address = _said(folder / "scheduler.log", "Scheduler at:").split()[-1]
        given = (address, "--no-nanny", "--nworkers", "1", "--nthreads", str(SLOTS))
        started = [
            stack.enter_context(_dask(folder, "worker", *given, number=number, PLOTBOT_LM_STUDIO_URL=url))
            for number, url in enumerate(urls)
        ]
        for number in range(len(urls)):
            _said(folder / f"worker{number}.log", "Registered to:")
        yield address, [psutil.Process(process.pid) for process in (scheduler, *started)]


@contextmanager
def _dask(
    folder: Path, what: str, *arguments: str, number: int | str = "", **environ: str
) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments]
    command += ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
    with (folder / f"{what}{number}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environ},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _said(log: Path, words: str) -> str:
    """The line with these words, once the process has written it."""
    give_up = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up:
        for line in log.read_text("utf-8", "replace").splitlines():
            if words in line:
                return line
        time.sleep(0.05)
    raise SystemExit(f"{log.name} does not say {words!r} after {_START_SECONDS:g} s:\n{log.read_text('utf-8')[-2000:]}")


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _show(name: str, run: Figures) -> None:
    print(
        f"{name:8} {run.wall:8.2f} {run.used:11.1%} {run.peak:15.0f} {run.front:19.2f} {run.scheduler:10.2f} "
        f"{run.worker:9.2f}"
    )


if __name__ == "__main__":
    main()
