"""A Dask cluster on this machine, to try it out: a scheduler in this process, a worker process for each server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress

from distributed import Nanny, Scheduler, SpecCluster

from plotbot.ask.dask import deaf
from plotbot.ask.dask.cluster import quieten
from plotbot.ask.dask.worker import URL_VARIABLE
from plotbot.errors import ServerProblem

THREADS = 64
"""No server on the same machine has more slots; threads that nobody uses cost next to nothing."""
CLOSE_SECONDS = 2.0
_HERE = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"}


class LocalWorkers:
    """A worker for each of the *urls*. They die with this process, also where it is killed.

    Raises ServerProblem where they cannot be started.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        quieten()
        workers = {place: {"cls": Nanny, "options": _worker(url)} for place, url in enumerate(urls)}
        try:
            self._cluster = SpecCluster(
                scheduler={"cls": Scheduler, "options": {**_HERE, "port": 0}}, workers=workers, name="plotbot"
            )
        except (OSError, RuntimeError) as error:
            raise ServerProblem(f"Dask workers cannot be started on this machine: {error}") from None
        self.scheduler: str = self._cluster.scheduler_address

    def close(self) -> None:
        """End them; what takes too long ends with this process."""
        closing = threading.Thread(target=self._close, name="plotbot-dask-local-close", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)

    def _close(self) -> None:
        with suppress(OSError, RuntimeError):
            self._cluster.close(timeout=CLOSE_SECONDS)


def _worker(url: str) -> dict[str, object]:
    return {
        **_HERE,
        "nthreads": THREADS,
        "memory_limit": 0,
        "silence_logs": logging.CRITICAL,
        "env": {URL_VARIABLE: url},
        "preload": deaf.__name__,
    }
