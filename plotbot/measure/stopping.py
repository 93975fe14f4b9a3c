"""The sequential tests of a run, and what they say of a recorded one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from plotbot.errors import UsageProblem
from plotbot.measure.betting import Bets
from plotbot.measure.gate import GateResult, judge_gates, threshold_of
from plotbot.measure.metrics import ModelMetrics, measure_run
from plotbot.measure.sequential import SEQUENTIAL, checked_design, looks_of, refuse_untestable
from plotbot.measure.tally import ModelVariant, eval_of, items_by_row
from plotbot.measure.title_test import ChallengeTest, GateTest, Rule, TitleTest
from plotbot.records import Case, ItemResult, PlannedItem, RunRecords

GATE_TITLES = "gate_titles"
"""The key of a run's header under which the planned titles of each sequential gate are, by its row's label."""
CHALLENGES = "challenges"
"""The key under which a challenger's label has what it is compared with: `than`, its name, and either `row`, the label
of another row of the run, or `passed`, by case id whether the same question passed in a baseline."""
_BASELINE = "baseline "


@dataclass(frozen=True, slots=True)
class RowTests:
    """The tests of one row: it stops at the first that decides."""

    row: ModelVariant
    items: Sequence[str]
    gate: GateTest | None = None
    challenge: ChallengeTest | None = None

    @property
    def tests(self) -> Sequence[TitleTest]:
        return [test for test in (self.gate, self.challenge) if test is not None]

    @property
    def stop(self) -> int | None:
        """The number of items up to the look that decided: those beyond are not needed. None while undecided."""
        return min((test.stop for test in self.tests if test.stop is not None), default=None)

    @property
    def reached(self) -> int:
        """The number of items, in plan order, that are wanted up to the next look."""
        return min((test.reached for test in self.tests), default=len(self.items))

    @property
    def names(self) -> Iterable[str]:
        """The names under which the tests take outcomes, each once."""
        return dict.fromkeys(name for test in self.tests for name in test.place)

    def feed(self, name: str, outcome: str) -> None:
        """Take an outcome under a name that one of the tests heeds."""
        for test in self.tests:
            if name in test.place:
                test.feed(name, outcome)

    def feed_recorded(self, results: Mapping[str, ItemResult]) -> None:
        """Take the outcomes of a run's results, by item, as far as a test heeds them."""
        for name in self.names:
            if name in results:
                self.feed(name, results[name].outcome)


def titles_of_row(items: Sequence[PlannedItem], cases: Mapping[str, Case]) -> list[list[str]]:
    """The items of each title, where they stand beside each other in the plan."""

    def title(planned: PlannedItem) -> str:
        return cases[planned.case].title.id if planned.case in cases else planned.item

    return [[planned.item for planned in of_title] for _, of_title in groupby(items, key=title)]


def gate_rule(titles: Sequence[Sequence[str]], threshold: float, planned: int, every: int) -> Rule:
    """The test of a row: exact for one answer a title, by betting on shares where a title has several.

    Raises `UsageProblem` for a threshold or a number of titles that no test can have.
    """
    if all(len(items) == 1 for items in titles):
        return checked_design(threshold, planned, every)
    refuse_untestable(threshold, planned)
    return Bets(threshold, looks_of(planned, every))


def sequential_tests(
    items: Mapping[ModelVariant, Sequence[PlannedItem]],
    cases: Mapping[str, Case],
    thresholds: Mapping[str, float],
    every: int,
    header: Mapping[str, Any],
) -> dict[ModelVariant, RowTests]:
    """The tests of each row that has any. Raises `UsageProblem` for a threshold or size that none can have.

    The *header* of the run says how many titles were planned where *items* are not all, and what rows are challenged.
    """
    tests = {}
    challenges: Mapping[str, Any] = header.get(CHALLENGES) or {}
    for row, of_row in items.items():
        titles, threshold = titles_of_row(of_row, cases), threshold_of(row, thresholds)
        gate = challenge = None
        if threshold is not None:
            planned = (header.get(GATE_TITLES) or {}).get(row.label, len(titles))
            gate = GateTest(row, titles, gate_rule(titles, threshold, planned, every))
        if (told := challenges.get(row.label)) is not None:
            challenge = _challenge(row, titles, items, cases, told, every)
        if gate is not None or challenge is not None:
            tests[row] = RowTests(row, [planned.item for planned in of_row], gate, challenge)
    return tests


def judge_run(
    records: RunRecords, thresholds: Mapping[str, float], how: str, every: int
) -> tuple[tuple[ModelMetrics, ...], tuple[GateResult, ...]]:
    """The metrics of a run and its gates. A sequential gate's interval takes the place of the row's own."""
    metrics = measure_run(records)
    if how != SEQUENTIAL:
        return metrics, judge_gates(metrics, thresholds, how)
    try:
        tests = sequential_tests(items_by_row(records), records.cases, thresholds, every, records.header)
    except UsageProblem:
        # A damaged plan, or one of another version: no test of it is possible.
        return metrics, ()
    for of_row in tests.values():
        of_row.feed_recorded(records.results)
    gates = {row: test.gate.result() for row, test in tests.items() if test.gate is not None}
    told = {row: test.challenge.result() for row, test in tests.items() if test.challenge is not None}
    shown = [replace(one, challenge=told.get(one.tally.row)) for one in metrics]
    shown = [replace(one, interval=gates[row].interval) if (row := one.tally.row) in gates else one for one in shown]
    return tuple(shown), tuple(gates[one.tally.row] for one in metrics if one.tally.row in gates)


def _challenge(
    row: ModelVariant,
    titles: Sequence[Sequence[str]],
    items: Mapping[ModelVariant, Sequence[PlannedItem]],
    cases: Mapping[str, Case],
    told: Mapping[str, Any],
    every: int,
) -> ChallengeTest:
    passed: Mapping[str, bool] | None = told.get("passed")
    if passed is not None:
        rivals = {one.item: _BASELINE + one.item for one in items[row] if one.case in passed}
    else:
        others = dict(_questions((one for of, them in items.items() if of.label == told["row"] for one in them), cases))
        rivals = {item: others[asked] for asked, item in _questions(items[row], cases) if asked in others}
    test = ChallengeTest(row, titles, rivals, str(told["than"]), every)
    for one in items[row]:
        if passed is not None and one.item in rivals:
            test.feed(rivals[one.item], "passed" if passed[one.case] else "failed")
    return test


def _questions(items: Iterable[PlannedItem], cases: Mapping[str, Case]) -> Iterator[tuple[object, str]]:
    """What an item asks, whatever the model: its title, eval and repeat; with the item."""
    for one in items:
        case = cases.get(one.case)
        if case is not None:
            yield (case.title.id, case.title.text, eval_of(one.item, case), case.repeat), one.item
