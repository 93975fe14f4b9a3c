"""Stopping from outside: SIGTERM interrupts as Ctrl-C does, and a second Ctrl-C does not cut the end of a run short."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from plotbot.errors import ExitStatus, interrupt

LAST_SECONDS = 5.0

_Handler = Callable[[int, FrameType | None], object] | int | None


class Signals:
    """This process's signal handlers while a session runs; `restore` puts pytest's own back.

    By default SIGTERM runs no teardown, so queued answers and the journal would be cut off. A second Ctrl-C would raise
    inside a teardown and give the shell an exit status that says nothing.
    """

    def __init__(self) -> None:
        self._before: dict[int, _Handler] = {}

    def listen(self) -> None:
        """Have SIGTERM interrupt the session from now on, as Ctrl-C does."""
        self._handle(signal.SIGTERM, interrupt)

    def end_with_a_limit(self) -> None:
        """The run is ending: have another signal limit the time for that, instead of breaking into it."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handle(number, _limit)

    def restore(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)

    def _handle(self, number: int, handler: Callable[[int, FrameType | None], object]) -> None:
        # Only the main thread may set handlers; a session in another thread leaves them as they are.
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(number, handler)
            self._before.setdefault(number, before)


@contextmanager
def in_one_piece() -> Iterator[None]:
    """Have an interrupt wait for the end of the context; a second one does not.

    A result that the journal has must be in pytest's own counts, and in JUnit's.
    """
    came: list[int] = []

    def wait(number: int, frame: FrameType | None) -> None:
        if came:
            handlers[number](number, frame)
        else:
            came.append(number)

    handlers = _python_handlers()
    for number in handlers:
        signal.signal(number, wait)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for number in came:
        handlers[number](number, None)


def _python_handlers() -> dict[int, Callable[[int, FrameType | None], object]]:
    """What an interrupt calls in this thread: nothing in any but the main one, and nothing where it is ignored."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    return {number: handler for number, handler in found.items() if callable(handler)}


def terminate() -> None:
    """End this process as a SIGTERM from outside does: with what was answered kept, where signals have handlers."""
    os.kill(os.getpid(), signal.SIGTERM)


def keep_exit_status() -> None:
    """Have the process end with its own exit status after an interrupt, instead of by SIGINT.

    CPython marks the process as interrupted if an interrupt leaves an `exec` of a string, such as the one by which a
    dataclass is made while a module loads, and dies by SIGINT in the end although the interrupt was handled. The next
    `exec` of a string takes the mark away (`run_eval_code_obj` in Python/pythonrun.c).
    """
    exec("")  # noqa: S102  see above


def keep_traceable(excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Leave out the traceback entries of an interrupt that have no line number.

    An interrupt may come between two lines. CPython 3.11 then knows no line number, and pytest's report of it fails.
    """
    excinfo.traceback = excinfo.traceback.filter(_has_a_line)


def _has_a_line(entry: Any) -> bool:
    try:
        return isinstance(entry.lineno, int)
    except TypeError:
        return False


def _limit(_number: int, _frame: FrameType | None) -> None:
    sys.stderr.write(f"\nplotbot: keeping what was answered; {LAST_SECONDS:g} seconds at most\n")
    cut = threading.Timer(LAST_SECONDS, os._exit, [int(ExitStatus.INTERRUPTED)])
    cut.daemon = True
    cut.start()
