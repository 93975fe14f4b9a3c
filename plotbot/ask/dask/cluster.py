"""A Dask scheduler and its workers, as the front reaches them: whatever is done there comes to an end in time."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any

import distributed
from distributed.versions import VersionMismatchWarning

from plotbot.ask.dask.worker_executor import WorkerExecutor
from plotbot.ask.schedule.host_queue import HostLostError
from plotbot.ask.schedule.thread_executor import ThreadExecutor
from plotbot.errors import PlotbotError, ServerProblem
from plotbot.safe import one_line

CONNECT_SECONDS = 4.0
ANSWER_SECONDS = 6.0
SEES_SECONDS = 5.0
CALL_SECONDS = 40.0
"""A worker's look at its server is a few GET requests of ten seconds at most."""
CLOSE_SECONDS = 2.0
_ABOVE_ALL = logging.CRITICAL + 1


class Cluster:
    """A connection to the scheduler at *address* (`tcp://HOST:PORT`), for any thread.

    Raises ServerProblem where no scheduler answers there.
    """

    def __init__(self, address: str) -> None:
        quieten()
        self.address = address
        self._seen: frozenset[str] = frozenset()
        # Dask sets no limit to what somebody else's server may keep it waiting for.
        connecting = ThreadExecutor("plotbot-dask-connect").submit(_connect, address)
        try:
            self._client = connecting.result(ANSWER_SECONDS)
        except (OSError, ValueError, TypeError, AssertionError, ImportError) as error:
            why = (
                _text(error)
                if connecting.done()
                else f"what listens there does not speak as one in {ANSWER_SECONDS:g} s"
            )
            raise ServerProblem(
                f"No Dask scheduler answers at {address}: {why}. Start one there (dask scheduler), or correct EXECUTOR."
            ) from None

    @property
    def id(self) -> str:
        """A name that no other run has."""
        return str(self._client.id)

    @property
    def alive(self) -> bool:
        """Whether the scheduler is there."""
        return bool(self._client.status == "running")

    def workers(self) -> frozenset[str]:
        """The workers' addresses; none where the scheduler is gone, the last ones while it is too busy to say."""
        if not self.alive:
            return frozenset()
        with suppress(OSError, RuntimeError):
            self._seen = frozenset(self._client.nthreads(callback_timeout=SEES_SECONDS))
        return self._seen if self.alive else frozenset()

    def on_all(self, workers: Iterable[str], function: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """What a function gives in each of the workers, beside their tasks; an exception where it does not.

        Raises `HostLostError` where nobody is left who could say.
        """
        if not self.alive:
            raise HostLostError(f"the Dask scheduler at {self.address} is gone.")
        try:
            came: Mapping[str, Any] = self._client.run(
                function, *args, workers=list(workers), on_error="return", callback_timeout=CALL_SECONDS
            )
        except (OSError, RuntimeError, AttributeError) as error:
            # A client that closes meanwhile has no scheduler any more, and says so with an AttributeError.
            raise HostLostError(f"the Dask scheduler at {self.address} does not answer: {_text(error)}") from None
        return dict(came)

    def on(self, worker: str, function: Callable[..., Any], *args: Any) -> Any:
        """What a function gives in one worker. Raises the `PlotbotError` that it gives, else `HostLostError`."""
        came = self.on_all([worker], function, *args).get(worker, HostLostError(f"Dask knows no worker {worker} now"))
        if isinstance(came, PlotbotError | HostLostError):
            raise came
        if isinstance(came, Exception):
            raise HostLostError(f"Dask worker {worker} does not answer: {_text(came)}")
        return came

    def executor(self, worker: str, replies: Executor) -> WorkerExecutor:
        """Who runs jobs on one worker."""
        return WorkerExecutor(self._client, worker, replies)

    def close(self, last: Callable[[], None]) -> None:
        """Let go of the cluster, *last* being done before; what takes too long is left behind."""
        closing = threading.Thread(target=self._close, args=(last,), name="plotbot-dask-close", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)

    def _close(self, last: Callable[[], None]) -> None:
        with suppress(HostLostError):
            last()
        with suppress(OSError, RuntimeError, AttributeError):
            self._client.close(timeout=CLOSE_SECONDS)


def _connect(address: str) -> distributed.Client:
    # A warning of Dask's says in a table what `DaskPool` says in a sentence.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VersionMismatchWarning)
        return distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False, name="plotbot")


def quieten() -> None:
    """Dask's log goes to the terminal that pytest draws on; what it has to say of a run, plotbot says."""
    for name in ("distributed", "tornado", *logging.root.manager.loggerDict):
        if name.partition(".")[0] in {"distributed", "tornado"}:
            logging.getLogger(name).setLevel(_ABOVE_ALL)


def _text(error: BaseException) -> str:
    return one_line(str(error) or type(error).__name__, 200)
