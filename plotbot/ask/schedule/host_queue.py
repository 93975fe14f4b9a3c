"""A host as the scheduler uses it: what is asked there, by whom, whose turn it is, and whether it answers at all."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from plotbot.ask.servers.host import Host
from plotbot.ask.servers.host_client import TurnStart
from plotbot.records import Case, Exchange

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
TRIES_UNTIL_GIVEN_UP = 4
"""After so many tries in vain a host counts as gone: with the pauses between them that is three to four seconds."""


class HostLostError(Exception):
    """The process that asks a host is gone, and with it whatever it had in hand."""


@dataclass(slots=True, eq=False)
class HostQueue:
    """One host's host_queue.

    `ask` gets an exchange, `enter` begins a model's turn there; both are run by `executor`, which may be another
    process's or machine's. They raise only for a fault of the harness, `enter` also what says that the model cannot be
    asked there, both `HostLostError` where nobody is left to do it. `probe` and `look` are called here: `probe` raises
    `ServerProblem` while the host does not answer or is another one, `look` where it does not say what it serves now.
    `spare` is how many cases may be made ready beyond the window, so that the next one
    goes out the moment a slot falls free.
    """

    host: Host
    executor: Executor
    ask: Callable[[Case], Exchange]
    enter: Callable[[str], TurnStart]
    probe: Callable[[], None]
    look: Callable[[], Host]
    spare: int = 0
    model: str | None = field(default=None, init=False)
    entering: bool = field(default=False, init=False)
    in_hand: int = field(default=0, init=False)
    doubted: bool = field(default=False, init=False)
    set_aside: str | None = field(default=None, init=False)
    tries: int = field(default=0, init=False)
    usual_seconds: float = field(default=0.0, init=False)

    @property
    def name(self) -> str:
        return self.host.name

    @property
    def open(self) -> bool:
        """Whether it may be given something to do."""
        return self.set_aside is None and not self.doubted and not self.entering

    @property
    def gone(self) -> bool:
        """Whether it has been tried again in vain often enough."""
        return self.set_aside is not None and self.tries >= TRIES_UNTIL_GIVEN_UP

    @property
    def load(self) -> float:
        """What is in hand, as a share of the slots."""
        return self.in_hand / self.host.window

    @property
    def pause_seconds(self) -> float:
        """How long to wait before the next try; it doubles with each."""
        return min(FIRST_PAUSE_SECONDS * 2.0 ** max(self.tries - 1, 0), LONGEST_PAUSE_SECONDS)

    def answered(self, seconds: float) -> None:
        """Learn from an answer: the host is well, and so long it takes; 0 seconds are usual until one has come."""
        self.tries = 0
        self.usual_seconds += (seconds - self.usual_seconds) / 4 if self.usual_seconds else seconds

    def room(self, *, plenty: bool) -> bool:
        """Whether it can take another case; *plenty* says that enough are left for all, so that one may wait here."""
        return self.open and self.in_hand < self.host.window + (self.spare if plenty else 0)
