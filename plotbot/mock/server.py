"""The mock as a server: a thread with an event loop, a listening socket, HTTP/1.1, and a log of what came in."""

from __future__ import annotations

import asyncio
import copy
import itertools
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from plotbot.mock.model_store import ModelStore
from plotbot.mock.predict import Predictor
from plotbot.mock.routes import Routes
from plotbot.mock.scenario import Rulebook, Scenario
from plotbot.mock.slots import Stats
from plotbot.mock.wire import SHAPES, Request, Response, plainly

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


_T = TypeVar("_T")


class MockServer:
    """An LM Studio stand-in on a real socket. A context manager; every method may be called from any thread.

    `port=0` takes a free one. The newest *keep_requests* requests are kept in `requests`. OSError where the port is
    taken. Leaving the context raises whatever failed inside the mock itself.
    """

    def __init__(
        self,
        scenario: Scenario | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        keep_requests: int = 10_000,
    ) -> None:
        self.scenario = scenario or Scenario()
        self._host = host
        self._socket = _listening_socket(host, port)  # first: it may fail, and then nothing else is left open
        self._log: deque[Request] = deque(maxlen=keep_requests)
        self._stats = Stats()
        self._failures: list[BaseException] = []
        self._connections: set[Connection] = set()
        self._numbers = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._on_failure)
        self._thread = threading.Thread(target=self._loop.run_forever, name="plotbot-mock", daemon=True)
        self.port: int = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        """The server's root: `http://127.0.0.1:PORT`."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    @property
    def endpoint(self) -> str:
        """The full chat endpoint."""
        return f"{self.url}/v1/chat/completions"

    @property
    def requests(self) -> tuple[Request, ...]:
        """What was received, oldest first; a request is here before it is answered."""
        if not self._thread.is_alive():
            return tuple(self._log)
        return self._on_loop(lambda: tuple(self._log))

    def stats(self) -> Stats:
        """A copy of the figures; complete for every request whose answer has begun to arrive."""
        if not self._thread.is_alive():
            return copy.deepcopy(self._stats)
        return self._on_loop(lambda: copy.deepcopy(self._stats))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if error is None and self._failures:
            raise self._failures[0]

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def stop(self) -> None:
        """Close everything at once: connections under way are reset. May be called again."""
        if self._loop.is_closed():
            return
        if not self._thread.is_alive():
            self._socket.close()
            self._loop.close()
            return
        asyncio.run_coroutine_threadsafe(self._shut_down(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def swap(self, key: str, **changes: Any) -> None:
        """Put another build of a model in its place, from now on: *changes* are fields of its ModelSpec."""
        self._on_loop(lambda: self._models.swap(key, changes))

    def unload(self, instance_id: str) -> None:
        """Take a model away as the app's button does: what it is answering ends in an error."""
        self._on_loop(lambda: self._models.unload(instance_id))

    def _on_loop(self, function: Callable[[], _T]) -> _T:
        async def call() -> _T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()

    async def _listen(self) -> None:
        self._models = ModelStore(self.scenario, self._stats)
        rules = Rulebook(self.scenario)
        predictor = Predictor(self.scenario, self._models, rules, self._stats, self._stop_listening)
        self._routes = Routes(self.scenario, self._models, rules, self._stats, predictor)
        self._server = await self._loop.create_server(self._connect, sock=self._socket)

    def _connect(self) -> Connection:
        return Connection(next(self._numbers), self._answer, self.scenario.keep_alive, self._connections)

    async def _answer(self, request: Request) -> Response:
        self._log.append(request)
        return await self._routes.answer(request)

    def _stop_listening(self) -> None:
        self._server.close()
        for connection in list(self._connections):
            connection.reset()

    async def _shut_down(self) -> None:
        self._stop_listening()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _on_failure(self, _loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        self._failures.append(context.get("exception") or RuntimeError(context["message"]))


def _listening_socket(host: str, port: int) -> socket.socket:
    """Bound here and not on the loop, so that a taken port is an ordinary OSError for the caller."""
    if not 0 <= port <= 65_535:
        raise OSError(f"port {port} is not between 0 and 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)
