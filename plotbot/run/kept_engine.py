"""The embedded engine that `plotbot watch` keeps between its runs, and a run's connection to it.

The engine is a child of the watch, so it ends with the watch, however that ends, and so does the run. A run
connects for each engine that it needs and sends its options. Where the engine that is running has others, or its file
has changed since, the watch ends it and starts the one that is wanted: never are there two. Messages are JSON:
`{"options": …, "seconds": n}` from the run; back come `{"pid": n}`, then `{"url": …}` once the model is loaded,
`{"ended": why}` when the engine ends, or `{"problem": …}`.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Mapping, MutableMapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

from plotbot.ask.embedded.engine import EmbeddedEngine, EngineOptions, filled_bytes
from plotbot.ask.embedded.gguf import parts_of, stamp_of
from plotbot.errors import EngineError
from plotbot.run.local_rpc import LocalServer, call, receive, remove_folder, send, shut_down

VARIABLE = "_PLOTBOT_WATCH"
"""The environment variable with the ticket. Without the prefix PLOTBOT_, which is that of settings."""
_GONE = "plotbot watch, which kept the engine, has ended."


@dataclass(slots=True)
class _Kept:
    """An engine and what it was started for. `ready` has its URL, or the error of its start."""

    engine: EmbeddedEngine
    wanted: object
    ready: Future[str] = field(default_factory=Future)
    borrowers: list[Connection[bytes, bytes]] = field(default_factory=list)


class EngineKeeper:
    """The watch's end: starts engines for its runs and keeps the last one until `close`. Any thread may call it."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._kept: _Kept | None = None
        self._closed = False
        self._server = LocalServer(self._serve)

    @property
    def environ(self) -> dict[str, str]:
        """What a run needs in its environment."""
        return {VARIABLE: json.dumps(self._server.ticket)}

    def close(self) -> None:
        """End the engine, also one that is loading."""
        self._server.close()
        with self._turn:
            self._closed = True
            if self._kept is not None:
                self._kept.engine.stop()

    def _serve(self, connection: Connection[bytes, bytes]) -> None:
        request = receive(connection)
        if "options" in request:
            self._lend(connection, request)
        else:
            connection.recv_bytes()  # which ends when the run does

    def _lend(self, connection: Connection[bytes, bytes], request: Mapping[str, Any]) -> None:
        try:
            kept = self._running(request)
        except EngineError as problem:
            send(connection, {"problem": str(problem)})
            return
        kept.borrowers.append(connection)
        try:
            send(connection, {"pid": kept.engine.pid})
            send(connection, {"url": kept.ready.result()})
            if kept.engine.has_ended():
                send(connection, {"ended": kept.engine.how_it_ended()})
            connection.recv_bytes()  # which ends when the run gives the engine back
        except EngineError as problem:
            send(connection, {"problem": str(problem)})
        finally:
            kept.borrowers.remove(connection)

    def _running(self, request: Mapping[str, Any]) -> _Kept:
        """The engine of these options, which may be loading yet. Raises EngineError."""
        with self._turn:
            if self._closed:
                raise EngineError(_GONE)
            options = EngineOptions.from_json(request["options"])
            wanted = (options, _stamp(options.model))
            kept = self._kept
            if kept is None or kept.wanted != wanted or kept.engine.has_ended():
                if kept is not None:
                    kept.engine.stop()
                kept = self._kept = _Kept(EmbeddedEngine(options), wanted)
                loading = threading.Thread(target=_follow, args=(kept, request["seconds"]), name="plotbot-engine")
                loading.daemon = True
                loading.start()
            return kept


def _follow(kept: _Kept, seconds: float) -> None:
    """Wait until an engine is loaded, then until it ends, and tell the runs that ask it."""
    try:
        kept.engine.wait_until_ready(seconds)
    except EngineError as problem:
        kept.ready.set_exception(problem)
        return
    kept.ready.set_result(kept.engine.url)
    kept.engine.wait()
    for connection in tuple(kept.borrowers):
        with contextlib.suppress(OSError):
            send(connection, {"ended": kept.engine.how_it_ended()})


class WatchLink:
    """A run's way to the watch that has started it."""

    def __init__(self, ticket: Mapping[str, Any]) -> None:
        self._ticket = ticket

    @classmethod
    def taken_from(cls, environ: MutableMapping[str, str]) -> Self | None:
        """The link of this process's environment; None where no watch has started it.

        It is taken out, so that what the run starts has none.
        """
        ticket = environ.pop(VARIABLE, None)
        return None if ticket is None else cls(json.loads(ticket))

    def engine(self, options: EngineOptions, seconds: float) -> KeptEngine:
        """The watch's engine of these options, which has *seconds* to load. Raises EngineError."""
        return KeptEngine(self._ticket, options, seconds)

    def call_at_end(self, end: Callable[[], None]) -> None:
        """Have *end* called, in another thread, when the watch has ended and this process has not."""
        threading.Thread(target=self._wait, args=(end,), name="plotbot-watch", daemon=True).start()

    def _wait(self, end: Callable[[], None]) -> None:
        with contextlib.suppress(OSError, EOFError, AuthenticationError), call(self._ticket) as connection:
            send(connection, {"run": "is on"})
            connection.recv_bytes()
        remove_folder(self._ticket)
        end()


class KeptEngine:
    """The watch's engine in a run: to be asked like an `EmbeddedEngine`. `stop` gives it back and does not end it."""

    def __init__(self, ticket: Mapping[str, Any], options: EngineOptions, seconds: float) -> None:
        self.options = options
        self.url = ""
        self._ended = threading.Event()
        self._why = _GONE
        try:
            self._connection = call(ticket)
            send(self._connection, {"options": options.to_json(), "seconds": seconds})
        except (OSError, EOFError, AuthenticationError):
            raise EngineError(_GONE) from None
        self.pid = int(self._received()["pid"])

    @property
    def loaded_bytes(self) -> int | None:
        return filled_bytes(self.pid)

    def wait_until_ready(self, _seconds: float) -> None:
        """Wait until the model is loaded and `url` known. Raises EngineError where that fails, or this is stopped."""
        self.url = str(self._received()["url"])
        threading.Thread(target=self._follow, name="plotbot-engine", daemon=True).start()

    def has_ended(self, within_seconds: float = 0.0) -> bool:
        return self._ended.wait(within_seconds)

    def wait(self) -> None:
        self._ended.wait()

    def how_it_ended(self) -> str:
        self._ended.wait()
        return self._why

    def stop(self) -> None:
        shut_down(self._connection)

    def _received(self) -> dict[str, Any]:
        try:
            answer = receive(self._connection)
        except (OSError, EOFError):
            raise EngineError(_GONE) from None
        if "problem" in answer:
            raise EngineError(answer["problem"])
        return answer

    def _follow(self) -> None:
        try:
            self._why = str(self._received()["ended"])
        except EngineError:
            pass
        finally:
            self._ended.set()


def _stamp(model: Path) -> list[list[int]]:
    """What changes when a model's files do: a file that was saved again is another model."""
    try:
        return stamp_of(parts_of(model))
    except OSError as error:
        raise EngineError(f"{model} cannot be read ({error.strerror or error}).") from None
