"""How long the server itself worked on a reply, and how long the reply waited."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeGuard

from plotbot.records import Exchange, Reply

_LONGEST = 7 * 86_400.0


def working_seconds(reply: Reply) -> float | None:
    """The seconds that the server says it read the prompt and generated; None where it does not say both.

    llama-server tells them in `timings` (`prompt_ms`, `predicted_ms`), LM Studio's REST API v0 in `stats`
    (`time_to_first_token`, `generation_time`, in seconds); its OpenAI-compatible API tells nothing.
    """
    timings, stats = _object(reply.details.get("timings")), _object(reply.details.get("stats"))
    from_timings = _sum(timings.get("prompt_ms"), timings.get("predicted_ms"))
    if from_timings is not None:
        return from_timings / 1000
    return _sum(stats.get("time_to_first_token"), stats.get("generation_time"))


def queue_seconds(exchange: Exchange, working: float) -> float:
    """What is left of the last attempt's wall time: the queue before a slot was free, and the way there and back."""
    return max(exchange.seconds - working, 0.0)


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _sum(*parts: object) -> float | None:
    numbers = [part for part in parts if _is_time(part)]
    return sum(numbers) if len(numbers) == len(parts) else None


def _is_time(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value < 1000 * _LONGEST and math.isfinite(value)
