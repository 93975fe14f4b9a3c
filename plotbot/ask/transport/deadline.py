"""The thread that ends late requests, and the connections that tell it which socket to shut down.

`requests` and urllib3 offer no total deadline and no way to end a request from another thread. Shutting the request's
socket down does both: the thread that connects, writes or reads on it wakes up at once.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_LONGEST_SLEEP_SECONDS = 3600.0

AbortReason = type[TimeoutError] | type[CancelledError]


class RequestInFlight:
    """One request while it is under way, and the socket that it uses at the moment.

    `deadline` is on the monotonic clock. `fresh` asks for a connection that carried no request before. `reused` says
    that the request went out on a kept connection, `answered` that its headers came back, `aborted` why it was ended
    early, if it was.
    """

    def __init__(self, deadline: float, *, fresh: bool) -> None:
        self.deadline = deadline
        self.fresh = fresh
        self.reused = False
        self.answered = False
        self.aborted: AbortReason | None = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def uses(self, connection: socket.socket) -> bool:
        return self._socket is connection

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


_CURRENT: ContextVar[RequestInFlight] = ContextVar("request_in_flight")
"""This thread's request: `requests` passes nothing of the caller's down to the connection that it picks."""


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
        token = _CURRENT.set(request)
        try:
            yield
        finally:
            _CURRENT.reset(token)
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


class _HttpConnection(HTTPConnection):
    """A connection that reports its socket to this thread's request in flight, when it is opened and when it is reused.

    It sends a request in one piece, which spares server and client a wake-up; urllib3 sends headers and body apart.
    """

    _unsent: list[bytes] | None = None

    def connect(self) -> None:
        super().connect()
        _CURRENT.get().use(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        in_flight = _CURRENT.get()
        # urllib3 opens a TLS connection before this call, a plain one while it sends.
        if self.sock is not None and not in_flight.uses(self.sock):
            self._reuse_for(in_flight)
        self._unsent = []
        try:
            super().request(*args, **kwargs)
        finally:
            whole, self._unsent = b"".join(self._unsent), None
        self.send(whole)

    def send(self, data: Any) -> None:
        if self._unsent is None:
            super().send(data)
        else:
            self._unsent.append(data)

    def _reuse_for(self, in_flight: RequestInFlight) -> None:
        if in_flight.fresh:
            self.close()  # sending opens it again
            return
        in_flight.reused = True
        in_flight.use(self.sock)


class _HttpsConnection(_HttpConnection, HTTPSConnection):
    """The same over TLS."""


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


class AbortableAdapter(HTTPAdapter):
    """An adapter for `requests` whose connections can be shut down by the deadline thread."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
