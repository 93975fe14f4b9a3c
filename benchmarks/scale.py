"""Whether a case in a large run costs what it costs in a small one: `python -m benchmarks.scale [--quick]`.

The server takes no time, answers are folded in batches, all reports are written. `collect` is a `--collect-only` run
of its own, `asking` the time from the first request in to the last reply out, `rest` what is neither: starting Python,
the last title files and the reports. Peak memory is that of the main process.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.measuring import Run, checked, evals, in_turns, measure, median, mock, options, project

SIZES, QUICK_SIZES, SLOTS = (1000, 10_000), (20, 60), 4


def main() -> None:
    parser = options(__doc__, repeat=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    chosen = parser.parse_args()
    sizes = QUICK_SIZES if chosen.quick else tuple(chosen.sizes)
    print(f"no latency, {SLOTS} slots, WRITE_STRATEGY=batch; milliseconds are for each case")
    print(f"{'cases':>7} {'wall s':>8} {'wall ms':>8} {'cpu ms':>8} {'ratio':>7} {'peak MB':>8} {'collect s':>10} {'asking s':>9} {'rest s':>7}")
    first = 0.0
    for cases in sizes:
        with project(cases, chosen.folder) as root:
            commands = {"run": evals("--write-strategy=batch"), "collect": evals("--collect-only")}
            runs = {name: partial(_run, root, command) for name, command in commands.items()}
            first = _show(cases, in_turns(runs, 1 if chosen.quick else chosen.repeat), first)


def _run(root: Path, command: list[str]) -> Run:
    with mock(slots=SLOTS) as url:
        return checked(measure(command, root, url))


def _show(cases: int, done: dict[str, list[Run]], first: float) -> float:
    """Print a row; gives the wall time a case of the first row, to which the others' ratio is."""
    runs = done["run"]
    wall, span = median(runs, lambda run: run.wall), median(runs, lambda run: run.span)
    collect = median(done["collect"], lambda run: run.wall)
    cpu, peak = median(runs, lambda run: run.cpu) * 1000 / cases, median(runs, lambda run: run.peak) / 1e6
    each = wall * 1000 / cases
    first = first or each
    rest = wall - collect - span
    print(f"{cases:7} {wall:8.2f} {each:8.2f} {cpu:8.2f} {each / first:7.2f} {peak:8.0f} {collect:10.2f} {span:9.2f} {rest:7.2f}")
    return first


if __name__ == "__main__":
    main()
