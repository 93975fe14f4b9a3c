"""The mock as a server: a thread with an event loop of its own, a listening socket, and a log of what came in."""

from __future__ import annotations

import asyncio
import copy
import itertools
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from plotbot.mock.models import Shelf
from plotbot.mock.predict import Predictor
from plotbot.mock.protocol import Connection
from plotbot.mock.routes import Routes
from plotbot.mock.rules import Rulebook
from plotbot.mock.scenario import Scenario
from plotbot.mock.stats import Stats
from plotbot.mock.wire import Request, Response

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
        self._on_loop(lambda: self._shelf.swap(key, changes))

    def unload(self, instance_id: str) -> None:
        """Take a model away as the app's button does: what it is answering ends in an error."""
        self._on_loop(lambda: self._shelf.unload(instance_id))

    def _on_loop(self, function: Callable[[], _T]) -> _T:
        async def call() -> _T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()

    async def _listen(self) -> None:
        self._shelf = Shelf(self.scenario, self._stats)
        rules = Rulebook(self.scenario)
        predictor = Predictor(self.scenario, self._shelf, rules, self._stats, self._stop_listening)
        self._routes = Routes(self.scenario, self._shelf, rules, self._stats, predictor)
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
