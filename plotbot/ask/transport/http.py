"""One HTTP exchange, bounded in time and memory, and sent nowhere but to the address it was meant for.

Every request has a connection of its own. On a kept one nothing distinguishes the answer to this request from a late,
repeated or unasked-for answer to an earlier one, and a title would get another title's reply. A new connection costs
0.1 to 0.2 ms, and a model takes seconds.

A socket's timeout bounds each read, not the whole: a server that trickles bytes would hold a request for ever. So the
deadline thread shuts down the socket of a late request, in its connect, its headers or its body.
"""

from __future__ import annotations

import http.client
import re
import ssl
import time
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import closing, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from plotbot.ask.transport.connection import CA_FILE, Connection, tls_context
from plotbot.ask.transport.deadline import DeadlineThread, RequestInFlight
from plotbot.errors import AskError
from plotbot.safe import one_line, plural

CONNECT_SECONDS = 4.0
"""Not every platform lets another thread end a connect, and an interrupted run has five seconds to end."""
_CHUNK_BYTES = 16 * 1024
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": "plotbot",
}
_PLAIN_ADDRESS = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?")
# http.client reads numbers and texts of the server with int() and decode(), and passes their errors on.
_UNREADABLE = (ValueError, ArithmeticError)
_HTTP_ERRORS = (http.client.HTTPException, OSError, *_UNREADABLE)
_NOT_HTTP = (http.client.HTTPException, *_UNREADABLE)
# Both are kinds of HTTPException.
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

    What is sent goes straight into a connection of http.client's: no proxy variable, netrc, cookie or redirect changes
    where a request goes.
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
    port: int
    path: str
    tls: ssl.SSLContext | None


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
    address = url if _PLAIN_ADDRESS.fullmatch(url) else _encoded(url)
    parts = urlsplit(address)
    tls = tls_context() if parts.scheme == "https" else None
    port = parts.port or (http.client.HTTP_PORT if tls is None else http.client.HTTPS_PORT)
    return _Endpoint(f"{parts.scheme}://{parts.netloc}", parts.hostname or "", port, parts.path or "/", tls)


def _encoded(url: str) -> str:
    """An address with its host as IDNA has it and its path in percent signs. Raises AskError `unreachable`."""
    import requests  # noqa: PLC0415  takes longer to load than a run takes to start, and few addresses need it

    try:
        return str(requests.Request("GET", url).prepare().url)
    except requests.RequestException:
        raise AskError("unreachable", f"{one_line(url, 200)} is no address that can be asked.") from None


def _send_and_read(request: _Request, in_flight: RequestInFlight) -> HttpAnswer:
    endpoint = request.endpoint
    with closing(Connection(in_flight, endpoint.host, endpoint.port, endpoint.tls)) as connection:
        left = max(request.deadline - time.monotonic(), 0.001)
        connection.open(min(left, CONNECT_SECONDS), left)
        in_flight.connected = True
        with closing(_send(request, connection)) as response:
            in_flight.answered = True
            headers = _merged(response)
            body = _decoded(_read(response, request.cap_bytes), headers, request.cap_bytes)
    return HttpAnswer(response.status, headers, body, time.monotonic() - request.started)


def _send(request: _Request, connection: Connection) -> http.client.HTTPResponse:
    """Send the request, and return when the headers of its answer are there. Raises what http.client raises."""
    headers = dict(request.headers)
    if request.json_body is not None:
        headers["Content-Type"] = "application/json"
    # A server may refuse a request before it has read all of it: its answer says why.
    with suppress(BrokenPipeError):
        connection.request_in_one_piece(request.method, request.endpoint.path, request.json_body, headers)
    return connection.getresponse()


def _merged(response: http.client.HTTPResponse) -> dict[str, str]:
    """The headers by their names in lower case; the values of a repeated one with commas between (RFC 9110, 5.3)."""
    merged: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        merged[key] = f"{merged[key]}, {value}" if key in merged else value
    return merged


def _read(response: http.client.HTTPResponse, cap_bytes: int) -> bytes:
    """The body, still encoded. One growing buffer: a list of one-byte chunks takes forty times their size."""
    left = response.length
    if left is not None and left > cap_bytes:
        raise _too_large(cap_bytes)
    body = bytearray()
    while chunk := response.read(_CHUNK_BYTES):
        body += chunk
        if len(body) > cap_bytes:
            raise _too_large(cap_bytes)
    # http.client raises this for a chunked body only.
    if left is not None and len(body) < left:
        raise http.client.IncompleteRead(bytes(body), left - len(body))
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
    return CancelledError() if in_flight.aborted is CancelledError else _late(request, in_flight)


def _late(request: _Request, in_flight: RequestInFlight) -> AskError:
    if not in_flight.connected:
        return _not_connected(request)
    if request.json_body is None:
        return AskError(
            "timeout",
            f"{_host(request)} accepts connections, but gave no complete answer within "
            f"{plural(request.seconds, 'second')}, although no model was asked. Look at its log, start it again, or "
            "correct LM_STUDIO_URL.",
        )
    return AskError(
        "timeout",
        f"No complete answer from {_host(request)} within {plural(request.seconds, 'second')}. "
        "Raise REQUEST_TIMEOUT, lower MAX_TOKENS, or ask for less at once with MAX_IN_FLIGHT.",
    )


def _not_connected(request: _Request) -> AskError:
    # A GET asks whether a server is there. One that is silent may be so for a while, unlike one that refuses.
    return AskError(
        "timeout" if request.json_body is None else "unreachable",
        f"{_host(request)} accepted no connection within {plural(min(request.seconds, CONNECT_SECONDS), 'second')}. "
        "Look whether its machine is on and reached from here, and whether it is overloaded, or correct LM_STUDIO_URL.",
    )


def _translated(error: Exception, request: _Request, in_flight: RequestInFlight) -> Exception:
    """The exception for the caller. An abort comes first: every other error may be a consequence of it."""
    if (abort := _abort_error(request, in_flight)) is not None:
        return abort
    if isinstance(error, AskError):
        return error
    if time.monotonic() >= request.deadline:
        return _late(request, in_flight)
    return _connection_error(tuple(_chain(error)), request, in_flight)


def _connection_error(chain: tuple[BaseException, ...], request: _Request, in_flight: RequestInFlight) -> AskError:
    if any(isinstance(link, ssl.SSLCertVerificationError) for link in chain):
        return AskError(
            "protocol",
            f"The certificate of {_host(request)} is not accepted ({_reason(chain)}). If a private authority signed "
            f"it, name the file with that authority's certificate in the environment variable {CA_FILE}.",
        )
    if not in_flight.connected and any(isinstance(link, TimeoutError) for link in chain):
        return _not_connected(request)
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
    return any(isinstance(link, _NOT_HTTP) and not isinstance(link, _BROKEN_OFF) for link in chain)


def _reason(chain: tuple[BaseException, ...]) -> str:
    """The operating system's error text if there is one, else the name of the innermost exception."""
    system_texts = [link.strerror for link in chain if isinstance(link, OSError) and link.strerror]
    return one_line(system_texts[-1] if system_texts else type(chain[-1]).__name__, 120)


def _host(request: _Request) -> str:
    return one_line(request.endpoint.origin, 120)
