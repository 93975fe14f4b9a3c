"""What a run still does once it should stop: `python -m benchmarks.stopping [--quick]`.

`-x` after the first failure: how many requests were sent beyond the tests that ran. Ctrl-C while every slot's request
hangs: how long until the process is gone. Of the requests the largest number of all runs is shown.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measuring import Run, checked, evals, in_turns, interrupt_when, measure, median, mock, options, project

CASES, SLOTS, FAILING = 100, 4, 20
LATENCY, HANGING = 0.05, 90.0
FAILED, INTERRUPTED = 1, 2
_RAN = re.compile(r"(\d+) (?:passed|failed|errors?)\b")


def main() -> None:
    chosen = options(__doc__).parse_args()
    # A shell has its background jobs ignore Ctrl-C, and so would the runs that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with project(CASES, chosen.folder) as root:
        rows: dict[str, Callable[[], Run]] = {
            "-x": partial(_first_failure, root),
            "-x -n 4": partial(_first_failure, root, "-n4"),
            "Ctrl-C": partial(_interrupted, root),
            "Ctrl-C -n 4": partial(_interrupted, root, "-n4"),
        }
        if chosen.quick:
            rows = {name: rows[name] for name in ("-x", "Ctrl-C -n 4")}
        _show(in_turns(rows, 1 if chosen.quick else chosen.repeat))


def _first_failure(root: Path, *arguments: str) -> Run:
    scenario = root / "scenario.json"
    scenario.write_text(json.dumps({"rules": [{"nth": [FAILING], "reply": "This is no JSON."}]}), encoding="utf-8")
    with mock(slots=SLOTS, latency=LATENCY, scenario=scenario) as url:
        return checked(measure(evals("-x", *arguments), root, url), FAILED)


def _interrupted(root: Path, *arguments: str) -> Run:
    """What `wall` measures begins with Ctrl-C."""
    with mock(slots=SLOTS, latency=HANGING) as url:
        command = evals("--confirm=skip", *arguments)
        return checked(measure(command, root, url, meanwhile=interrupt_when(url, SLOTS)), INTERRUPTED)


def _show(done: dict[str, list[Run]]) -> None:
    print(f"{CASES} cases, {SLOTS} slots; -x: {LATENCY * 1000:g} ms, Ctrl-C: {HANGING:g} s")
    print(f"{'':12} {'status':>7} {'requests':>9} {'beyond':>7} {'seconds':>8}")
    for name, runs in done.items():
        beyond = max(run.requests - _ran(run) for run in runs)
        requests, wall = max(run.requests for run in runs), median(runs, lambda run: run.wall)
        print(f"{name:12} {runs[0].status:7} {requests:9} {beyond:7} {wall:8.2f}")


def _ran(run: Run) -> int:
    """The tests that were reported, from pytest's last line."""
    return sum(int(count) for count in _RAN.findall(run.output.rstrip().rpartition("\n")[2]))


if __name__ == "__main__":
    main()
