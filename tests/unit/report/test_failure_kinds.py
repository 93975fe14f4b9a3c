from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from plotbot.records import Finding, ItemResult, RunRecords, Violation
from plotbot.report.failure_kinds import MOST_KINDS, failure_kinds, kind_lines

MakeRecords = Callable[..., RunRecords]


def with_violations(records: RunRecords, *paths: str, keyword: str = "type") -> RunRecords:
    """The records with a violation at each path, in the order of the items."""
    changed = {
        item.item: replace(records.results[item.item], violations=(Violation(path, keyword, "not of it"),))
        for item, path in zip(records.items, paths, strict=False)
    }
    return replace(records, results={**records.results, **changed})


def test_each_item_is_in_one_kind_and_the_most_frequent_comes_first(make_records: MakeRecords) -> None:
    schema = [(f"s{number}", "failed", "schema", "") for number in range(3)]
    others = [("f", "failed", "fenced", ""), ("g", "passed", "ok", ""), ("e", "error", "timeout", ""), None]
    records = with_violations(make_records(*schema, *others), "$[0].tone", "$[4].tone", "$[0].themes[2]")
    kinds = failure_kinds(records)
    assert [(kind.label, kind.count) for kind in kinds] == [
        ("schema: tone type", 2),
        ("schema: themes[] type", 1),
        ("fenced", 1),
        ("timeout", 1),
    ]


def test_a_content_failure_is_known_by_its_check(make_records: MakeRecords) -> None:
    records = make_records(("a", "failed", "content", ""))
    found: ItemResult = replace(records.results["a"], findings=(Finding("$[0]", "placeholder", "m"),))
    [kind] = failure_kinds(replace(records, results={"a": found}))
    assert kind.label == "content: placeholder"


def test_fields_that_a_model_made_up_cannot_flood_or_harm_a_terminal(make_records: MakeRecords) -> None:
    count = MOST_KINDS + 30
    records = make_records(*((f"i{number}", "failed", "schema", "") for number in range(count)))
    paths = (f"$[0].\x1b[2J{number}\u202e{'x' * 500}" for number in range(count))
    lines = kind_lines(failure_kinds(with_violations(records, *paths)), 80)
    assert len(lines) == MOST_KINDS + 1
    assert lines[-1] == "30 of 30 more kinds"
    assert max(map(len, lines)) < 200
    assert all(line.isprintable() for line in lines)
