"""Records as they are shared: what an eval or a fault says of files names no folder of this machine.

What the model or the server sent stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from plotbot.records import Exchange, Fault, ItemResult


def result_with(result: ItemResult, change: Callable[[str], str]) -> ItemResult:
    """A result with what its eval says, its message and its findings, changed."""
    if not result.message and not result.findings:
        return result
    findings = tuple(replace(finding, message=change(finding.message)) for finding in result.findings)
    return replace(result, message=change(result.message), findings=findings)


def exchange_with(exchange: Exchange, change: Callable[[str], str]) -> Exchange:
    """An exchange with the sentences of its faults changed."""
    if exchange.fault is None and all(attempt.fault is None for attempt in exchange.attempts):
        return exchange
    attempts = tuple(replace(one, fault=_changed(one.fault, change)) for one in exchange.attempts)
    return replace(exchange, attempts=attempts, fault=_changed(exchange.fault, change))


def _changed(fault: Fault | None, change: Callable[[str], str]) -> Fault | None:
    return None if fault is None else replace(fault, message=change(fault.message))
