from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from plotbot.measure.tally import UNKNOWN_MODEL, Tally, items_by_row, missing_parts, tally_of, total_tally
from plotbot.records import PlannedItem, RunRecords

MakeRun = Callable[..., RunRecords]


def _tallies(records: RunRecords) -> dict[str, Tally]:
    return {row.label: tally_of(row, items, records) for row, items in items_by_row(records).items()}


def test_every_planned_item_is_in_exactly_one_box(make_run: MakeRun) -> None:
    outcomes = ["passed", "passed", "failed", "error", "skipped"]
    records = make_run(*({"model": "a", "outcome": outcome} for outcome in outcomes), {"model": "a"}, {"model": "a"})
    tally = _tallies(records)["a"]
    assert tally == Tally("a", passed=2, failed=1, error=1, skipped=1, not_run=2)
    assert tally.planned == len(records.items) == 7
    assert tally.rated == 3


def test_models_come_in_plan_order_and_are_counted_apart(make_run: MakeRun) -> None:
    records = make_run({"model": "z", "outcome": "passed"}, {"model": "a"}, {"model": "z", "outcome": "failed"})
    assert list(_tallies(records).values()) == [Tally("z", passed=1, failed=1), Tally("a", not_run=1)]


def test_an_outcome_of_a_later_version_stays_in_the_sum_as_an_error(make_run: MakeRun) -> None:
    assert _tallies(make_run({"model": "a", "outcome": "postponed"}))["a"] == Tally("a", error=1)


def test_an_item_whose_case_is_missing_still_counts(make_run: MakeRun) -> None:
    records = dataclasses.replace(make_run({"model": "a"}), cases={})
    assert _tallies(records) == {UNKNOWN_MODEL: Tally(UNKNOWN_MODEL, not_run=1)}


def test_an_item_that_is_planned_twice_counts_once(make_run: MakeRun) -> None:
    records = make_run({"model": "a", "outcome": "passed"})
    twice = dataclasses.replace(records, items=(*records.items, PlannedItem("test[0]", "case0")))
    assert _tallies(twice)["a"].planned == 1


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_total_adds_all_models(count: int) -> None:
    total = total_tally([Tally("m", 1, 2, 3, 4, 5)] * count)
    assert total == Tally("", count, 2 * count, 3 * count, 4 * count, 5 * count)


@pytest.mark.parametrize(
    ("header", "missing"),
    [
        ({}, ()),
        ({"merged": {"of": 2, "parts": [1, 2]}}, ()),
        ({"merged": {"of": 4, "parts": [1, 3]}}, ("2/4", "4/4")),
    ],
)
def test_a_merged_run_knows_which_parts_it_has_not_got(header: dict[str, object], missing: tuple[str, ...]) -> None:
    assert missing_parts(header) == missing
