from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from plotbot.records import (
    Attempt,
    Case,
    Exchange,
    Fault,
    Fingerprint,
    ItemResult,
    PlannedItem,
    Reply,
    RunRecords,
    Title,
)

AT = "2026-01-01T00:00:00Z"


@pytest.fixture
def make_run() -> Callable[..., RunRecords]:
    """A run of rows: `model`, and where there are such `outcome`, `category`, `tolerated`, `case` and `exchange`.

    A row's `title`, `repeat` and `format` are its case's; each row has a title of its own where it names none.
    """

    def build(*rows: Mapping[str, Any]) -> RunRecords:
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

    return build


def _case(key: str, row: Mapping[str, Any]) -> Case:
    form, title = row.get("format", "none"), Title(row.get("title", key), "A headline")
    return Case(key, key, row["model"], title, f"hash-{form}", form, row.get("repeat", 1), 7)


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
