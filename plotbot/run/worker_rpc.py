"""Remote procedure calls from xdist's workers to the main process, over an authenticated connection on this machine.

The connection is a Unix socket in a folder that is private to the user, else one of the loopback interface.

A worker does not know which items it will be sent, so it cannot look ahead or share slots; the main process can. A
worker therefore requests the cases and every reply, and reports what it has folded. Messages are JSON, never pickles:
`{"ask": name, …}` from the worker; `{"answer": …}`, `{"problem": …}`, `{"fault": …}`, `{"disk": …}` or `{"broken": …}`
back.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Any, Self

from plotbot.errors import AskError, DiskError, ExitStatus, NotNeededError, PlotbotError, RpcError, UsageProblem
from plotbot.records import Case, Exchange, PlannedItem
from plotbot.run.eval_files import EvalFiles
from plotbot.run.process import Run

HANDSHAKE_SECONDS = 5.0
_PAUSE_SECONDS = 0.05
_BACKLOG = 64


class RpcServer:
    """The main process's end, with a thread for each worker. All threads serve one run.

    A process that connects has *patience* seconds to prove that it knows the key.
    """

    def __init__(self, run: Run, *, patience: float = HANDSHAKE_SECONDS) -> None:
        self._run = run
        self._patience = patience
        self._key = secrets.token_bytes(32)
        self._listener = _listen()
        self._address = self._listener.address
        self._open = True
        threading.Thread(target=self._accept, name="plotbot-rpc", daemon=True).start()

    @property
    def ticket(self) -> dict[str, Any]:
        """What a worker needs in order to connect, in builtin types."""
        address = self._address if isinstance(self._address, str) else list(self._address)
        return {"address": address, "key": self._key.hex()}

    def close(self) -> None:
        self._open = False
        self._listener.close()
        _remove_folder(self._address)

    def _accept(self) -> None:
        while self._open:
            try:
                connection = self._listener.accept()
            except OSError:
                # Without a free file descriptor this fails at once, again and again.
                time.sleep(_PAUSE_SECONDS)
            else:
                threading.Thread(target=self._authenticate_and_serve, args=(connection,), daemon=True).start()

    def _authenticate_and_serve(self, connection: Connection[bytes, bytes]) -> None:
        """Serve a process that knows the key, in its own thread: others can connect while it is slow or silent."""
        with connection, contextlib.suppress(OSError, EOFError, AuthenticationError, ValueError):
            limit = threading.Timer(self._patience, _shut_down, (connection,))
            limit.daemon = True
            limit.start()
            try:
                deliver_challenge(connection, self._key)
                answer_challenge(connection, self._key)
            finally:
                limit.cancel()
            self._serve(_without_delay(connection))

    def _serve(self, connection: Connection[bytes, bytes]) -> None:
        while True:
            answer = self._answer(json.loads(connection.recv_bytes()))
            if answer is not None:
                connection.send_bytes(json.dumps(answer).encode("ascii"))

    def _answer(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        try:
            return self._act(message)
        except UsageProblem as problem:
            return {"problem": str(problem)}
        except AskError as error:
            return {"fault": [error.category, error.message]}
        except DiskError as error:
            return {"disk": str(error)}
        except NotNeededError as why:
            return {"not_needed": str(why)}
        except (PlotbotError, RuntimeError, CancelledError) as stopped:
            return {"broken": str(stopped)}

    def _act(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        match message["ask"]:
            case "cases":
                cases = self._run.cases(EvalFiles.from_json(message["files"]))
                return {"answer": [case.to_json() for case in cases]}
            case "select":
                self._run.select([PlannedItem(*item) for item in message["items"]])
                return {"answer": None}
            case "exchange":
                return {"answer": self._run.exchange(message["case"]).to_json()}
            case "folded":
                self._run.fold_log.note_folded(message["cases"])
            case "unfolded":
                self._run.fold_log.note_unfolded(message["reasons"], disk_refused=message["disk"])
            case "refuse":
                self._run.refuse(UsageProblem(message["problem"]))
                return {"answer": None}
        return None


class RpcClient:
    """A worker's end. It ends the worker when the main process ends, also if that is killed."""

    def __init__(self, ticket: Mapping[str, Any]) -> None:
        self._address = ticket["address"]
        self._connection = _call(ticket)
        self._sending = threading.Lock()
        self._working = True
        watch = threading.Thread(target=self._die_with, args=(_call(ticket),), name="plotbot-watch", daemon=True)
        watch.start()

    @property
    def fold_log(self) -> Self:
        return self

    def cases(self, files: EvalFiles) -> list[Case]:
        return [Case.from_json(case) for case in self._ask({"ask": "cases", "files": files.to_json()})]

    def select(self, items: Sequence[PlannedItem]) -> None:
        self._ask({"ask": "select", "items": [item.to_json() for item in items]})

    def exchange(self, case_id: str) -> Exchange:
        return Exchange.from_json(self._ask({"ask": "exchange", "case": case_id}))

    def note_folded(self, case_ids: Sequence[str]) -> None:
        self._send({"ask": "folded", "cases": list(case_ids)})

    def note_unfolded(self, reasons: Mapping[str, str], *, disk_refused: bool = False) -> None:
        self._send({"ask": "unfolded", "reasons": dict(reasons), "disk": disk_refused})

    def refuse(self, problem: UsageProblem) -> None:
        # Waits for an answer, so that the main process knows it before xdist tells it that this worker has collected.
        self._ask({"ask": "refuse", "problem": str(problem)})

    def close(self) -> None:
        """Stop watching the main process: from here on the worker ends by itself."""
        self._working = False

    def _ask(self, message: Mapping[str, Any]) -> Any:
        self._send(message)
        try:
            answer = json.loads(self._connection.recv_bytes())
        except (OSError, EOFError) as error:
            raise RpcError(f"the main process does not answer any more: {error!r}") from error
        if "problem" in answer:
            raise UsageProblem(answer["problem"])
        if "fault" in answer:
            raise AskError(*answer["fault"])
        if "disk" in answer:
            raise DiskError(answer["disk"])
        if "not_needed" in answer:
            raise NotNeededError(answer["not_needed"])
        if "broken" in answer:
            raise RpcError(answer["broken"])
        return answer["answer"]

    def _send(self, message: Mapping[str, Any]) -> None:
        data = json.dumps(message).encode("ascii")
        try:
            # The writer's thread reports folded answers while the test's thread waits for a reply.
            with self._sending:
                self._connection.send_bytes(data)
        except OSError as error:
            raise RpcError(f"the main process does not listen any more: {error}") from error

    def _die_with(self, watch: Connection[bytes, bytes]) -> None:
        with contextlib.suppress(OSError, EOFError):
            watch.recv_bytes()
        if self._working:
            _remove_folder(self._address)
            os._exit(ExitStatus.HARNESS_FAULT)


def _listen() -> Listener:
    """A listener on a Unix socket in a private folder if possible, else on the loopback interface.

    A path of a Unix socket has about a hundred bytes at most, which a folder for temporary files may exceed.
    """
    for place in (tempfile.gettempdir(), "/tmp") if sys.platform != "win32" else ():  # noqa: S108  mkdtemp is private
        with contextlib.suppress(OSError):
            folder = tempfile.mkdtemp(prefix="plotbot-", dir=place)
            try:
                return Listener(os.path.join(folder, "rpc"), "AF_UNIX", _BACKLOG)  # noqa: PTH118
            except OSError:
                os.rmdir(folder)  # noqa: PTH106
    return Listener(("127.0.0.1", 0), "AF_INET", _BACKLOG)


def _remove_folder(address: object) -> None:
    """Remove a Unix socket and its folder. A worker does that too, for a main process that was killed."""
    if isinstance(address, str):
        shutil.rmtree(Path(address).parent, ignore_errors=True)


def _call(ticket: Mapping[str, Any]) -> Connection[bytes, bytes]:
    address = ticket["address"]
    place = address if isinstance(address, str) else tuple(address)
    return _without_delay(Client(place, authkey=bytes.fromhex(ticket["key"])))


def _shut_down(connection: Connection[bytes, bytes]) -> None:
    """End a connection from another thread. Reading from it then raises EOFError."""
    with contextlib.suppress(OSError), _socket_of(connection) as same:
        same.shutdown(socket.SHUT_RDWR)


def _without_delay(connection: Connection[bytes, bytes]) -> Connection[bytes, bytes]:
    """Send every message at once (TCP_NODELAY); a Unix socket does so anyway.

    TCP alone holds the second of two messages back until the first is acknowledged, which takes up to 40 ms: a
    worker reports what it has folded and then requests the next exchange.
    """
    with contextlib.suppress(OSError), _socket_of(connection) as same:
        same.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _socket_of(connection: Connection[bytes, bytes]) -> socket.socket:
    """The connection's socket under another descriptor. Neither call on it looks at the family."""
    return socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM)
