"""Runs of rows, and the sheets of their verdicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from plotbot.fingerprint import Fingerprint
from plotbot.measure.verdict_sheet import SheetPart, VerdictSheet, verdict_sheet
from plotbot.records import Attempt, Case, Exchange, Fault, ItemResult, PlannedItem, Question, Reply, RunRecords, Title

AT = "2026-01-01T00:00:00Z"
QUESTIONS = {"hash-none": Question("Be odd.", {"type": "array"}, "none", "hash-none")}
GOOD, BAD = ("passed", "ok"), ("failed", "schema")


def run_of(*rows: Mapping[str, Any]) -> RunRecords:
    """A run of rows: `model`, and optionally `outcome`, `category`, `tolerated`, `case` and `exchange`.

    A row's `title`, `repeat`, `variant` and `format` are its case's. A row that names no title has one of its own.
    """
    keys = [row.get("case", f"case{number}") for number, row in enumerate(rows)]
    items = tuple(
        PlannedItem(row.get("item", f"test[{number}]"), key)
        for number, (key, row) in enumerate(zip(keys, rows, strict=True))
    )
    named = list(zip(items, rows, strict=True))
    return RunRecords(
        run="r1",
        header={},
        cases={item.case: _case(item.case, row) for item, row in named},
        items=items,
        exchanges={item.case: _exchange(item.case, **row["exchange"]) for item, row in named if "exchange" in row},
        results={item.item: _result(item, row) for item, row in named if "outcome" in row},
    )


def rows_of(*titles: tuple[str, Sequence[tuple[str, str]]]) -> list[dict[str, Any]]:
    return [
        {
            "model": "org/m", "title": title, "repeat": repeat, "outcome": outcome, "category": category,
            "tolerated": outcome == "passed" and category != "ok",
            "case": f"c-{title}-{repeat}", "item": f"evals/test_a.py::test_a[c-{title}-{repeat}]",
        }
        for title, results in titles
        for repeat, (outcome, category) in enumerate(results, start=1)
    ]  # fmt: skip


def sheet_of(*titles: tuple[str, Sequence[tuple[str, str]]], run: str = "r1") -> VerdictSheet:
    records = run_of(*rows_of(*titles))
    header = {"params": {"temperature": 0}, "fingerprints": {"org/m": {"sha256": "abc", "slots": 4, "server": "x"}}}
    return verdict_sheet(dataclasses.replace(records, run=run, header=header), QUESTIONS)


def changed(sheet: VerdictSheet, **fields: Any) -> VerdictSheet:
    return dataclasses.replace(sheet, parts=tuple(dataclasses.replace(part, **fields) for part in sheet.parts))


def only_part(sheet: VerdictSheet) -> SheetPart:
    (part,) = sheet.parts
    return part


def _case(key: str, row: Mapping[str, Any]) -> Case:
    form, title = row.get("format", "none"), Title(row.get("title", key), "A headline")
    return Case(key, key, row["model"], title, f"hash-{form}", form, row.get("repeat", 1), 7, row.get("variant", ""))


def _result(item: PlannedItem, row: Mapping[str, Any]) -> ItemResult:
    return ItemResult(
        item.case, item.item, row["outcome"], row.get("category", "ok"), tolerated=row.get("tolerated", False)
    )


def _exchange(
    case: str,
    seconds: float = 1.0,
    attempts: int = 1,
    hosts: Sequence[str] = (),
    fingerprint: Mapping[str, Any] | None = None,
    category: str = "unreachable",
    **reply: Any,
) -> Exchange:
    """*hosts* were asked in this order, and all but the last did not answer; *faulty*: nor did the last."""
    faulty = reply.pop("faulty", False)
    fault = Fault(category, "no answer")
    names = hosts or [""] * attempts
    failed = len(names) - (not faulty)
    tries = tuple(
        Attempt(AT, seconds, fault=fault if hosts and number < failed else None, host=host)
        for number, host in enumerate(names)
    )
    answer = None if faulty else Reply(**{"content": "[]", **reply})
    return Exchange(case, "m", AT, seconds, tries, reply=answer, fingerprint=Fingerprint.from_json(fingerprint or {}))
