"""One connection for one request, so that no byte that a server sends too late or twice can reach another request."""

from __future__ import annotations

import http.client
import ipaddress
import logging
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import certifi
from urllib3.connection import HTTPConnection, HTTPSConnection

from plotbot.ask.transport.deadline import RequestInFlight
from plotbot.errors import SettingsError
from plotbot.safe import one_line

CA_FILE = "SSL_CERT_FILE"
_SWITCHING_PROTOCOLS = 101
_QUIET: ContextVar[bool] = ContextVar("plotbot_quiet", default=False)


@contextmanager
def without_server_warnings() -> Iterator[None]:
    """Keep what urllib3 logs of a server's odd headers, with a traceback, out of the log of the test that waits.

    Only records of the calling thread are kept out: an eval may use urllib3 itself.
    """
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)


def _is_wanted(_record: logging.LogRecord) -> bool:
    return not _QUIET.get()


for _name in ("urllib3.connection", "urllib3.response"):
    logging.getLogger(_name).addFilter(_is_wanted)


def tls_context() -> ssl.SSLContext:
    """Trusts the authorities of this machine, and those in the file that SSL_CERT_FILE names, else certifi's.

    Raises SettingsError if that file cannot be used.
    """
    context = ssl.create_default_context()
    named = os.environ.get(CA_FILE)
    try:
        context.load_verify_locations(named or certifi.where())
    except OSError as error:
        raise SettingsError(
            f"environment: {CA_FILE} is {one_line(str(named), 200)}, which cannot be read as certificates "
            f"({one_line(error.strerror or type(error).__name__, 120)}). Name a PEM file, or unset it."
        ) from None
    return context


@lru_cache(maxsize=256)
def _family(host: str) -> socket.AddressFamily | None:
    """The family of an address in figures; None for a name, and for an address with a zone, which is resolved."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return socket.AF_INET
    return socket.AF_INET6 if address.scope_id is None else None


class _FinalResponse(http.client.HTTPResponse):
    """Reads on past interim answers (1xx, RFC 9110, 15.2); http.client itself does so for 100 alone."""

    def begin(self) -> None:
        super().begin()
        while 100 <= self.status < 200 and self.status != _SWITCHING_PROTOCOLS:
            self.headers = self.msg = None  # type: ignore[assignment]  # begin() does nothing while they are set
            super().begin()


class Connection(HTTPConnection):
    """A connection whose socket the deadline thread can shut down, in its connect, its TLS handshake and its request.

    It sends a request in one piece, which spares server and client a wake-up; urllib3 sends headers and body apart.
    """

    response_class = _FinalResponse
    _unsent: list[bytes] | None = None

    def __init__(self, in_flight: RequestInFlight, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_flight = in_flight

    def _new_conn(self) -> socket.socket:
        family = _family(self.host)
        opened = super()._new_conn() if family is None else self._opened(family)
        self._in_flight.use(opened)
        return opened

    def _opened(self, family: socket.AddressFamily) -> socket.socket:
        """A connection to an address in figures. Resolving it would hand the interpreter over once more a request.

        Raises OSError.
        """
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            for option in self.socket_options or ():
                opened.setsockopt(*option)
            opened.settimeout(self.timeout)
            opened.connect((self.host, self.port))
        except BaseException:
            opened.close()
            raise
        return opened

    def connect(self) -> None:
        super().connect()
        self._in_flight.use(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
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


class TlsConnection(Connection, HTTPSConnection):
    """The same over TLS."""
