"""A server's slots, first come, first served."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class FairSemaphore:
    """A context manager that so many threads at once get into. Whoever leaves hands his place to who waits longest.

    *count* is asked each time: a server tells its slots only once the model is loaded. A `threading.Semaphore` has no
    order: a thread that comes back at once overtakes one that waits, again and again, and with it the very case that
    the next test is about.
    """

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self._taken = 0
        self._lock = threading.Lock()
        self._turns: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        turn = threading.Lock()
        turn.acquire()
        with self._lock:
            self._turns.append(turn)
            self._let_in()
        turn.acquire()

    def __exit__(self, *_exception: object) -> None:
        with self._lock:
            self._taken -= 1
            self._let_in()

    def _let_in(self) -> None:
        while self._turns and self._taken < self._count():
            self._taken += 1
            self._turns.popleft().release()
