"""One HTTP exchange, bounded in time and memory, and sent nowhere but to the address it was meant for.

Every request has a connection of its own. On a kept one nothing distinguishes the answer to this request from a late,
repeated or unasked-for answer to an earlier one, and a title would get another title's reply. A new connection costs
0.1 to 0.2 ms, and a model takes seconds.

The timeout of urllib3 bounds each read, not the whole: a server that trickles bytes would hold a request for ever. So
the deadline thread shuts down the socket of a late request, in its connect, its headers or its body.
"""

from __future__ import annotations

import http.client
import ssl
import time
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import closing, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, InvalidChunkLength, InvalidHeader, ReadTimeoutError

from plotbot.ask.transport.connection import CA_FILE, Connection, TlsConnection, tls_context, without_server_warnings
from plotbot.ask.transport.deadline import DeadlineThread, RequestInFlight
from plotbot.errors import AskError
from plotbot.safe import one_line

CONNECT_SECONDS = 4.0
"""Not every platform lets another thread end a connect, and an interrupted run has five seconds to end."""
_CHUNK_BYTES = 64 * 1024
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": "plotbot",
}
# http.client reads numbers and texts of the server with int() and decode(), and passes their errors on.
_UNREADABLE = (ValueError, ArithmeticError)
_HTTP_ERRORS = (HTTPError, http.client.HTTPException, OSError, *_UNREADABLE)
_NOT_HTTP = (http.client.HTTPException, InvalidHeader, *_UNREADABLE)
# Both are kinds of HTTPException, and so is InvalidChunkLength, which is a kind of IncompleteRead.
_BROKEN_OFF = (http.client.RemoteDisconnected, http.client.IncompleteRead)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer: header names in lower case, the decoded body, and the seconds from the request to its last byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class HttpSession:
    """Makes requests for any number of threads, with one deadline thread for all of them.

    `requests` prepares each address once. What is sent goes straight into a connection of urllib3's, not through a
    Session: no proxy variable, netrc, cookie or redirect changes where a request goes.
    """

    def __init__(self) -> None:
        self._deadlines = DeadlineThread()
        self._endpoints: dict[str, _Endpoint] = {}

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        deadline_seconds: float,
        cap_bytes: int,
        json_body: bytes | None = None,
    ) -> HttpAnswer:
        """Send a request and return its answer, whatever the status.

        *deadline_seconds* spans connect, headers and body together; *cap_bytes* caps the decoded body.

        Raises AskError `unreachable`, `timeout`, `too_large` or `protocol`; CancelledError after `close()`;
        SettingsError for an SSL_CERT_FILE that cannot be used.
        """
        started = time.monotonic()
        endpoint = self._endpoint(url)
        sent = {**_HEADERS, **headers}
        return self._exchange(_Request(endpoint, method, sent, json_body, started, deadline_seconds, cap_bytes))

    def close(self) -> None:
        """End every request in flight at once, with CancelledError in its thread, and refuse further ones."""
        self._deadlines.close()

    def _endpoint(self, url: str) -> _Endpoint:
        known = self._endpoints.get(url)
        if known is None:
            known = self._endpoints[url] = _prepare(url)
        return known

    def _exchange(self, request: _Request) -> HttpAnswer:
        in_flight = RequestInFlight(request.deadline)
        with self._deadlines.watch(in_flight):
            try:
                with without_server_warnings():
                    answer = _send_and_read(request, in_flight)
            except (AskError, *_HTTP_ERRORS) as error:
                raise _translated(error, request, in_flight) from None
        # A body that ends with its connection looks complete when the deadline thread ended the connection.
        if (abort := _abort_error(request, in_flight)) is not None:
            raise abort
        return answer


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """Where a URL leads; `tls` is None for plain HTTP."""

    origin: str
    host: str
    port: int | None
    path: str
    tls: ssl.SSLContext | None

    def connection(self, in_flight: RequestInFlight, seconds: float) -> Connection:
        """A new connection, not yet opened, that takes so many seconds to open at most."""
        if self.tls is None:
            return Connection(in_flight, self.host, self.port, timeout=seconds)
        return TlsConnection(in_flight, self.host, self.port, timeout=seconds, ssl_context=self.tls)


@dataclass(frozen=True, slots=True)
class _Request:
    """What is sent to which endpoint, and its bounds; `started` is on the monotonic clock."""

    endpoint: _Endpoint
    method: str
    headers: Mapping[str, str]
    json_body: bytes | None
    started: float
    seconds: float
    cap_bytes: int

    @property
    def deadline(self) -> float:
        return self.started + self.seconds


def _prepare(url: str) -> _Endpoint:
    try:
        prepared = requests.Request("GET", url).prepare()
    except requests.RequestException:
        raise AskError("unreachable", f"{one_line(url, 200)} is no address that can be asked.") from None
    parts = urlsplit(str(prepared.url))
    tls = tls_context() if parts.scheme == "https" else None
    return _Endpoint(f"{parts.scheme}://{parts.netloc}", parts.hostname or "", parts.port, prepared.path_url, tls)


def _send_and_read(request: _Request, in_flight: RequestInFlight) -> HttpAnswer:
    left = max(request.deadline - time.monotonic(), 0.001)
    with closing(request.endpoint.connection(in_flight, min(left, CONNECT_SECONDS))) as connection:
        connection.connect()
        response = _send(request, connection)
        in_flight.answered = True
        headers = {name.lower(): value for name, value in response.headers.itermerged()}
        body = _decoded(_read(response, request.cap_bytes), headers, request.cap_bytes)
    return HttpAnswer(response.status, headers, body, time.monotonic() - request.started)


def _send(request: _Request, connection: Connection) -> BaseHTTPResponse:
    """Send the request, and return when the headers of its answer are there. Raises what urllib3 raises."""
    headers = request.headers
    if request.json_body is not None:
        sized = {"Content-Type": "application/json", "Content-Length": str(len(request.json_body))}
        headers = {**headers, **sized}
    connection.timeout = max(request.deadline - time.monotonic(), 0.001)
    # A server may refuse a request before it has read all of it: its answer says why.
    with suppress(BrokenPipeError):
        connection.request(
            request.method,
            request.endpoint.path,
            body=request.json_body,
            headers=headers,
            preload_content=False,
            decode_content=False,
        )
    return connection.getresponse()


def _read(response: BaseHTTPResponse, cap_bytes: int) -> bytes:
    """The body, still encoded. One growing buffer: a list of one-byte chunks takes forty times their size."""
    if response.length_remaining is not None and response.length_remaining > cap_bytes:
        raise _too_large(cap_bytes)
    body = bytearray()
    for chunk in response.stream(_CHUNK_BYTES, decode_content=False):
        body += chunk
        if len(body) > cap_bytes:
            raise _too_large(cap_bytes)
    return bytes(body)


def _decoded(body: bytes, headers: Mapping[str, str], cap_bytes: int) -> bytes:
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"identity", ""}:
        return body
    if encoding not in {"gzip", "x-gzip"}:
        raise AskError(
            "protocol", f"The server encoded its answer as {one_line(encoding, 40)}, which was not asked for."
        )
    unzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = unzip.decompress(body, cap_bytes + 1)
    except zlib.error:
        raise AskError("protocol", "The server's answer says it is gzip and is not.") from None
    if len(plain) > cap_bytes:
        raise _too_large(cap_bytes)
    if not unzip.eof:
        raise AskError("protocol", "The server's gzip answer ends before its end.")
    return plain


def _too_large(cap_bytes: int) -> AskError:
    return AskError("too_large", f"The server's answer is larger than {cap_bytes} bytes; the rest was not read.")


def _abort_error(request: _Request, in_flight: RequestInFlight) -> AskError | CancelledError | None:
    if in_flight.aborted is None:
        return None
    return CancelledError() if in_flight.aborted is CancelledError else _late(request)


def _late(request: _Request) -> AskError:
    if request.json_body is None:
        return AskError(
            "timeout",
            f"{_host(request)} accepts connections, but gave no complete answer within {request.seconds:g} seconds, "
            "although no model was asked. Look at its log, start it again, or correct LM_STUDIO_URL.",
        )
    return AskError(
        "timeout",
        f"No complete answer from {_host(request)} within {request.seconds:g} seconds. "
        "Raise REQUEST_TIMEOUT, lower MAX_TOKENS, or ask for less at once with MAX_IN_FLIGHT.",
    )


def _translated(error: Exception, request: _Request, in_flight: RequestInFlight) -> Exception:
    """The exception for the caller. An abort comes first: every other error may be a consequence of it."""
    if (abort := _abort_error(request, in_flight)) is not None:
        return abort
    if isinstance(error, AskError):
        return error
    if isinstance(error, ReadTimeoutError) or time.monotonic() >= request.deadline:
        return _late(request)
    return _connection_error(tuple(_chain(error)), request, in_flight)


def _connection_error(chain: tuple[BaseException, ...], request: _Request, in_flight: RequestInFlight) -> AskError:
    if any(isinstance(link, ssl.SSLCertVerificationError) for link in chain):
        return AskError(
            "protocol",
            f"The certificate of {_host(request)} is not accepted ({_reason(chain)}). If a private authority signed "
            f"it, name the file with that authority's certificate in the environment variable {CA_FILE}.",
        )
    if _is_not_http(chain):
        return AskError("protocol", f"{_host(request)} sent what is not HTTP: {_reason(chain)}.")
    if in_flight.answered or any(isinstance(link, ConnectionResetError | BrokenPipeError) for link in chain):
        return AskError("unreachable", f"{_host(request)} broke the connection off before its answer was complete.")
    return AskError("unreachable", f"Nothing answers at {_host(request)} ({_reason(chain)}).")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_not_http(chain: tuple[BaseException, ...]) -> bool:
    return any(
        isinstance(link, _NOT_HTTP) and (isinstance(link, InvalidChunkLength) or not isinstance(link, _BROKEN_OFF))
        for link in chain
    )


def _reason(chain: tuple[BaseException, ...]) -> str:
    """The operating system's error text if there is one, else the name of the innermost exception."""
    system_texts = [link.strerror for link in chain if isinstance(link, OSError) and link.strerror]
    return one_line(system_texts[-1] if system_texts else type(chain[-1]).__name__, 120)


def _host(request: _Request) -> str:
    return one_line(request.endpoint.origin, 120)
