"""The thread that ends late requests.

http.client offers no total deadline and no way to end a request from another thread. Shutting the request's socket down
does both: the thread that connects, writes or reads on it wakes up at once.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress

_LONGEST_SLEEP_SECONDS = 3600.0

AbortReason = type[TimeoutError] | type[CancelledError]


class RequestInFlight:
    """One request while it is under way, and the socket that it uses at the moment.

    `deadline` is on the monotonic clock. `connected` says that the server accepted the connection, `answered` that the
    headers came back, `aborted` why the request was ended early, if it was.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.connected = False
        self.answered = False
        self.aborted: AbortReason | None = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def use(self, connection: socket.socket) -> None:
        """Remember the socket; after an abort it is shut down at once."""
        with self._lock:
            self._socket = connection
            self._shut_down_if_aborted()

    def abort(self, reason: AbortReason) -> None:
        with self._lock:
            self.aborted = self.aborted or reason
            self._shut_down_if_aborted()

    def _shut_down_if_aborted(self) -> None:
        if self.aborted is not None and self._socket is not None:
            # SSLSocket.shutdown would drop the TLS state that the reading thread still uses.
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class DeadlineThread:
    """One daemon thread that aborts late requests. It sleeps until the earliest deadline, so it is rarely woken."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._in_flight: set[RequestInFlight] = set()
        self._asleep_until = 0.0
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextmanager
    def watch(self, request: RequestInFlight) -> Iterator[None]:
        """Enforce the deadline of a request that the calling thread makes. Raises CancelledError after `close()`."""
        self._add(request)
        try:
            yield
        finally:
            with self._wake:
                self._in_flight.discard(request)

    def close(self) -> None:
        """Abort every request and accept no further ones."""
        with self._wake:
            self._closed = True
            for request in self._in_flight:
                request.abort(CancelledError)
            self._wake.notify()

    def _add(self, request: RequestInFlight) -> None:
        with self._wake:
            if self._closed:
                raise CancelledError
            self._in_flight.add(request)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="plotbot-deadline", daemon=True)
                self._thread.start()
            elif request.deadline < self._asleep_until:
                self._wake.notify()

    def _run(self) -> None:
        with self._wake:
            while not self._closed:
                now = time.monotonic()
                self._abort_late(now)
                pending = (request.deadline for request in self._in_flight if request.aborted is None)
                self._asleep_until = min(pending, default=now + _LONGEST_SLEEP_SECONDS)
                self._wake.wait(min(self._asleep_until - now, _LONGEST_SLEEP_SECONDS))

    def _abort_late(self, now: float) -> None:
        for request in self._in_flight:
            if request.deadline <= now:
                request.abort(TimeoutError)
