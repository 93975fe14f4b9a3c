"""How fast answers came: tokens per second, and who says so."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from plotbot.records import Exchange

SERVER, MEASURED, MIXED = "server", "measured", "mixed"


@dataclass(frozen=True, slots=True)
class Speed:
    """Generated tokens per second, and who says so.

    `source` is `server` (the server's own figure), `measured` (completion tokens / seconds of the last attempt,
    which holds queueing and the reading of the prompt too) or `mixed` (some cases of each).
    """

    tokens_per_second: float
    source: str


def speed_of(exchange: Exchange) -> Speed | None:
    """How fast one reply was generated: the server's figure where it tells one, else what was measured."""
    reply = exchange.reply
    if reply is None:
        return None
    told = reply.tokens_per_second
    if told is not None and math.isfinite(told) and told > 0:
        return Speed(told, SERVER)
    if not reply.completion_tokens or exchange.seconds <= 0:
        return None
    return Speed(reply.completion_tokens / exchange.seconds, MEASURED)


def typical_speed(exchanges: Iterable[Exchange]) -> Speed | None:
    """The median over all replies whose speed is known; None where there is none."""
    speeds = [speed for exchange in exchanges if (speed := speed_of(exchange)) is not None]
    if not speeds:
        return None
    sources = {speed.source for speed in speeds}
    return Speed(median(speed.tokens_per_second for speed in speeds), sources.pop() if len(sources) == 1 else MIXED)


def nearest_rank(values: Sequence[float], share: float) -> float | None:
    """The smallest of *values* that at least *share* of them do not exceed; None where there are none."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None
