"""How fast answers came: tokens per second, and how long the server worked on them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from plotbot.records import Exchange

SERVER, MEASURED, MIXED = "server", "measured", "mixed"


@dataclass(frozen=True, slots=True)
class Speed:
    """Generated tokens per second.

    `source` is `server` (the server's own figure), `measured` (completion tokens / seconds of the last attempt, which
    include queueing and the reading of the prompt) or `mixed` (some cases of each).
    """

    tokens_per_second: float
    source: str


@dataclass(frozen=True, slots=True)
class ServerTime:
    """Medians, in seconds, over the replies whose server told how long it worked on them.

    `working` is the server's own figure for reading the prompt and generating. `queueing` is the rest of the wall time:
    waiting for a slot, and the network.
    """

    working: float
    queueing: float


def speed_of(exchange: Exchange) -> Speed | None:
    """How fast one reply was generated: the server's figure if it tells one, else as measured. None without a reply."""
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
    """The median over all replies whose speed is known; None if none is."""
    speeds = [speed for exchange in exchanges if (speed := speed_of(exchange)) is not None]
    if not speeds:
        return None
    sources = {speed.source for speed in speeds}
    return Speed(median(speed.tokens_per_second for speed in speeds), sources.pop() if len(sources) == 1 else MIXED)


def server_time(exchanges: Iterable[Exchange]) -> ServerTime | None:
    """How long the server worked on a typical reply; None if it told that of no reply."""
    told = [
        (working, max(exchange.seconds - working, 0.0))
        for exchange in exchanges
        if exchange.reply is not None and (working := exchange.reply.working_seconds) is not None
    ]
    if not told:
        return None
    return ServerTime(median(working for working, _ in told), median(queueing for _, queueing in told))


def median_of(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def nearest_rank(values: Sequence[float], share: float) -> float | None:
    """The smallest of *values* that at least *share* of them do not exceed; None of no values."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None
