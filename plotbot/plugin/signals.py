"""SIGTERM as a clean stop: by itself it runs no teardown at all, so that batches and books would be left behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def terminate_cleanly() -> Iterator[None]:
    """While it holds, SIGTERM is what Ctrl-C is: pytest's own way to an end with every teardown run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt("terminated")
