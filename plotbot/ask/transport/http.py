"""One HTTP exchange, bounded in time and memory, and never sent anywhere else than where it was addressed.

`requests` bounds every single read, not the whole: a server that trickles bytes would hold a request for ever. So a
watchdog shuts the socket of a late request down, wherever in its connect, headers or body it is.
"""

from __future__ import annotations

import http.client
import time
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import closing, suppress
from dataclasses import dataclass

import requests
from requests.adapters import DEFAULT_CA_BUNDLE_PATH
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, Timeout
from urllib3.exceptions import HTTPError, InvalidChunkLength, InvalidHeader, ReadTimeoutError

from plotbot.ask.transport.deadline import DeadlineThread, Flight, WatchedAdapter
from plotbot.errors import AskError
from plotbot.safe import one_line

CONNECT_SECONDS = 4.0
"""A connect cannot be cut short by another thread on every platform, and an interrupted run has five seconds."""
POOLED_CONNECTIONS = 256
_CHUNK_BYTES = 64 * 1024
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "plotbot"}
_FAILURES = (requests.RequestException, HTTPError, http.client.HTTPException, OSError)
_GARBLED = (http.client.HTTPException, InvalidHeader)
# Both are kinds of HTTPException, and so is InvalidChunkLength, which is a kind of IncompleteRead.
_BROKEN_OFF = (http.client.RemoteDisconnected, http.client.IncompleteRead)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back: header names in lower case, the decoded body, and the seconds it took in all."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class HttpSession:
    """A pool of connections for any number of threads, with one watchdog over all of them.

    `requests` prepares each address and its pool of connections once; what is sent goes straight into that pool, not
    through a Session: so no proxy variable, netrc, cookie or redirect has a say, and a request costs half of the time.
    (A Session that is told not to follow a redirect still reads its whole body, however large.)
    """

    def __init__(self) -> None:
        # As many pools as connections: one that falls out of the manager is closed, and may still be in use.
        self._adapter = WatchedAdapter(pool_connections=POOLED_CONNECTIONS, pool_maxsize=POOLED_CONNECTIONS)
        self._watchdog = DeadlineThread()
        self._addresses: dict[tuple[str, str], _Address] = {}

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
        """Exchange one request for its answer, whatever its status.

        *deadline_seconds* spans connect, headers and body together; *cap_bytes* caps the decoded body. A kept
        connection that the server had closed is replaced once, by a fresh one.

        Raises AskError `unreachable`, `timeout`, `too_large` or `protocol`; CancelledError after `close()`.
        """
        began = time.monotonic()
        address = self._address(method, url)
        outgoing = _Outgoing(address, {**address.headers, **headers}, json_body, began, deadline_seconds, cap_bytes)
        with suppress(_StaleConnectionError):
            return self._fly(outgoing, Flight(outgoing.deadline, fresh=False))
        return self._fly(outgoing, Flight(outgoing.deadline, fresh=True))

    def close(self) -> None:
        """End every request in flight at once, with CancelledError in its thread, and refuse further ones."""
        self._watchdog.close()
        self._adapter.close()

    def _address(self, method: str, url: str) -> _Address:
        known = self._addresses.get((method, url))
        if known is None:
            known = self._addresses[method, url] = _prepare(method, url, self._adapter)
        return known

    def _fly(self, outgoing: _Outgoing, flight: Flight) -> HttpAnswer:
        with self._watchdog.over(flight):
            try:
                answer = self._exchange(outgoing, flight)
            except (AskError, *_FAILURES) as error:
                raise _failure(error, outgoing, flight) from None
        # A body that the closing of its connection ends looks complete when the watchdog closed it.
        if (cut := _cut(outgoing, flight)) is not None:
            raise cut
        return answer

    def _exchange(self, outgoing: _Outgoing, flight: Flight) -> HttpAnswer:
        with closing(_send(outgoing)) as response:
            flight.answered = True
            headers = {name.lower(): value for name, value in response.headers.itermerged()}
            body = _decoded(_read(response, outgoing.cap_bytes), headers, outgoing.cap_bytes)
        return HttpAnswer(response.status, headers, body, time.monotonic() - outgoing.began)


@dataclass(frozen=True, slots=True)
class _Address:
    """A method and a URL, as `requests` prepares them, and the connections that lead there."""

    method: str
    url: str
    path: str
    headers: Mapping[str, str]
    pool: HTTPConnectionPool


@dataclass(frozen=True, slots=True)
class _Outgoing:
    """What is to be sent where, and its bounds; `began` is on the monotonic clock."""

    address: _Address
    headers: Mapping[str, str]
    json_body: bytes | None
    began: float
    seconds: float
    cap_bytes: int

    @property
    def deadline(self) -> float:
        return self.began + self.seconds


class _StaleConnectionError(Exception):
    """A kept connection turned out to be closed before anything came back on it."""


def _prepare(method: str, url: str, adapter: WatchedAdapter) -> _Address:
    try:
        prepared = requests.Request(method, url, headers=_HEADERS).prepare()
        pool = adapter.get_connection_with_tls_context(prepared, verify=DEFAULT_CA_BUNDLE_PATH)
    except requests.RequestException:
        raise AskError("unreachable", f"{one_line(url, 200)} is no address that can be asked.") from None
    assert isinstance(pool, HTTPConnectionPool)
    return _Address(method, str(prepared.url), adapter.request_url(prepared, None), dict(prepared.headers), pool)


def _send(outgoing: _Outgoing) -> BaseHTTPResponse:
    """The answer as soon as its headers are there. Raises what urllib3 raises; nothing is tried twice or followed."""
    left = max(outgoing.deadline - time.monotonic(), 0.001)
    headers = outgoing.headers
    if outgoing.json_body is not None:
        sized = {"Content-Type": "application/json", "Content-Length": str(len(outgoing.json_body))}
        headers = {**headers, **sized}
    return outgoing.address.pool.urlopen(
        outgoing.address.method,
        outgoing.address.path,
        body=outgoing.json_body,
        headers=headers,
        retries=False,
        redirect=False,
        assert_same_host=False,
        timeout=Timeout(connect=min(left, CONNECT_SECONDS), read=left),
        preload_content=False,
        decode_content=False,
    )


def _read(raw: BaseHTTPResponse, cap_bytes: int) -> bytes:
    """The body as it came over the wire. One growing buffer: a list of one-byte chunks takes forty times their size."""
    if raw.length_remaining is not None and raw.length_remaining > cap_bytes:
        raise _too_large(cap_bytes)
    body = bytearray()
    for chunk in raw.stream(_CHUNK_BYTES, decode_content=False):
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


def _cut(outgoing: _Outgoing, flight: Flight) -> AskError | CancelledError | None:
    if flight.cut is None:
        return None
    return CancelledError() if flight.cut is CancelledError else _late(outgoing)


def _late(outgoing: _Outgoing) -> AskError:
    return AskError(
        "timeout",
        f"No complete answer from {_host(outgoing)} within {outgoing.seconds:g} seconds. "
        "Raise REQUEST_TIMEOUT, lower MAX_TOKENS, or ask for less at once with MAX_IN_FLIGHT.",
    )


def _failure(error: Exception, outgoing: _Outgoing, flight: Flight) -> Exception:
    """What an exception means to whoever asked; being cut off explains every other one."""
    if (cut := _cut(outgoing, flight)) is not None:
        return cut
    if isinstance(error, AskError):
        return error
    if isinstance(error, requests.ReadTimeout | ReadTimeoutError) or time.monotonic() >= outgoing.deadline:
        return _late(outgoing)
    return _broken(tuple(_chain(error)), outgoing, flight)


def _broken(chain: tuple[BaseException, ...], outgoing: _Outgoing, flight: Flight) -> Exception:
    if _is_garbled(chain):
        return AskError("protocol", f"{_host(outgoing)} sent what is not HTTP: {_reason(chain)}.")
    if flight.reused and not flight.answered:
        return _StaleConnectionError()
    if flight.answered or any(isinstance(link, ConnectionResetError | BrokenPipeError) for link in chain):
        return AskError("unreachable", f"{_host(outgoing)} broke the connection off before its answer was complete.")
    return AskError("unreachable", f"Nothing answers at {_host(outgoing)} ({_reason(chain)}).")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_garbled(chain: tuple[BaseException, ...]) -> bool:
    return any(
        isinstance(link, _GARBLED) and (isinstance(link, InvalidChunkLength) or not isinstance(link, _BROKEN_OFF))
        for link in chain
    )


def _reason(chain: tuple[BaseException, ...]) -> str:
    """The operating system's words where there are any, else the name of the innermost exception."""
    told = [link.strerror for link in chain if isinstance(link, OSError) and link.strerror]
    return one_line(told[-1] if told else type(chain[-1]).__name__, 120)


def _host(outgoing: _Outgoing) -> str:
    scheme, _, rest = outgoing.address.url.partition("://")
    return one_line(f"{scheme}://{rest.partition('/')[0]}", 120)
