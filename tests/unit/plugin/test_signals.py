from __future__ import annotations

import signal
import sys
import threading
from types import FrameType, TracebackType

import pytest

from plotbot.plugin.signals import in_one_piece, keep_traceable


def _frame_with_an_instruction_without_line() -> FrameType:
    # The compiler gives no line to what it adds for the end of an except clause.
    try:
        return sys._getframe()
    except ValueError as error:
        raise KeyError from error


def test_an_interrupt_between_two_lines_can_be_shown() -> None:
    frame = _frame_with_an_instruction_without_line()
    instruction = next(start for start, _end, line in frame.f_code.co_lines() if line is None)
    lineless = TracebackType(None, frame, instruction, -1)
    here = sys._getframe()
    interrupt = KeyboardInterrupt().with_traceback(TracebackType(lineless, here, here.f_lasti, here.f_lineno))
    excinfo = pytest.ExceptionInfo.from_exception(interrupt)
    if lineless.tb_lineno is None:
        with pytest.raises(TypeError):
            excinfo.getrepr(funcargs=True)
    keep_traceable(excinfo)
    assert "KeyboardInterrupt" in str(excinfo.getrepr(funcargs=True))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_until_a_result_is_noted_and_a_second_one_does_not(
    number: signal.Signals,
) -> None:
    done: list[int] = []

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def note(interrupts: int) -> None:
        with in_one_piece():
            for _ in range(interrupts):
                signal.raise_signal(number)
            done.append(interrupts)

    before = signal.signal(number, interrupted)
    try:
        note(0)
        for interrupts in (1, 2):
            with pytest.raises(KeyboardInterrupt):
                note(interrupts)
        assert signal.getsignal(number) is interrupted
    finally:
        signal.signal(number, before)
    assert done == [0, 1]


def test_only_the_main_thread_has_handlers_and_what_is_ignored_stays_so() -> None:
    seen: list[object] = []

    def look() -> None:
        with in_one_piece():
            seen.append(signal.getsignal(signal.SIGINT))

    here = threading.Thread(target=look)
    here.start()
    here.join()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        look()
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [before, signal.SIG_IGN]
