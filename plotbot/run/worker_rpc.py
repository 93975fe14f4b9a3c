"""Remote procedure calls from xdist's workers to the main process, over an authenticated loopback connection.

A worker does not know which items it will be sent, so it cannot look ahead or share slots; the main process can. A
worker therefore requests the cases and every reply, and reports what it has folded. Messages are JSON, never pickles:
`{"ask": name, …}` from the worker, `{"answer": …}`, `{"problem": …}`, `{"fault": …}` or `{"broken": …}` back.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from typing import Any, Self

from plotbot.errors import AskError, PlotbotError, RpcError, UsageProblem
from plotbot.records import Case, Exchange, ExitStatus, PlannedItem
from plotbot.run.eval_files import EvalFiles
from plotbot.run.process import Run


class RpcServer:
    """The main process's end, with a thread for each worker. All threads serve one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._key = secrets.token_bytes(32)
        self._listener = Listener(("127.0.0.1", 0), authkey=self._key)
        self._open = True
        threading.Thread(target=self._accept, name="plotbot-rpc", daemon=True).start()

    @property
    def ticket(self) -> dict[str, Any]:
        """What a worker needs in order to connect, in builtin types."""
        return {"address": list(self._listener.address), "key": self._key.hex()}

    def close(self) -> None:
        self._open = False
        self._listener.close()

    def _accept(self) -> None:
        while self._open:
            # A process without the key, or a worker that died while connecting, must not stop the listener.
            with contextlib.suppress(OSError, EOFError, AuthenticationError):
                connection = _without_delay(self._listener.accept())
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection[bytes, bytes]) -> None:
        with connection, contextlib.suppress(OSError, EOFError):
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
        except (PlotbotError, RuntimeError, CancelledError) as stopped:
            return {"broken": str(stopped)}

    def _act(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        match message["ask"]:
            case "cases":
                cases = self._run.cases(EvalFiles.from_json(message["files"]))
                return {"answer": [case.to_json() for case in cases]}
            case "select":
                self._run.select([PlannedItem(item, case) for item, case in message["items"]])
                return {"answer": None}
            case "exchange":
                return {"answer": self._run.exchange(message["case"]).to_json()}
            case "folded":
                self._run.fold_log.note_folded(message["cases"])
            case "unfolded":
                self._run.fold_log.note_unfolded(message["reasons"])
            case "refuse":
                self._run.refuse(UsageProblem(message["problem"]))
                return {"answer": None}
        return None


class RpcClient:
    """A worker's end. It ends the worker when the main process ends, also if that is killed."""

    def __init__(self, ticket: Mapping[str, Any]) -> None:
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
        self._ask({"ask": "select", "items": [(item.item, item.case) for item in items]})

    def exchange(self, case_id: str) -> Exchange:
        return Exchange.from_json(self._ask({"ask": "exchange", "case": case_id}))

    def note_folded(self, case_ids: Sequence[str]) -> None:
        self._send({"ask": "folded", "cases": list(case_ids)})

    def note_unfolded(self, reasons: Mapping[str, str]) -> None:
        self._send({"ask": "unfolded", "reasons": dict(reasons)})

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
            os._exit(ExitStatus.HARNESS_FAULT)


def _call(ticket: Mapping[str, Any]) -> Connection[bytes, bytes]:
    host, port = ticket["address"]
    return _without_delay(Client((host, port), authkey=bytes.fromhex(ticket["key"])))


def _without_delay(connection: Connection[bytes, bytes]) -> Connection[bytes, bytes]:
    """Send every message at once (TCP_NODELAY).

    Otherwise TCP holds the second of two messages back until the first is acknowledged, which takes up to 40 ms: a
    worker reports what it has folded and then requests the next exchange.
    """
    with socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as same:
        same.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
