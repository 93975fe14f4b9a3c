"""What a case costs the processor when the server takes no time: `python -m benchmarks.overhead [--quick]`.

Everything is on: requests, journal, title files, judging, reports. Processor time is that of the whole process, from
starting Python, and of the workers that it started; the baseline is a bare thread pool that keeps and judges nothing.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.measuring import Run, checked, evals, in_turns, measure, median, mock, options, pool, project

POOL = "thread pool"
CASES, QUICK_CASES, SLOTS = 1000, 50, 4
COMMANDS = {
    POOL: pool(SLOTS),
    "pytest evals": evals(),
    "  WRITE_STRATEGY=batch": evals("--write-strategy=batch"),
    "pytest evals -n 4": evals("-n4"),
}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--cases", type=int, default=CASES)
    chosen = parser.parse_args()
    cases = QUICK_CASES if chosen.quick else chosen.cases
    commands = dict(list(COMMANDS.items())[:2]) if chosen.quick else COMMANDS
    with project(cases, chosen.folder) as root:
        runs = {name: partial(_run, root, command) for name, command in commands.items()}
        _show(cases, in_turns(runs, 1 if chosen.quick else chosen.repeat))


def _run(root: Path, command: list[str]) -> Run:
    with mock(slots=SLOTS) as url:
        return checked(measure(command, root, url))


def _show(cases: int, done: dict[str, list[Run]]) -> None:
    base = median(done[POOL], lambda run: run.cpu)
    print(f"{cases} cases, no latency, {SLOTS} slots")
    print(f"{'':24} {'cpu ms/case':>12} {'x pool':>8} {'wall ms/case':>13} {'peak MB':>8}")
    for name, runs in done.items():
        cpu, wall = median(runs, lambda run: run.cpu), median(runs, lambda run: run.wall)
        peak = median(runs, lambda run: run.peak) / 1e6
        print(f"{name:24} {cpu * 1000 / cases:12.2f} {cpu / base:8.2f} {wall * 1000 / cases:13.2f} {peak:8.0f}")


if __name__ == "__main__":
    main()
