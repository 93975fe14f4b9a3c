"""How well the server's slots are used: `python -m benchmarks.saturation [--quick] [--repeat N]`.

The ideal is the sum of all latencies over the slots. Wall time is the whole process, from starting Python. Latencies
grow with the slots, so that the server always answers as many a second as 4 slots of 50 ms do: what a case costs the
machine is the business of `benchmarks.overhead`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.measuring import Run, checked, evals, in_turns, measure, median, mock, options, pool, project

POOL, ONE, FOUR = "thread pool", "pytest evals", "pytest evals -n 4"


@dataclass(frozen=True, slots=True)
class Load:
    """A workload: so many cases on so many slots; log-normal latencies where sigma is over 0."""

    cases: int
    slots: int
    latency: float
    sigma: float = 0.0

    @property
    def ideal(self) -> float:
        return self.cases * self.latency / self.slots

    def __str__(self) -> str:
        spread = "log-normal" if self.sigma else "constant"
        return f"{self.cases} cases, {self.slots} slots, {self.latency * 1000:g} ms {spread}"


LOADS = (
    Load(400, 4, 0.05),
    Load(400, 4, 0.05, sigma=1.0),
    Load(100, 1, 0.05),
    Load(400, 16, 0.2),
    Load(400, 16, 0.2, sigma=1.0),
    Load(400, 64, 0.8),
    Load(400, 64, 0.8, sigma=1.0),
    Load(100, 4, 0.5),
)
QUICK = (Load(24, 4, 0.02, sigma=1.0),)


def main() -> None:
    given = options(__doc__)
    given.add_argument("--load", type=int, help=f"only one of the loads, 1 to {len(LOADS)}")
    chosen = given.parse_args()
    loads = QUICK if chosen.quick else LOADS if chosen.load is None else LOADS[chosen.load - 1 : chosen.load]
    for load in loads:
        with project(load.cases, chosen.folder) as root:
            _show(load, in_turns(_runs(load, root), 1 if chosen.quick else chosen.repeat))


def _runs(load: Load, root: Path) -> dict[str, Callable[[], Run]]:
    commands = {POOL: pool(load.slots), ONE: evals(), FOUR: evals("-n4")}
    return {name: partial(_run, load, root, command) for name, command in commands.items()}


def _run(load: Load, root: Path, command: list[str]) -> Run:
    with mock(slots=load.slots, latency=load.latency, sigma=load.sigma) as url:
        return checked(measure(command, root, url))


def _show(load: Load, done: dict[str, list[Run]]) -> None:
    base = median(done[POOL], lambda run: run.wall)
    print(f"\n{load}: ideal {load.ideal:.2f} s")
    print(
        f"{'':20} {'wall s':>8} {'x ideal':>8} {'x pool':>8} {'slots used':>11} {'until last':>11} {'cpu ms/case':>12}"
    )
    for name, runs in done.items():
        wall = median(runs, lambda run: run.wall)
        used = f"{median(runs, lambda run: run.used):.1%}"
        until_last = f"{median(runs, lambda run: run.used_until_last):.1%}"
        cpu = median(runs, lambda run: run.cpu) * 1000 / load.cases
        print(
            f"{name:20} {wall:8.2f} {wall / load.ideal:8.2f} {wall / base:8.2f} {used:>11} {until_last:>11} {cpu:12.2f}"
        )


if __name__ == "__main__":
    main()
