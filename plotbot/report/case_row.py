"""One case in a report, read from its records."""

from __future__ import annotations

from dataclasses import dataclass

from plotbot.measure.speed import speed_of
from plotbot.records import Case, Exchange, ItemResult


@dataclass(frozen=True, slots=True)
class CaseRow:
    """What a page shows of one case.

    `outcome` is `passed`, `failed`, `error` or `skipped`. `slug` is the item's short name, `seconds` the last
    attempt's, `reply` what the model said, raw; None where nothing arrived. `host` answered, or was asked last.
    """

    slug: str
    title: str
    outcome: str
    category: str
    seconds: float
    tokens_per_second: float | None = None
    attempts: int = 0
    reply: str | None = None
    message: str = ""
    host: str = ""


def case_row(case: Case, result: ItemResult, exchange: Exchange | None) -> CaseRow:
    """The row of an item, from its records alone."""
    speed = None if exchange is None else speed_of(exchange)
    return CaseRow(
        slug=result.item.rpartition("::")[2],
        title=case.title.text,
        outcome=result.outcome,
        category=f"{result.category} (tolerated)" if result.tolerated else result.category,
        seconds=result.seconds if exchange is None else exchange.seconds,
        tokens_per_second=None if speed is None else speed.tokens_per_second,
        attempts=0 if exchange is None else len(exchange.attempts),
        reply=None if exchange is None else _said(exchange),
        message=result.message,
        host="" if exchange is None else exchange.host,
    )


def _said(exchange: Exchange) -> str | None:
    if exchange.reply is None:
        return exchange.raw.decode("utf-8", "backslashreplace") or None
    if not exchange.reply.reasoning:
        return exchange.reply.content
    return f"{exchange.reply.content}\n\n[reasoning]\n{exchange.reply.reasoning}"
