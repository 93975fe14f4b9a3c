"""One Dask worker as a `concurrent.futures.Executor`: every job takes one of its slots."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from functools import partial
from typing import Any, ParamSpec, TypeVar

import distributed

from plotbot.ask.dask.worker import SLOTS, attempt
from plotbot.ask.schedule.host_queue import HostLostError
from plotbot.safe import one_line

P = ParamSpec("P")
T = TypeVar("T")

OF_DASK = (distributed.KilledWorker, CancelledError, OSError)
"""What Dask raises for a task whose worker or scheduler is lost."""


class WorkerExecutor(Executor):
    """Runs jobs on the worker at *address*. Their futures are resolved in threads of *replies*.

    Dask waits without end for a worker that a task must run on, so `lose` ends the pending jobs for good: an answer
    that arrives after it is dropped.
    """

    def __init__(self, client: distributed.Client, address: str, replies: Executor) -> None:
        self.address = address
        self.lost: str | None = None
        self._client = client
        self._loop: Any = client.loop
        self._replies = replies
        self._why: Exception | None = None
        self._lock = threading.Lock()
        self._pending: dict[Future[Any], distributed.Future[Any]] = {}

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            why = self._why or self._begin(future, partial(fn, *args, **kwargs))
        if why is not None:
            future.set_exception(why)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002  nothing is awaited
        """End the pending jobs, and all to come, with `CancelledError`."""
        self._end(CancelledError())

    def lose(self, why: str) -> None:
        """End the pending jobs, and all to come, with `HostLostError`: the worker is gone."""
        self.lost = why
        self._end(HostLostError(why))

    def _begin(self, future: Future[Any], job: Callable[[], Any]) -> Exception | None:
        try:
            task = self._client.submit(
                attempt, job, workers=[self.address], resources={SLOTS: 1}, pure=False, retries=0
            )  # fmt: skip
        except (RuntimeError, distributed.client.ClosedClientError) as closed:
            return HostLostError(f"Dask cannot be reached any more: {one_line(str(closed), 200)}")
        self._pending[future] = task
        self._loop.add_callback(self._fetch, future, task)
        return None

    async def _fetch(self, future: Future[Any], task: distributed.Future[Any]) -> None:
        try:
            outcome = await task
        except OF_DASK as error:
            outcome = HostLostError(f"Dask has lost what was asked there: {_reason(error)}.")
        except Exception as error:  # noqa: BLE001  an executor hands every exception to its future
            outcome = error
        # A future's callbacks must not run in Dask's own event loop.
        self._replies.submit(self._arrived, future, outcome)

    def _arrived(self, future: Future[Any], outcome: Any) -> None:
        with self._lock:
            task = self._pending.pop(future, None)
        if task is None:
            return
        task.release()
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    def _end(self, why: Exception) -> None:
        with self._lock:
            self._why = why
            pending, self._pending = self._pending, {}
        for future, task in pending.items():
            task.release()
            future.set_exception(why)


def _reason(error: BaseException) -> str:
    """The reason in a few words. Dask's own sentences name its internal keys, and advise to run the task again."""
    reason = getattr(error, "reason", None)
    return one_line(str(reason).replace("-", " ") if reason else type(error).__name__, 80)
