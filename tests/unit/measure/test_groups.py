from __future__ import annotations

from itertools import product

import pytest

from plotbot.measure.groups import lower_tail, measure_groups
from plotbot.measure.metrics import measure_run
from plotbot.records import Case, ItemResult, PlannedItem, RunRecords, Title


def _records(groups: dict[str, list[tuple[int, int]]]) -> RunRecords:
    """A run whose groups have titles of these (passed, rated) answers."""
    cases, items, results = {}, [], {}
    for group, titles in groups.items():
        for number, (passed, rated) in enumerate(titles):
            for repeat in range(1, rated + 1):
                key = f"{group}-{number}-{repeat}"
                cases[key] = Case(key, key, "m", Title(f"{group}{number}", f"{group} {number}"), "h", "none", repeat, 1)
                items.append(PlannedItem(key, key, "kind", group))
                outcome = "passed" if repeat <= passed else "failed"
                results[key] = ItemResult(key, key, outcome, "ok" if outcome == "passed" else "schema")
    return RunRecords("r", {}, cases, tuple(items), {}, results)


def test_a_group_that_is_worse_than_the_rest_is_named_and_others_are_not() -> None:
    (metrics,) = measure_run(_records({"a": [(1, 1)] * 40, "b": [(1, 1)] * 38 + [(0, 1)] * 2, "c": [(0, 1)] * 12}))
    assert [(one.by, one.group, one.tally.passed, one.worse) for one in metrics.groups] == [
        ("kind", "c", 0, True),
        ("kind", "b", 38, False),
        ("kind", "a", 40, False),
    ]
    assert metrics.groups[0].pass_rate == 0.0
    assert metrics.groups[0].interval is not None
    assert metrics.groups[1].p == 1.0 or (metrics.groups[1].p or 0) > 0.5


def test_repeats_of_one_title_are_no_proof() -> None:
    """Twenty answers to one title, all bad, against ten good titles: one title may be bad by chance."""
    (metrics,) = measure_run(_records({"a": [(20, 20)] * 4, "b": [(0, 20)]}))
    assert not any(one.worse for one in metrics.groups)
    (many,) = measure_run(_records({"a": [(3, 3)] * 20, "b": [(0, 3)] * 12}))
    assert [one.group for one in many.groups if one.worse] == ["b"]


def test_without_groups_and_without_a_rest_there_is_nothing_to_say() -> None:
    records = _records({"a": [(1, 2)]})
    (metrics,) = measure_run(records)
    assert [(one.group, one.p, one.worse) for one in metrics.groups] == [("a", None, False)]
    assert measure_groups(metrics.tally.row, [PlannedItem("x", "x")], records) == ()


@pytest.mark.parametrize("in_all", [1, 7, 12])
def test_the_tail_is_fishers_exact_test(in_all: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    for good, rated in product(range(in_all + 1), range(1, in_all)):
        for passed in range(max(0, rated - (in_all - good)), min(rated, good) + 1):
            table = [[passed, rated - passed], [good - passed, in_all - rated - (good - passed)]]
            assert lower_tail(passed, rated, good, in_all) == pytest.approx(stats.fisher_exact(table, "less")[1])


def test_a_big_run_is_compared_at_once() -> None:
    assert lower_tail(40_000, 50_000, 81_000, 100_000) < 1e-9
