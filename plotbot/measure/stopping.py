"""The sequential gates of a run, each fed with its row's verdicts in plan order.

Never in the order in which answers come: short replies come first, and failures are short. An error is no verdict: it
may turn out either way when the run is resumed. A row's test stops at the first look that decides whatever its errors
turn out to be; with an error before that look the verdict itself waits for `--resume`. A skipped item is no title.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from plotbot.errors import UsageProblem
from plotbot.measure.gate import GateResult, GateVerdict, judge_gates, threshold_of
from plotbot.measure.intervals import Interval
from plotbot.measure.metrics import ModelMetrics, measure_run
from plotbot.measure.sequential import SEQUENTIAL, Design, checked_design, sequential_interval, titles_to_settle
from plotbot.measure.tally import ModelVariant, items_by_row
from plotbot.records import RunRecords

GATE_TITLES = "gate_titles"
"""The key of a run's header under which the planned titles of each sequential gate are, by its row's label."""


@dataclass(slots=True)
class _Counts:
    passed: int = 0
    failed: int = 0
    error: int = 0

    @property
    def titles(self) -> int:
        return self.passed + self.failed + self.error


class SequentialTest:
    """One row's test. `feed` takes outcomes in any order and uses them in plan order."""

    def __init__(self, row: ModelVariant, items: Sequence[str], design: Design) -> None:
        self.row = row
        self.items = items
        self.design = design
        self._outcomes: dict[str, str] = {}
        self._begin()

    def _begin(self) -> None:
        self.stop: int | None = None
        """The number of items up to the look that decided: those beyond are not needed. None while undecided."""
        self._next = 0
        self._look = 0
        self._counts = _Counts()
        self._at_look: _Counts | None = None

    @property
    def reached(self) -> int:
        """The number of items, in plan order, up to which the next look reaches, unless items are skipped."""
        if self.stop is not None:
            return self.stop
        left = self.design.looks[self._look] - self._counts.titles if self._look < len(self.design.looks) else 0
        return min(self._next + left, len(self.items))

    def feed(self, item: str, outcome: str) -> bool:
        """Take an item's outcome; a later one, of a teardown or of a second try, replaces it.

        Return whether the test has stopped.
        """
        before = self._outcomes.get(item)
        self._outcomes[item] = outcome
        if before not in {None, outcome} and item in self.items[: self._next]:
            self._begin()
        while self.stop is None and self._next < len(self.items) and self.items[self._next] in self._outcomes:
            self._take(self._outcomes[self.items[self._next]])
        return self.stop is not None

    def result(self) -> GateResult:
        """The verdict so far; INCONCLUSIVE until a look decides, and while an error before that look waits."""
        counts = self._at_look or _Counts()
        verdict, waits = self._verdict(counts), counts.error if self.stop else self._counts.error
        shown = counts if self.stop is not None else self._counts
        rated = shown.passed + shown.failed
        rate = shown.passed / rated if rated else None
        ended = self._look == len(self.design.looks)
        return GateResult(
            self.row.model,
            verdict,
            SEQUENTIAL,
            self.design.threshold,
            rate,
            self._interval(),
            titles_to_settle(rate, self.design) if ended and verdict == "INCONCLUSIVE" and rate is not None else None,
            self.row.variant,
            titles=shown.titles,
            planned=self.design.titles,
            waits=waits,
        )

    def _take(self, outcome: str) -> None:
        self._next += 1
        if outcome not in {"passed", "failed", "error"}:
            return
        setattr(self._counts, outcome, getattr(self._counts, outcome) + 1)
        if self._look < len(self.design.looks) and self._counts.titles == self.design.looks[self._look]:
            counts = self._at_look = _Counts(self._counts.passed, self._counts.failed, self._counts.error)
            position, self._look = self._look, self._look + 1
            proved = counts.passed >= self.design.passes[position]
            if proved or counts.passed + counts.error <= self.design.fails[position]:
                self.stop = self._next

    def _verdict(self, counts: _Counts) -> GateVerdict:
        if self.stop is None or counts.error:
            return "INCONCLUSIVE"
        return "PASS" if counts.passed >= self.design.passes[self._look - 1] else "FAIL"

    def _interval(self) -> Interval | None:
        """The sequential interval after the last look; None before the first one, and where an error waits."""
        if self._at_look is None or self._at_look.error:
            return None
        return sequential_interval(self._at_look.passed, self.design, self._look - 1)


def sequential_tests(
    items: Mapping[ModelVariant, Sequence[str]],
    thresholds: Mapping[str, float],
    every: int,
    titles: Mapping[str, int] | None = None,
) -> dict[ModelVariant, SequentialTest]:
    """A test for each row that has a threshold. Raises `UsageProblem` for a threshold or size that none can have.

    *titles* is the planned number of titles by a row's label, where it is not that of its items.
    """
    tests = {}
    for row, of_row in items.items():
        threshold = threshold_of(row, thresholds)
        if threshold is not None:
            planned = (titles or {}).get(row.label, len(of_row))
            tests[row] = SequentialTest(row, of_row, checked_design(threshold, planned, every))
    return tests


def judge_run(
    records: RunRecords, thresholds: Mapping[str, float], how: str, every: int
) -> tuple[tuple[ModelMetrics, ...], tuple[GateResult, ...]]:
    """The metrics of a run and its gates. A sequential gate's interval takes the place of the row's own."""
    metrics = measure_run(records)
    if how != SEQUENTIAL:
        return metrics, judge_gates(metrics, thresholds, how)
    items = {row: [planned.item for planned in of_row] for row, of_row in items_by_row(records).items()}
    try:
        tests = sequential_tests(items, thresholds, every, records.header.get(GATE_TITLES))
    except UsageProblem:
        # A damaged plan, or one of another version: no test of it is possible.
        return metrics, ()
    for test in tests.values():
        for item in test.items:
            if (result := records.results.get(item)) is not None:
                test.feed(item, result.outcome)
    gates = {row: test.result() for row, test in tests.items()}
    shown = (replace(one, interval=gates[row].interval) if (row := one.tally.row) in gates else one for one in metrics)
    return tuple(shown), tuple(gates[one.tally.row] for one in metrics if one.tally.row in gates)
