"""Several hosts behind one front: `python -m benchmarks.hosts [--quick] [--load even slow killed front]`.

`even`: 4 hosts of 4 slots. `slow`: one of them takes three times as long. `killed`: one of them is killed half-way and
started again. `front`: 64 hosts of 4 slots, with answers so quick that one front cannot keep up, and where its time
goes. Slots used are over all hosts: busy slot-seconds over all slots times the time from the first request in to the
last reply out. The mocks run on the same machine: what they take is shown beside.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.measuring import (
    Run,
    Servers,
    checked,
    evals,
    in_turns,
    measure,
    median,
    model_stats,
    options,
    pool,
    project,
)
from plotbot.keep.journal_reading import read_journal

POOL, FULL = "thread pool", "pytest evals"
HELPERS = 2
SLOWER = 3


@dataclass(frozen=True, slots=True)
class Load:
    """A workload: so many cases on so many hosts of so many slots; seconds that an answer takes."""

    cases: int
    hosts: int
    slots: int
    latency: float

    @property
    def ideal(self) -> float:
        return self.cases * self.latency / (self.hosts * self.slots)

    def __str__(self) -> str:
        return f"{self.cases} cases, {self.hosts} hosts x {self.slots} slots, {self.latency * 1000:g} ms"


EVEN, QUICK_EVEN = (Load(800, 4, 4, 0.05), Load(800, 4, 4, 0.2)), (Load(24, 2, 2, 0.02),)
UNEVEN, QUICK_UNEVEN = Load(800, 4, 4, 0.1), Load(40, 2, 2, 0.02)
KILLED, QUICK_KILLED = Load(1600, 4, 4, 0.1), Load(160, 2, 2, 0.05)
FRONT = tuple(Load(3840, 64, 4, latency) for latency in (1.28, 0.64, 0.32, 0.16))
QUICK_FRONT = (Load(32, 4, 2, 0.05),)


def main() -> None:
    parser = options(__doc__, repeat=3)
    parser.add_argument("--load", nargs="+", choices=tuple(_LOADS), default=tuple(_LOADS), help="only these")
    chosen = parser.parse_args()
    for name in chosen.load:
        _LOADS[name](chosen.folder, 1 if chosen.quick else chosen.repeat, chosen.quick)


def _even(folder: Path | None, repeat: int, quick: bool) -> None:
    for load in QUICK_EVEN if quick else EVEN:
        with project(load.cases, folder) as root:
            commands = {POOL: pool(load.hosts * load.slots), FULL: evals()}
            runs = {name: partial(_run, load, root, command) for name, command in commands.items()}
            _show_even(load, in_turns(runs, repeat))


def _run(load: Load, root: Path, command: Sequence[str], latencies: Sequence[float] = ()) -> Run:
    """A measured command against hosts that are a process each; *latencies* where they differ."""
    started = [Servers(1, load.slots, seconds) for seconds in latencies or [load.latency] * load.hosts]
    return _measured(root, command, started)


def _measured(root: Path, command: Sequence[str], started: Sequence[Servers]) -> Run:
    with ExitStack() as ending:
        for servers in started:
            ending.callback(servers.kill)
        run = checked(measure(command, root, *(url for servers in started for url in servers.urls)))
        return replace(run, mocks_cpu=sum(servers.end() for servers in started))


def _show_even(load: Load, done: dict[str, list[Run]]) -> None:
    base = median(done[POOL], lambda run: run.wall)
    print(f"\n{load}: ideal {load.ideal:.2f} s")
    print(f"{'':16}{'wall s':>8}{'x ideal':>9}{'x pool':>8}{'slots used':>12}{'cpu ms/case':>13}{'mocks ms/case':>15}")
    for name, runs in done.items():
        wall, used = median(runs, lambda run: run.wall), median(runs, lambda run: run.used)
        cpu, mocks = (median(runs, figure) * 1000 / load.cases for figure in (_cpu, _mocks_cpu))
        print(f"{name:16}{wall:8.2f}{wall / load.ideal:9.2f}{wall / base:8.2f}{used:12.1%}{cpu:13.2f}{mocks:15.2f}")


def _slow(folder: Path | None, repeat: int, quick: bool) -> None:
    load = QUICK_UNEVEN if quick else UNEVEN
    latencies = [load.latency * SLOWER] + [load.latency] * (load.hosts - 1)
    with project(load.cases, folder) as root:
        runs = in_turns({FULL: partial(_run, load, root, evals(), latencies)}, repeat)[FULL]
    share, wait = median(runs, _share_of_the_first), median(runs, _wait_for_the_first)
    print(f"\n{load}, the first one {SLOWER} times slower")
    print(f"its work, as a share of another one's     {share:8.2f}")
    print(f"all wait for it at the end, in its answers{wait / latencies[0]:8.2f}")
    print(f"slots used                                {median(runs, lambda run: run.used):8.1%}")


def _share_of_the_first(run: Run) -> float:
    first, *others = (int(host["requests"]) for host in run.hosts)
    return first * len(others) / sum(others)


def _wait_for_the_first(run: Run) -> float:
    first, *others = (host["last_out"] for host in run.hosts)
    return float(max(first - max(others), 0.0))


def _killed(folder: Path | None, repeat: int, quick: bool) -> None:
    load = QUICK_KILLED if quick else KILLED
    print(f"\n{load}, one killed half-way and started again at once")
    print(f"{'status':>8}{'cases kept once':>17}{'asked again':>13}{'back after s':>14}{'cases then':>12}{'wall s':>8}")
    with project(load.cases, folder) as root:
        for _ in range(repeat):
            _show_killed(load, root)


def _show_killed(load: Load, root: Path) -> None:
    lasting = [Servers(1, load.slots, load.latency) for _ in range(load.hosts - 1)]
    killing = _Killing(load, Servers(1, load.slots, load.latency), [servers.urls[0] for servers in lasting])
    with ExitStack() as ending:
        for servers in lasting:
            ending.callback(servers.kill)
        ending.callback(killing.end)
        urls = (killing.url, *killing.others)
        run = measure(evals(), root, *urls, meanwhile=killing)
    (journal,) = (root / "data" / "runs").glob("*/journal.jsonl")
    kept = [line.data for line in read_journal(journal).lines if line.kind == "exchange"]
    once = sum(count == 1 for count in Counter(data["case"] for data in kept if data["reply"]).values())
    again = sum(len(data["attempts"]) > 1 for data in kept)
    back = f"{killing.seconds:14.2f}{run.hosts[0]['requests']:12}" if killing.seconds else f"{'not':>14}{0:12}"
    print(f"{run.status:8}{once:17}{again:13}{back}{run.wall:8.2f}")


class _Killing:
    """For `measure`: kills a host half-way, starts it again, and waits until it is asked again."""

    def __init__(self, load: Load, victim: Servers, others: Sequence[str]) -> None:
        self._victim = victim
        self.url = victim.urls[0]
        self.others = others
        self.seconds = 0.0
        self._load = load

    def __call__(self, _pid: int) -> float:
        began = time.monotonic()
        while (done := self._replies(self.url, *self.others)) < self._load.cases / 2:
            time.sleep(0.05)
        before = done - self._replies(*self.others)
        self._victim.kill()
        killed = time.monotonic()
        self._victim = Servers(1, self._load.slots, self._load.latency, int(self.url.rpartition(":")[2]))
        while before + self._replies(self.url, *self.others) < self._load.cases:
            if model_stats(self.url)["requests"]:
                self.seconds = time.monotonic() - killed
                break
            time.sleep(0.05)
        return began

    def end(self) -> None:
        self._victim.kill()

    def _replies(self, *urls: str) -> int:
        return sum(model_stats(url)["replies"] for url in urls)


def _front(folder: Path | None, repeat: int, quick: bool) -> None:
    loads = QUICK_FRONT if quick else FRONT
    with project(loads[0].cases, folder) as root:
        done = {load: _front_runs(load, root, repeat) for load in loads}
        parts = _parts(root, repeat)
    _show_front(done)
    _show_parts(loads[-1], parts, done[loads[-1]])


def _front_runs(load: Load, root: Path, repeat: int) -> dict[str, list[Run]]:
    commands = {POOL: pool(load.hosts * load.slots), FULL: evals()}
    return in_turns({name: partial(_many, load, root, command) for name, command in commands.items()}, repeat)


def _many(load: Load, root: Path, command: Sequence[str]) -> Run:
    """So many hosts that they share a few processes: an interpreter each would take the machine for themselves."""
    started = [Servers(load.hosts // HELPERS, load.slots, load.latency) for _ in range(HELPERS)]
    return _measured(root, command, started)


def _parts(root: Path, repeat: int) -> dict[str, list[Run]]:
    """Parts of what a run does, alone: for the last one's files have to be there."""
    (run,) = (path.name for path in (root / "data" / "runs").iterdir())
    commands = {"collect": evals("--collect-only"), "replay": evals("--replay", run)}
    runs = {name: partial(_alone, root, command) for name, command in commands.items()}
    return in_turns(runs, repeat)


def _alone(root: Path, command: Sequence[str]) -> Run:
    return checked(measure(command, root, afresh=False))


def _show_front(done: dict[Load, dict[str, list[Run]]]) -> None:
    load = next(iter(done))
    print(f"\n{load.hosts} hosts x {load.slots} slots, {load.cases} cases, the mocks in {HELPERS} processes beside")
    print(
        f"{'latency':>9}{'offered/s':>11}  {'':14}{'asked/s':>9}{'slots used':>12}{'wall s':>8}{'x ideal':>9}"
        f"{'front ms/case':>15}{'mocks ms/case':>15}{'peak MB':>9}"
    )
    for load, rows in done.items():
        for name, runs in rows.items():
            rate, used = median(runs, lambda run: run.requests / run.span), median(runs, lambda run: run.used)
            cpu, mocks = (median(runs, figure) * 1000 / load.cases for figure in (_cpu, _mocks_cpu))
            offered, peak = load.hosts * load.slots / load.latency, median(runs, lambda run: run.peak) / 1e6
            wall = median(runs, lambda run: run.wall)
            print(
                f"{load.latency * 1000:6g} ms{offered:11.0f}  {name:14}{rate:9.0f}{used:12.1%}{wall:8.2f}"
                f"{wall / load.ideal:9.2f}{cpu:15.2f}{mocks:15.2f}{peak:9.0f}"
            )


def _show_parts(load: Load, parts: dict[str, list[Run]], done: dict[str, list[Run]]) -> None:
    """Differences between whole runs and their parts, each measured in a process of its own."""
    runs = {**parts, **done}
    cost = {name: median(of_one, _cpu) * 1000 / load.cases for name, of_one in runs.items()}
    rows = {
        "start, plan, collection (--collect-only)": cost["collect"],
        "walk, judging, reports (--replay, less that)": cost["replay"] - cost["collect"],
        "HTTP (the thread pool)": cost[POOL],
        "asking, journal, title files (what is left)": cost[FULL] - cost["replay"] - cost[POOL],
        "pytest evals": cost[FULL],
    }
    print(f"\nwhere the front's time goes at {load.latency * 1000:g} ms: processor ms/case")
    for name, each in rows.items():
        print(f"{name:48}{each:8.2f}{each / cost[FULL]:8.0%}")


def _cpu(run: Run) -> float:
    return run.cpu


def _mocks_cpu(run: Run) -> float:
    return run.mocks_cpu


_LOADS: dict[str, Callable[[Path | None, int, bool], None]] = {
    "even": _even,
    "slow": _slow,
    "killed": _killed,
    "front": _front,
}


if __name__ == "__main__":
    main()
