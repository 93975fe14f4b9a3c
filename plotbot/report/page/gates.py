"""A sequential gate's course for the page: what each look saw, and what would have decided it."""

from __future__ import annotations

from typing import Any

from plotbot.measure.gate import GateLook, GateResult
from plotbot.report.formatting import NONE, percent


def gate_course(gate: GateResult) -> dict[str, Any] | None:
    """The looks of a gate, in numbers for the chart and in words for the table behind it; None without any look."""
    if not gate.course:
        return None
    heads = (
        ["after titles", "share of good answers", "95 % interval, from", "to"]
        if gate.shares
        else ["after titles", "pass rate", "FAIL at or below", "PASS at or above"]
    )
    return {
        "planned": gate.planned,
        "zone": not gate.shares,
        "looks": [[look.titles, look.rate, look.low, look.high] for look in gate.course],
        "heads": heads,
        "rows": [_words(look) for look in gate.course],
    }


def _words(look: GateLook) -> list[str]:
    return [
        f"{look.titles:,}",
        percent(look.rate),
        *(NONE if end is None else percent(end) for end in (look.low, look.high)),
    ]
