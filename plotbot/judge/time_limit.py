"""The time limit of judging: a schema that takes too long to check is at fault, not the reply.

jsonschema is Python code, so each of its keywords can look at the clock first. A few checks run without coming back to
it (a regular expression, for one): in a process that must not be held up they are not begun. The helper process
(`plotbot.judge.helper`) begins them, says so before, and is ended by its own watchdog.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from plotbot.errors import TooCostlyError

JUDGING_SECONDS = 1.2
"""How long judging a reply may take, wall time. With the start of a helper process, and with the pauses that a busy
machine makes between two looks at the clock, it is below 2 s."""


class OutOfTimeError(Exception):
    """The time is up while *keyword* is checked, a JSON path in the schema.

    `costly` is the innermost keyword around it that applies subschemas again and again; empty without one.
    """

    def __init__(self, keyword: str, costly: str = "") -> None:
        super().__init__(keyword, costly)
        self.keyword = keyword
        self.costly = costly


class NotHereError(Exception):
    """A check that cannot be stopped was met in a process that must not be held up."""


@dataclass(frozen=True, slots=True)
class Limit:
    """When judging must have ended, by `time.monotonic`; *announce* is told of each check that cannot be stopped.

    Without *announce* such checks raise `NotHereError`.
    """

    until: float
    announce: Callable[[str], None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.until

    def begin(self, keyword: str) -> None:
        """Announce a check that cannot be stopped, or raise `NotHereError`."""
        if self.announce is None:
            raise NotHereError
        self.announce(keyword)


_LIMIT: ContextVar[Limit | None] = ContextVar("plotbot_judging_limit", default=None)


@contextmanager
def limited(limit: Limit) -> Iterator[None]:
    """Have the checks of this thread keep to the limit."""
    token = _LIMIT.set(limit)
    try:
        yield
    finally:
        _LIMIT.reset(token)


def current_limit() -> Limit | None:
    """The limit that this thread's checks keep to."""
    return _LIMIT.get()


def too_costly(keyword: str) -> TooCostlyError:
    """The error for a reply that could not be judged in time. *keyword* is the place in the schema."""
    where = f"at {keyword}" if keyword else "by its schema"
    return TooCostlyError(
        f"judging this reply takes more than {JUDGING_SECONDS:g} s {where}: that is the schema's doing, not the "
        "model's; write that keyword so that less has to be tried",
        keyword,
    )
