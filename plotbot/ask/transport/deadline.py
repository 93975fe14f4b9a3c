"""The watchdog that ends late requests, and the connections that tell it which socket to shut.

`requests` and urllib3 offer no total deadline and no way to end a request from another thread. Shutting its socket down
does both: whoever reads from it wakes up, wherever in the connect, the headers or the body it was.
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

Cut = type[TimeoutError] | type[CancelledError]


class Flight:
    """One request on its way, and the socket that it is on at the moment.

    `deadline` is on the monotonic clock. `fresh` asks for a connection that nobody used before. `reused` says that it
    went out on a kept one, `cut` why it was ended, if it was.
    """

    def __init__(self, deadline: float, *, fresh: bool) -> None:
        self.deadline = deadline
        self.fresh = fresh
        self.reused = False
        self.answered = False
        self.cut: Cut | None = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def is_on(self, connection: socket.socket) -> bool:
        return self._socket is connection

    def board(self, connection: socket.socket) -> None:
        """Take a socket; one that comes too late, after the cut, is shut at once."""
        with self._lock:
            self._socket = connection
            self._shut_if_cut()

    def cut_off(self, why: Cut) -> None:
        with self._lock:
            self.cut = self.cut or why
            self._shut_if_cut()

    def _shut_if_cut(self) -> None:
        if self.cut is not None and self._socket is not None:
            # SSLSocket's own shutdown would take the TLS state from under the thread that is reading.
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


_CURRENT: ContextVar[Flight] = ContextVar("flight")
"""The flight of this thread: `requests` hands nothing of the caller's down to the connection that it picks."""


class DeadlineThread:
    """One daemon thread that cuts off late flights. Sleeping to the earliest deadline, it is rarely woken."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._flights: set[Flight] = set()
        self._asleep_until = 0.0
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextmanager
    def over(self, flight: Flight) -> Iterator[None]:
        """Watch a flight that this thread makes. Raises CancelledError after `close()`."""
        self._add(flight)
        mark = _CURRENT.set(flight)
        try:
            yield
        finally:
            _CURRENT.reset(mark)
            with self._wake:
                self._flights.discard(flight)

    def close(self) -> None:
        """Cut off every flight and take no further ones."""
        with self._wake:
            self._closed = True
            for flight in self._flights:
                flight.cut_off(CancelledError)
            self._wake.notify()

    def _add(self, flight: Flight) -> None:
        with self._wake:
            if self._closed:
                raise CancelledError
            self._flights.add(flight)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="plotbot-watchdog", daemon=True)
                self._thread.start()
            elif flight.deadline < self._asleep_until:
                self._wake.notify()

    def _watch(self) -> None:
        with self._wake:
            while not self._closed:
                now = time.monotonic()
                self._cut_off_late(now)
                pending = (flight.deadline for flight in self._flights if flight.cut is None)
                self._asleep_until = min(pending, default=now + _LONGEST_SLEEP_SECONDS)
                self._wake.wait(min(self._asleep_until - now, _LONGEST_SLEEP_SECONDS))

    def _cut_off_late(self, now: float) -> None:
        for flight in self._flights:
            if flight.deadline <= now:
                flight.cut_off(TimeoutError)


class _HttpConnection(HTTPConnection):
    """A connection that its flight knows, from its opening or from when it is used again.

    It sends a request in one piece, which spares server and client a wake-up; urllib3 sends headers and body apart.
    """

    _unsent: list[bytes] | None = None

    def connect(self) -> None:
        super().connect()
        _CURRENT.get().board(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        flight = _CURRENT.get()
        # urllib3 opens a TLS connection before it sends, and leaves a plain one to be opened by the sending.
        if self.sock is not None and not flight.is_on(self.sock):
            self._use_again(flight)
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

    def _use_again(self, flight: Flight) -> None:
        if flight.fresh:
            self.close()  # the sending opens it anew
            return
        flight.reused = True
        flight.board(self.sock)


class _HttpsConnection(_HttpConnection, HTTPSConnection):
    """The same over TLS."""


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


class WatchedAdapter(HTTPAdapter):
    """What `requests` sends through; its connections report to the flight of the thread that uses them."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
