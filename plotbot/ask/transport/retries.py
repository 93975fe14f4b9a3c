"""When a request is tried again, on which host, and after which pause. Every part of the rule is in this module.

1. Only a fault is tried again: no usable answer arrived. A reply that arrived is final, however bad it is.
2. The fault must be transient. Its category decides (`TRANSIENT_CATEGORIES`), unless the server's own text tells more:
   a rule in `plotbot.ask.transport.server_errors` may say otherwise for its text, and a body that was cut off is
   transient.
3. The client of the host tries again, at most REQUEST_RETRY_LIMIT times after the first attempt. With several hosts it
   does not try again after a fault in `ELSEWHERE_FIRST`.
4. The failover (`plotbot.ask.schedule.failover`) takes over a fault in `ELSEWHERE_FIRST`, of a run's only host
   `unreachable` alone. It asks the host by GET whether it is there. A host that answers keeps its place, and with
   several hosts the case is asked again within the same limit, on another host if possible. A host that does not
   answer is set aside, and its cases are asked again whatever they have been through.
5. The failover also takes over every other fault that the client's tries did not end, while there is a host on which
   the case has not failed: it is asked there. A fault in `HOST_FAULTS` sets its host aside, unless the case has failed
   on another host before. Once there is no such host, the case's last fault is final.
6. The pause before a try doubles with each failure (`backoff_seconds`). The client begins with 0.5 s, ends with 8 s
   and waits a random 50 to 100 % of that, so that requests that failed together do not return together. It waits at
   least as long as the server's Retry-After asks, of which 30 s count.
"""

from __future__ import annotations

import email.utils
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from plotbot.records import Fault

TRANSIENT_CATEGORIES = frozenset({"unreachable", "timeout", "server_busy", "model_crashed", "model_unloaded"})
"""Faults that may be gone at the next try."""
ELSEWHERE_FIRST = frozenset({"unreachable", "timeout"})
"""Faults after which another host is a better place for the next try than the same one."""
HOST_FAULTS = frozenset({
    "server_busy", "auth", "model_unavailable", "model_crashed", "model_unloaded", "wrong_model",
    "protocol", "http_error", "too_large",
})  # fmt: skip
"""Faults that most likely are the host's and not the case's, so that the host is given no more cases for a while."""

FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 8.0
LONGEST_RETRY_AFTER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How one host's client tries again: at most *limit* further times, the first after *first_backoff* seconds.

    *only_host* is False in a run that can ask the same case on another host.
    """

    limit: int = 3
    only_host: bool = True
    first_backoff: float = FIRST_BACKOFF_SECONDS

    def allows(self, fault: Fault, attempts: int) -> bool:
        """Whether the client may try again after a transient fault; *attempts* counts those made."""
        here = self.only_host or fault.category not in ELSEWHERE_FIRST
        return here and may_try_again(attempts, self.limit)

    def pause_seconds(self, attempts: int, retry_after: float) -> float:
        """How long to wait before the next attempt; *retry_after* is what the server asks for."""
        jitter = random.uniform(0.5, 1.0)  # noqa: S311  it spreads retries, it guards nothing
        return max(backoff_seconds(attempts, self.first_backoff, LONGEST_BACKOFF_SECONDS) * jitter, retry_after)


def is_transient(category: str) -> bool:
    """Whether asking again can help, as far as a category alone can tell."""
    return category in TRANSIENT_CATEGORIES


def may_try_again(attempts: int, limit: int) -> bool:
    """Whether a case that was sent *attempts* times may be sent once more, with *limit* tries after the first."""
    return attempts <= limit


def backoff_seconds(failures: int, first: float, longest: float) -> float:
    """Exponential backoff: *first* seconds after one failure, twice as many after each further one, up to *longest*."""
    return min(first * 2.0 ** max(failures - 1, 0), longest)


def retry_after_seconds(headers: Mapping[str, str]) -> float:
    """The pause that a Retry-After header asks for (RFC 9110, 10.2.3), at most 30 s; 0 without a readable one."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value) else _seconds_until(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def _seconds_until(date: str) -> float:
    return email.utils.parsedate_to_datetime(date).timestamp() - time.time()
