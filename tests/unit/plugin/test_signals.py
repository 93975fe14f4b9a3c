from __future__ import annotations

import sys
from types import TracebackType

import pytest

from plotbot.plugin.signals import keep_traceable

NOWHERE = 1_000_000
"""An instruction that no line has, as an interrupt between two lines may leave it."""


def test_an_interrupt_between_two_lines_can_be_shown() -> None:
    frame = sys._getframe()
    lineless = TracebackType(None, frame, NOWHERE, -1)
    interrupt = KeyboardInterrupt().with_traceback(TracebackType(lineless, frame, frame.f_lasti, frame.f_lineno))
    excinfo = pytest.ExceptionInfo.from_exception(interrupt)
    if lineless.tb_lineno is None:
        with pytest.raises(TypeError):
            excinfo.getrepr(funcargs=True)
    keep_traceable(excinfo)
    assert "KeyboardInterrupt" in str(excinfo.getrepr(funcargs=True))
