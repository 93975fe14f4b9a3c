"""What a run still does once it should stop: `python -m benchmarks.stopping [--quick]`.

`-x` after the first failure: how many requests were sent beyond the tests that ran; asked for on an answer that cannot
be known before its test has run. Ctrl-C while every slot's request hangs: how long until the process is gone.
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.measuring import Run, checked, evals, in_turns, interrupt_when, measure, median, mock, options, project

CASES, SLOTS, FAILING = 100, 4, 20
LATENCY = 0.05
_INTERRUPTED, _FAILED = 2, 1


def main() -> None:
    chosen = options(__doc__).parse_args()
    with project(CASES, chosen.folder) as root:
        rows = {"-x": lambda: _first_failure(root), "-x -n 4": lambda: _first_failure(root, "-n4")}
        rows |= {"Ctrl-C": lambda: _interrupted(root), "Ctrl-C -n 4": lambda: _interrupted(root, "-n4")}
        done = in_turns(rows, 1 if chosen.quick else chosen.repeat)
    print(f"{CASES} cases, {SLOTS} slots, {LATENCY * 1000:g} ms")
    print(f"{'':12} {'status':>7} {'requests':>9} {'beyond':>7} {'seconds to the end':>19}")
    for name, runs in done.items():
        requests = max(run.requests for run in runs)
        beyond = max(run.requests - _ran(run) for run in runs)
        print(f"{name:12} {runs[0].status:7} {requests:9} {beyond:7} {median(runs, lambda run: run.wall):19.2f}")


def _first_failure(root: Path, *arguments: str) -> Run:
    scenario = root / "scenario.json"
    rules = [{"nth": [FAILING], "reply": "This is no JSON."}]
    scenario.write_text(json.dumps({"rules": rules}), encoding="utf-8")
    with mock(slots=SLOTS, latency=LATENCY, scenario=scenario) as url:
        return checked(measure(evals("-x", *arguments), root, url), _FAILED)


if __name__ == "__main__":
    main()
