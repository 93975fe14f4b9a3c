"""A Dask scheduler and its workers, as the main process reaches them. Every call to them has a time limit."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any

import dask
import distributed
from distributed.security import Security
from distributed.versions import VersionMismatchWarning

from plotbot.ask.dask import worker as worker_tasks
from plotbot.ask.dask.worker_executor import WorkerExecutor
from plotbot.ask.schedule.host_queue import HostLostError
from plotbot.ask.schedule.thread_executor import ThreadExecutor
from plotbot.errors import PlotbotError, ServerProblem
from plotbot.safe import one_line

CONNECT_SECONDS = 4.0
ANSWER_SECONDS = 6.0
SEES_SECONDS = 5.0
CALL_SECONDS = 40.0
"""A worker that describes its server makes a few GET requests of at most ten seconds."""
CLOSE_SECONDS = 2.0
LOCAL_THREADS = 64
"""Of each worker on this machine, where no server has more slots. Idle threads cost next to nothing."""
_ABOVE_ALL = logging.CRITICAL + 1
_WITHOUT_PAGES: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
_THIS_MACHINE = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"}


class Cluster:
    """A connection to the scheduler at *address* (`tcp://HOST:PORT`, `tls://HOST:PORT`), for any thread.

    *security* holds its certificates; without it Dask's own configuration does.

    Raises ServerProblem where no scheduler answers there.
    """

    def __init__(self, address: str, security: Security | None = None) -> None:
        silence_dask()
        self.address = address
        self._seen: frozenset[str] = frozenset()
        # Dask itself sets no limit to how long a server that is not a scheduler may keep it waiting.
        connecting = ThreadExecutor("plotbot-dask-connect").submit(_connect, address, security)
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
        """Whether the scheduler is connected."""
        return bool(self._client.status == "running")

    def workers(self) -> frozenset[str]:
        """The workers' addresses: none when the scheduler is gone, the last known ones while it is too busy."""
        if not self.alive:
            return frozenset()
        with suppress(OSError, RuntimeError):
            self._seen = frozenset(self._client.nthreads(callback_timeout=SEES_SECONDS))
        return self._seen if self.alive else frozenset()

    def on_all(self, workers: Iterable[str], function: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """Call a function in each of the workers, beside their tasks; gives its values, or exceptions, by worker.

        Raises `HostLostError` where the scheduler does not answer.
        """
        if not self.alive:
            raise HostLostError(f"the Dask scheduler at {self.address} is gone.")
        try:
            results: Mapping[str, Any] = self._client.run(
                function, *args, workers=list(workers), on_error="return", callback_timeout=CALL_SECONDS
            )
        except (OSError, RuntimeError, AttributeError) as error:
            # A client that is closed during the call raises an AttributeError.
            raise HostLostError(f"the Dask scheduler at {self.address} does not answer: {_text(error)}") from None
        return dict(results)

    def on(self, worker: str, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function in one worker. Raises the `PlotbotError` that it gives, for other errors `HostLostError`."""
        unknown = HostLostError(f"Dask knows no worker {worker} now")
        result = self.on_all([worker], function, *args).get(worker, unknown)
        if isinstance(result, PlotbotError | HostLostError):
            raise result
        if isinstance(result, Exception):
            raise HostLostError(f"Dask worker {worker} does not answer: {_text(result)}")
        return result

    def executor(self, worker: str, replies: Executor) -> WorkerExecutor:
        """An executor that runs jobs on one worker; see `WorkerExecutor` for *replies*."""
        return WorkerExecutor(self._client, worker, replies)

    def close(self, first: Callable[[], None]) -> None:
        """Call *first*, then disconnect. Returns after `CLOSE_SECONDS` even where that is not done by then."""
        _in_time(lambda: self._close(first), "plotbot-dask-close")

    def _close(self, first: Callable[[], None]) -> None:
        with suppress(HostLostError):
            first()
        with suppress(OSError, RuntimeError, AttributeError):
            self._client.close(timeout=CLOSE_SECONDS)


class LocalCluster:
    """A scheduler in this process and a worker process for each of the *urls*; they die with this process.

    Dask runs what anybody sends it, and any user of this machine can connect to a loopback port. So scheduler, workers
    and client speak TLS, each with the certificate in `security`, whose key exists in the memory of this run alone.
    Dask's HTTP ports have no pages.

    Raises ServerProblem where they cannot be started.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        silence_dask()
        self.security = _temporary_certificate()
        common = {**_THIS_MACHINE, "security": self.security, "protocol": "tls://"}
        each = [{"cls": distributed.Nanny, "options": {**common, **_options(url)}} for url in urls]
        scheduler = {"cls": distributed.Scheduler, "options": {**common, "port": 0}}
        try:
            with dask.config.set(_WITHOUT_PAGES):
                self._cluster = distributed.SpecCluster(
                    scheduler=scheduler, workers=dict(enumerate(each)), security=self.security, name="plotbot"
                )
        except (OSError, RuntimeError) as error:
            raise ServerProblem(f"Dask workers cannot be started on this machine: {error}") from None
        self.scheduler: str = self._cluster.scheduler_address

    def close(self) -> None:
        """End the workers. Those that take longer than `CLOSE_SECONDS` end with this process."""
        _in_time(self._close, "plotbot-dask-local-close")

    def _close(self) -> None:
        with suppress(OSError, RuntimeError):
            self._cluster.close(timeout=CLOSE_SECONDS)


def scheme() -> str:
    """`tls` where Dask's configuration names certificates for a client (`distributed.comm.tls`), else `tcp`."""
    return "tls" if Security().get_connection_args("client").get("ssl_context") else "tcp"


def silence_dask() -> None:
    """Keep Dask's log off the terminal that pytest draws on: plotbot reports what matters to a run."""
    for name in ("distributed", "tornado", *logging.root.manager.loggerDict):
        if name.partition(".")[0] in {"distributed", "tornado"}:
            logging.getLogger(name).setLevel(_ABOVE_ALL)


def _temporary_certificate() -> Security:
    try:
        certificate: Security = Security.temporary()
    except ImportError:
        raise ServerProblem(
            "EXECUTOR=dask starts its workers behind TLS, which needs the package cryptography: "
            "pip install 'plotbot[dask]'"
        ) from None
    return certificate


def _options(url: str) -> dict[str, object]:
    return {
        "nthreads": LOCAL_THREADS,
        "memory_limit": 0,
        "silence_logs": logging.CRITICAL,
        "env": {worker_tasks.URL_VARIABLE: url},
        "preload": worker_tasks.__name__,
    }


def _in_time(job: Callable[[], None], thread: str) -> None:
    closing = threading.Thread(target=job, name=thread, daemon=True)
    closing.start()
    closing.join(CLOSE_SECONDS)


def _connect(address: str, security: Security | None) -> distributed.Client:
    # `DaskPool` compares plotbot's own version, and says so in a sentence where Dask prints a table.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VersionMismatchWarning)
        return distributed.Client(
            address, security=security, timeout=CONNECT_SECONDS, set_as_default=False, name="plotbot"
        )


def _text(error: BaseException) -> str:
    return one_line(str(error) or type(error).__name__, 200)
