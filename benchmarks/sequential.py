"""Whole evals under a sequential gate, against a known truth: `python -m benchmarks.sequential [--runs 400] [--quick]`.

Each title of a run passes with a chance that is known, at a server whose failures take a tenth of the time of its
passes. Shown is how often each verdict came, beside how often it should (`plotbot gate --plan`), the titles on average,
and the most requests beyond a decision. It fails where a share is over four standard errors from what it should be, and
where a run has not decided what its titles say in plan order, be it in one process or, with `--workers`, in several.
"""

from __future__ import annotations

import contextlib
import json
import math
import multiprocessing
import os
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jsonschema
import pytest
import requests

import plotbot.report.markdown
import plotbot.run.finish
from benchmarks.measuring import mock, options, project
from plotbot.measure.sequential import Expectation, design, expectation

THRESHOLD, EVERY, SLOTS = 0.9, 20, 4
RATES = (0.98, 0.9, 0.8)
FAILS, PASSES = 0.0005, 0.005  # seconds
_LOADED = (jsonschema, requests, plotbot.report.markdown, plotbot.run.finish)
"""Loaded once: each run is a fork of this process."""


@dataclass(frozen=True, slots=True)
class _Decided:
    """How a run ended. `in_order` says that this is the end which its titles have in plan order."""

    verdict: str
    titles: int
    beyond: int
    in_order: bool


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--runs", type=int, default=400, help="runs for each rate (400)")
    parser.add_argument("--workers", type=int, default=0, help="xdist's workers in each run (none)")
    chosen = parser.parse_args()
    titles, runs = (40, 3) if chosen.quick else (200, chosen.runs)
    with project(1, chosen.folder) as root:
        scenario = root / "scenario.json"
        rules = [{"headline": "bad", "reply": "no", "latency": FAILS}, {"latency": PASSES}]
        scenario.write_text(json.dumps({"rules": rules}), encoding="utf-8")
        with mock(slots=SLOTS, scenario=scenario) as url:
            run = partial(_run, url, titles, chosen.workers, chosen.folder)
            found = {rate: _runs(run, rate, runs) for rate in RATES}
    print(
        f"{runs} runs of {titles} titles for each rate, threshold {THRESHOLD:.0%}, looks every {EVERY}, {SLOTS} slots"
    )
    print("true rate  verdict        came   should   titles  should   most requests beyond the decision")
    wrong = [rate for rate, decided in found.items() if not _show(rate, decided, titles)]
    sys.exit(f"not as computed: {', '.join(map(str, wrong))}" if wrong else 0)


def _runs(run: partial[_Decided], rate: float, runs: int) -> list[_Decided]:
    context = multiprocessing.get_context("fork")
    with context.Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        return pool.starmap(run, [(rate, number) for number in range(runs)], chunksize=1)


def _run(url: str, titles: int, workers: int, folder: Path | None, rate: float, number: int) -> _Decided:
    draw = random.Random(f"{rate} {number}")
    good = {f"t{n:05}": draw.random() < rate for n in range(titles)}
    with project(1, folder) as root:
        index = {name: f"Headline {name} is {'good' if fine else 'bad'}" for name, fine in good.items()}
        (root / "data" / "titles_index.json").write_text(json.dumps(index), encoding="utf-8")
        gate = ("--gate=sequential", f"--min-pass-rate={THRESHOLD}", f"--gate-every={EVERY}")
        asked = ("evals", "-q", f"--test-sample-size={titles}", f"--sample-seed={number}", "--confirm=skip", *gate)
        more = ("-n", str(workers)) if workers else ()
        # multiprocessing has closed it.
        vars(sys)["__stdin__"] = None
        os.chdir(root)
        with Path(os.devnull).open("w") as quiet, contextlib.redirect_stdout(quiet):
            pytest.main([*asked, *more, f"--lm-studio-url={url}"])
        os.chdir("/")
        return _decided(root, good)


def _decided(root: Path, good: Mapping[str, bool]) -> _Decided:
    (run,) = (root / "data" / "runs").iterdir()
    (model,) = json.loads((run / "summary.json").read_text(encoding="utf-8"))["models"]
    tally, gate = Counter(model["tally"]), model["gate"]
    if tally.pop("planned") != tally.total():
        sys.exit(f"cases are missing: {model['tally']}")
    asked = sum(
        '"kind":"exchange"' in line for line in (run / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    )
    plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    expected = _by_plan([good[case["title"]["id"]] for case in plan["cases"]])
    found = (gate["verdict"], gate["titles"])
    return _Decided(*found, asked - gate["titles"], in_order=found == expected)


def _by_plan(good: Sequence[bool]) -> tuple[str, int]:
    """What the boundaries say of these titles, in this order: the verdict, and after how many."""
    test = design(THRESHOLD, len(good), EVERY)
    for look, most, least in zip(test.looks, test.fails, test.passes, strict=True):
        passed = sum(good[:look])
        if passed >= least or passed <= most:
            return "PASS" if passed >= least else "FAIL", look
    return "INCONCLUSIVE", len(good)


def _show(rate: float, decided: Sequence[_Decided], titles: int) -> bool:
    """Print a rate's rows. Return whether each run, and each verdict's share, is what it should be."""
    told: Expectation = expectation(design(THRESHOLD, titles, EVERY), rate)
    came = Counter(one.verdict for one in decided)
    shares = (("PASS", told.passed), ("FAIL", told.failed), ("INCONCLUSIVE", told.inconclusive))
    mean, beyond = sum(one.titles for one in decided) / len(decided), max(one.beyond for one in decided)
    fits = beyond < SLOTS and all(one.in_order for one in decided)
    for verdict, chance in shares:
        share = came[verdict] / len(decided)
        error = math.sqrt(chance * (1 - chance) / len(decided))
        fits = fits and abs(share - chance) <= 4 * error + 1 / len(decided)
        rest = f"{mean:9.1f} {told.titles:7.1f}   {beyond}" if verdict == "PASS" else ""
        print(f"{rate:9.0%}  {verdict:12} {share:6.1%}   {chance:6.1%}{rest}")
    return fits


if __name__ == "__main__":
    main()
