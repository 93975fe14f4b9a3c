"""Remote procedure calls from xdist's workers to the main process, over an authenticated connection on this machine.

A worker does not know which items it will be sent, so it cannot look ahead or share slots; the main process can. A
worker therefore requests the cases and every reply, and reports what it has folded. Messages are JSON, never pickles:
`{"ask": name, …}` from the worker; `{"answer": …}`, `{"problem": …}`, `{"fault": …}`, `{"disk": …}` or `{"broken": …}`
back.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from multiprocessing.connection import Connection
from typing import Any, Self

from plotbot.errors import AskError, DiskError, ExitStatus, NotNeededError, PlotbotError, RpcError, UsageProblem
from plotbot.records import Case, Exchange, PlannedItem
from plotbot.run.eval_files import EvalFiles
from plotbot.run.local_rpc import HANDSHAKE_SECONDS, LocalServer, call, receive, remove_folder, send, shut_down
from plotbot.run.process import Run


class RpcServer(LocalServer):
    """The main process's end, with a thread for each worker. All threads serve one run."""

    def __init__(self, run: Run, *, patience: float = HANDSHAKE_SECONDS) -> None:
        self._run = run
        super().__init__(self._serve_worker, patience=patience)

    def _serve_worker(self, connection: Connection[bytes, bytes]) -> None:
        while True:
            answer = self._answer(receive(connection))
            if answer is not None:
                send(connection, answer)

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
        self._ticket = ticket
        self._connection = call(ticket)
        self._sending = threading.Lock()
        self._working = True
        self._watched = call(ticket)
        threading.Thread(target=self._die_with_main_process, name="plotbot-watch", daemon=True).start()

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
        """Hang up, and stop watching the main process: from here on the worker ends by itself."""
        self._working = False
        shut_down(self._watched)
        with self._sending:
            self._connection.close()

    def _ask(self, message: Mapping[str, Any]) -> Any:
        self._send(message)
        try:
            answer = receive(self._connection)
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
        try:
            # The writer's thread reports folded answers while the test's thread waits for a reply.
            with self._sending:
                send(self._connection, message)
        except OSError as error:
            raise RpcError(f"the main process does not listen any more: {error}") from error

    def _die_with_main_process(self) -> None:
        with self._watched, contextlib.suppress(OSError, EOFError):
            self._watched.recv_bytes()
        if self._working:
            remove_folder(self._ticket)
            os._exit(ExitStatus.HARNESS_FAULT)
