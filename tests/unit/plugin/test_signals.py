from __future__ import annotations

import sys
from types import FrameType, TracebackType

import pytest

from plotbot.plugin.signals import keep_traceable


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
