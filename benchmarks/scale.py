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
COLUMNS = ("cases", "wall s", "wall ms", "cpu ms", "ratio", "peak MB", "collect s", "asking s", "rest s")


def main() -> None:
    parser = options(__doc__, repeat=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    chosen = parser.parse_args()
    sizes = QUICK_SIZES if chosen.quick else tuple(chosen.sizes)
    print(f"no latency, {SLOTS} slots, WRITE_STRATEGY=batch; milliseconds are for each case")
    print("".join(f"{column:>11}" for column in COLUMNS))
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
    figures = (wall, each, cpu, each / first, peak, collect, span, wall - collect - span)
    print(f"{cases:11}" + "".join(f"{figure:11.2f}" for figure in figures))
    return first


if __name__ == "__main__":
    main()
