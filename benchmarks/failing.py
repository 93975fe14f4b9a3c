"""Whether failing costs more than passing: `python -m benchmarks.failing [--quick]`.

The server takes no time, answers are folded in batches. All cases pass, all fail in ten kinds, or every other one
fails, in one process and with four workers, in turns. `x pass` is the wall time against the run of the same size in
which all pass; `x first` is the wall time a case against the first size. Peak memory is that of the main process,
`terminal KB` all that the run wrote to stdout and stderr.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measuring import Run, checked, evals, in_turns, measure, median, mock, options, project

SIZES, QUICK_SIZES, SLOTS = (1000, 10_000), (20, 40), 4
PASSED, FAILED = 0, 1
DIGITS = {"all pass": "", "all fail": "0123456789", "half fail": "02468"}
"""Which last digits of a headline's number fail; each is a kind of failure."""
WORKERS: dict[str, tuple[str, ...]] = {"1": (), "-n 4": ("-n4",)}
_COLUMNS = ("cases", "workers", "", "wall s", "cpu s", "wall ms", "cpu ms", "x pass", "x first", "peak MB", "KB")
_SEED = {
    "title": "A goose is elected mayor",
    "core_event": "A goose wins the mayor's office by one vote.",
    "themes": ["power"],
    "tone": "dry",
    "conflict_type": "person vs society",
    "stakes": "the town's budget",
    "setting_hint": "a harbour town",
    "characters": ["the goose"],
    "potential_story_hooks": ["The goose signs a treaty.", "Nobody reads it."],
}


def replies() -> list[str]:
    """Ten bad replies, one for each last digit."""
    good = json.dumps([_SEED])
    without = [json.dumps([{k: v for k, v in _SEED.items() if k != name}]) for name in ("tone", "stakes", "themes")]
    broken = [json.dumps([{**_SEED, name: value}]) for name, value in (("tone", 7), ("characters", "a goose"))]
    return ["This is no JSON.", f"```json\n{good}\n```", good[:-9], json.dumps(_SEED), "", *without, *broken]


def rules(digits: str) -> list[dict[str, Any]]:
    """The mock's rules under which headlines with one of these last digits get a bad reply."""
    bad = replies()
    return [{"headline": rf"\d{digit}: ", "reply": bad[int(digit)]} for digit in digits]


def main() -> None:
    parser = options(__doc__, repeat=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--workers", nargs="+", choices=WORKERS, default=list(WORKERS))
    parser.add_argument("--kinds", nargs="+", choices=DIGITS, default=list(DIGITS))
    chosen = parser.parse_args()
    sizes = QUICK_SIZES if chosen.quick else tuple(chosen.sizes)
    workers = ["1"] if chosen.quick else chosen.workers
    print(f"no latency, {SLOTS} slots, WRITE_STRATEGY=batch; milliseconds are for each case")
    print(_row(_COLUMNS))
    first: dict[tuple[str, str], float] = {}
    for cases in sizes:
        with project(cases, chosen.folder) as root:
            for width in workers:
                runs = {kind: partial(_run, root, kind, width) for kind in chosen.kinds}
                _show(cases, width, in_turns(runs, 1 if chosen.quick else chosen.repeat), first)


def _run(root: Path, kind: str, width: str) -> Run:
    scenario = root / "scenario.json"
    scenario.write_text(json.dumps({"rules": rules(DIGITS[kind])}), encoding="utf-8")
    with mock(slots=SLOTS, scenario=scenario) as url:
        command = evals("--write-strategy=batch", *WORKERS[width])
        return checked(measure(command, root, url), FAILED if DIGITS[kind] else PASSED)


def _show(cases: int, width: str, done: dict[str, list[Run]], first: dict[tuple[str, str], float]) -> None:
    base = next(iter(done.values()))
    for kind, runs in done.items():
        wall, cpu = median(runs, lambda run: run.wall), median(runs, lambda run: run.cpu)
        each = first.setdefault((width, kind), wall / cases)
        figures = (wall, cpu, wall * 1000 / cases, cpu * 1000 / cases, wall / median(base, lambda run: run.wall))
        peak, written = median(runs, lambda run: run.peak) / 1e6, median(runs, lambda run: len(run.output.encode()))
        shown = (*figures, wall / cases / each, peak, written / 1024)
        print(_row([cases, width, kind, *(f"{figure:.2f}" for figure in shown)]), flush=True)


def _row(cells: Sequence[object]) -> str:
    return "".join(f"{cell!s:>10}" for cell in cells)


if __name__ == "__main__":
    main()
