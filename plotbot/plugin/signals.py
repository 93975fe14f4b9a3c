"""Stopping from outside: SIGTERM is what Ctrl-C is, and a second Ctrl-C does not cut the end short."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from plotbot.records import ExitStatus

LAST_SECONDS = 5.0

_Handler = Callable[[int, FrameType | None], object] | int | None


class Signals:
    """This process's handlers while a session runs; pytest's own come back with `restore`.

    By itself SIGTERM runs no teardown at all, so batches and recorder would be left behind. And a second Ctrl-C would
    raise in the midst of a teardown and leave the shell a status that says nothing.
    """

    def __init__(self) -> None:
        self._before: dict[int, _Handler] = {}

    def listen(self) -> None:
        """From now on SIGTERM interrupts, as Ctrl-C does."""
        self._handle(signal.SIGTERM, _interrupt)

    def end_in_peace(self) -> None:
        """The run is ending: another signal gives the end a limit instead of breaking into it."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handle(number, _hurry)

    def restore(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)

    def _handle(self, number: int, handler: Callable[[int, FrameType | None], object]) -> None:
        # Only the main thread may set handlers; a session in another one keeps those that there are.
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(number, handler)
            self._before.setdefault(number, before)


def leave_out_what_has_no_line(excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Make sure that pytest can show where an interrupt came.

    It may come between two lines. CPython 3.11 then knows no line number, and pytest's report of it fails.
    """
    excinfo.traceback = excinfo.traceback.filter(_has_a_line)


def _has_a_line(entry: Any) -> bool:
    try:
        return isinstance(entry.lineno, int)
    except TypeError:
        return False


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt("terminated")


def _hurry(_number: int, _frame: FrameType | None) -> None:
    sys.stderr.write(f"\nplotbot: keeping what was answered; {LAST_SECONDS:g} seconds at most\n")
    cut = threading.Timer(LAST_SECONDS, os._exit, [int(ExitStatus.INTERRUPTED)])
    cut.daemon = True
    cut.start()
