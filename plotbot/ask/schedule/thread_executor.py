"""A `concurrent.futures.Executor` of daemon threads, which do not delay the end of the process."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_Job = tuple[Future[Any], Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class ThreadExecutor(Executor):
    """Starts a thread for each job that finds none idle, and reuses it. The caller bounds the number of jobs.

    `ThreadPoolExecutor` joins its threads when the interpreter ends, so one hanging request would keep an interrupted
    run alive until its timeout. Daemon threads are abandoned instead.
    """

    def __init__(self, name: str = "plotbot-slot") -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._open = True
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        if not self._open:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: Future[T] = Future()
        self._jobs.put((future, fn, args, kwargs))
        if not self._idle.acquire(blocking=False):
            self._start_thread()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002  no job is ever queued
        self._open = False
        for _ in self._threads:
            self._jobs.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, fn, args, kwargs = job
            if not future.set_running_or_notify_cancel():
                self._idle.release()
                continue
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001  an executor hands every exception to its future
                self._idle.release()
                future.set_exception(error)
            else:
                # Count the thread as idle before resolving the future, so that its callback can reuse it.
                self._idle.release()
                future.set_result(result)
