"""One connection for one request, so that no byte that a server sends too late or twice can reach another request."""

from __future__ import annotations

import errno
import http.client
import ipaddress
import os
import socket
import ssl
import struct
import sys
from functools import lru_cache

from plotbot.ask.transport.deadline import RequestInFlight
from plotbot.errors import SettingsError
from plotbot.safe import one_line

CA_FILE = "SSL_CERT_FILE"
_SWITCHING_PROTOCOLS = 101
_SPARE_SECONDS = 1.0
"""Added to the system's limit for one read or write, so that the deadline thread ends a late request first."""
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")
_LONGEST_SIZE_LINE = 1024


class NotHttpError(http.client.HTTPException):
    """The server's answer breaks a rule of HTTP; the message says which."""


def tls_context() -> ssl.SSLContext:
    """Trusts the authorities of this machine, and those in the file that SSL_CERT_FILE names, else certifi's.

    Raises SettingsError if that file cannot be used.
    """
    import certifi  # noqa: PLC0415  servers at home speak plain HTTP

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


class Response(http.client.HTTPResponse):
    """The final response: http.client passes over the interim status 100 alone, not over all 1xx (RFC 9110, 15.2)."""

    def begin(self) -> None:
        super().begin()
        while 100 <= self.status < 200 and self.status != _SWITCHING_PROTOCOLS:
            self.headers = self.msg = None  # type: ignore[assignment]  # begin() does nothing while they are set
            super().begin()

    def _read_next_chunk_size(self) -> int:
        """The size of the next chunk. http.client would take a negative one, and read on without a bound.

        Raises NotHttpError, and IncompleteRead if the connection ends within the line.
        """
        line = self.fp.readline(_LONGEST_SIZE_LINE)
        digits = line.partition(b";")[0].strip()
        if digits and _HEX_DIGITS.issuperset(digits) and line.endswith(b"\n"):
            return int(digits, 16)
        if line.endswith(b"\n") or len(line) == _LONGEST_SIZE_LINE:
            raise NotHttpError("a chunk without a size")
        raise http.client.IncompleteRead(b"")


class Connection(http.client.HTTPConnection):
    """A connection for one request that the deadline thread can end in its connect, TLS handshake, request and answer.

    It sends a request in one piece, which spares server and client a wake-up; http.client sends headers and body apart.
    """

    response_class = Response
    _unsent: list[bytes] | None = None

    def __init__(self, in_flight: RequestInFlight, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        super().__init__(host, port)
        # http.client leaves the port out of the Host header if it is this one.
        self.default_port = http.client.HTTP_PORT if tls is None else http.client.HTTPS_PORT
        self._in_flight = in_flight
        self._tls = tls

    def open(self, connect_seconds: float, seconds: float) -> None:
        """Connect within *connect_seconds*, TLS included; *seconds* bound each read and write from then on.

        Raises OSError.
        """
        opened = self._connected(connect_seconds)
        self.sock = opened
        self._in_flight.use(opened)
        if self._tls is None:
            _limit(opened, seconds)
            return
        opened.settimeout(connect_seconds)
        self.sock = encrypted = self._tls.wrap_socket(opened, server_hostname=self.host, do_handshake_on_connect=False)
        self._in_flight.use(encrypted)
        encrypted.do_handshake()
        encrypted.settimeout(seconds)

    def _connected(self, seconds: float) -> socket.socket:
        family = _family(self.host)
        if family is None:
            return _resolved_and_connected(self.host, self.port, seconds)
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _limit(opened, seconds)
            opened.connect((self.host, self.port))
        except BlockingIOError:
            opened.close()
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None
        except BaseException:
            opened.close()
            raise
        return opened

    def request_in_one_piece(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> None:
        self._unsent = []
        try:
            self.request(method, path, body, headers)
        finally:
            whole, self._unsent = b"".join(self._unsent), None
        self.sock.sendall(whole)

    def send(self, data: bytes) -> None:  # type: ignore[override]  # only bytes are sent here
        if self._unsent is None:
            super().send(data)
        else:
            self._unsent.append(data)


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


def _resolved_and_connected(host: str, port: int, seconds: float) -> socket.socket:
    try:
        opened = socket.create_connection((host, port), seconds)
    except UnicodeError as error:
        raise OSError(errno.EINVAL, f"not a host's name: {error}") from None
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


def _limit(connection: socket.socket, seconds: float) -> None:
    """Limit the connect, each read and each write of a socket.

    On Linux the system keeps the limit. A timeout of Python's would have the interpreter wait in poll() before each
    call, so hand itself over to other threads twice as often; that costs a run more than the exchange itself.
    """
    if sys.platform != "linux":
        connection.settimeout(seconds)
        return
    if connection.gettimeout() is not None:
        connection.settimeout(None)
    whole, fraction = divmod(seconds + _SPARE_SECONDS, 1)
    limit = struct.pack("@ll", int(whole), int(fraction * 1e6))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
