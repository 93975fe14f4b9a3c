"""HTTP/1.1 from LM Studio's side: one connection, one request at a time.

Hand-written because a mock must be able to break every rule of it, and must cost a benchmark next to nothing.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import cast

from plotbot.mock.shapes import SHAPES, plainly
from plotbot.mock.wire import Request, Response

_HEAD_LIMIT = 65_536
_BODY_LIMIT = 100_000_000
_LINGER = "hh" if sys.platform == "win32" else "ii"


@dataclass(frozen=True, slots=True)
class _Head:
    method: str
    target: str
    version: str
    headers: dict[str, str]
    size: int
    body_size: int

    @property
    def lasting(self) -> bool:
        wish = self.headers.get("connection", "").lower()
        return "close" not in wish and (self.version == "HTTP/1.1" or "keep-alive" in wish)


class Connection(asyncio.Protocol):
    """One client's connection. A client that goes away ends the work on its request, as LM Studio's does (BT#492).

    An idle connection is closed after *idle_seconds*, whatever the client thinks of it.
    """

    def __init__(
        self,
        number: int,
        answer: Callable[[Request], Awaitable[Response]],
        idle_seconds: float,
        open_connections: set[Connection],
    ) -> None:
        self.keep_alive: float | None = idle_seconds
        self._number = number
        self._answer = answer
        self._idle_seconds = idle_seconds
        self._open = open_connections
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._head: _Head | None = None
        self._task: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._served = 0
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._open.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._open.discard(self)
        self._stop_idling()
        self._writable.set()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._stop_idling()
        self._buffer += data
        self._next()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    async def drain(self) -> None:
        await self._writable.wait()

    async def pause(self, seconds: float | None) -> None:
        """Wait; for ever where *seconds* is None. The client's going away cancels it."""
        await (self._loop.create_future() if seconds is None else asyncio.sleep(seconds))

    def reset(self) -> None:
        """Close with RST, so that the client sees a reset and not an end."""
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(_LINGER, 1, 0))
        self._transport.abort()

    def _next(self) -> None:
        """Start on the next request, if the last one is answered and the buffer holds a whole one."""
        if self._task is not None:
            return
        try:
            request = self._take_request()
        except ValueError as error:
            self._give_up(str(error))
            return
        if request is not None:
            self._task = self._loop.create_task(self._serve(request))
            self._task.add_done_callback(self._done)

    def _take_request(self) -> Request | None:
        if self._head is None:
            self._head = _parse_head(self._buffer)
        head = self._head
        if head is None or len(self._buffer) < head.size + head.body_size:
            return None
        body = bytes(self._buffer[head.size : head.size + head.body_size])
        del self._buffer[: head.size + head.body_size]
        self._head = None
        self._served += 1
        self.keep_alive = self._idle_seconds if head.lasting else None
        reused = self._served > 1
        return Request(head.method, head.target, head.headers, body, self._number, reused, time.monotonic())

    async def _serve(self, request: Request) -> None:
        response = await self._answer(request)
        if request.method == "HEAD":
            response = replace(response, shape="head_only")
        send = plainly if response.shape is None else SHAPES[response.shape].send
        if not await send(self, response) or self.keep_alive is None:
            self._transport.close()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._transport.abort()
            self._loop.call_exception_handler({"message": "the mock failed", "exception": error})
        elif not self._transport.is_closing():
            self._start_idling()
            self._next()

    def _start_idling(self) -> None:
        self._idle = self._loop.call_later(self._idle_seconds, self._transport.close)

    def _stop_idling(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _give_up(self, reason: str) -> None:
        """What Node does with bytes that are no request, and with one that the mock cannot hold."""
        self._transport.write(f"HTTP/1.1 {reason}\r\nConnection: close\r\n\r\n".encode("ascii"))
        self._transport.close()


def _parse_head(buffer: bytearray) -> _Head | None:
    """The head at the start of the buffer, None while it is not whole.

    Raises ValueError with the status to refuse it with.
    """
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        if len(buffer) > _HEAD_LIMIT:
            raise ValueError("431 Request Header Fields Too Large")
        return None
    first, *lines = buffer[:end].decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise ValueError("400 Bad Request")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return _Head(parts[0], parts[1], parts[2], headers, end + 4, _body_size(headers))


def _body_size(headers: dict[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise ValueError("411 Length Required")  # the mock's own limit: no client of LM Studio's sends chunks
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise ValueError("400 Bad Request")
    if len(length) > 9 or int(length) > _BODY_LIMIT:
        raise ValueError("413 Payload Too Large")
    return int(length)
