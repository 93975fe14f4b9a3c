"""A helper process for checks that cannot be stopped: it is ended when they take too long.

A thread cannot stop a regular expression, and `re` has no time limit. So what may take long is checked in a process of
its own, one for each process that judges. It takes 0.2 s to start, on a busy machine a second, and no reply should wait
for that: it starts when an eval asks for a costly schema, and a spare one while a request takes so long that its helper
may have to be ended. Its watchdog is a thread of `faulthandler`, which needs no interpreter lock: it
ends the process when the time is up, even if the process that waits for it is gone.

Each request is three lines: the schema, the seconds that it may take, the value. The answer is lines
`{"at": keyword}`, each written before a check that cannot be stopped, and at the end `{"violations": […]}` or
`{"out_of_time": keyword}`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import IO, Any

from plotbot.errors import TooCostlyError
from plotbot.judge.time_limit import too_costly
from plotbot.records import Violation

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.stdin.buffer.readline());"
    "from plotbot.judge.helper_process import serve; serve()"
)
# What a request gets at least.
_LEAST_SECONDS = 0.3
# So much of the time in which a helper starts does not count.
_START_SECONDS = 0.3
# After so many seconds of a request a spare helper starts.
_SPARE_SECONDS = 0.4
# So long is waited for the end of a process whose output has ended.
_LAST_SECONDS = 0.5
_ENDED_TWICE = (
    "the helper process that judges this reply ended twice before its time was up ({how}): another program or the "
    "system ended it, perhaps because memory is short; pytest evals --resume judges the reply again"
)


class _EndedError(Exception):
    """A helper has ended, or could not start, before its time was up. The message says how."""


class _Process:
    """One helper process. It belongs to the process that has started it, not to one forked from that."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module
            [sys.executable, "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._ready = False
        into, out = self._process.stdin, self._process.stdout
        assert into is not None
        assert out is not None
        self.into: IO[bytes] = into
        self.out: IO[bytes] = out
        with contextlib.suppress(OSError):
            # One that ends at once is found out by `wait_until_ready`.
            self.into.write(json.dumps(sys.path).encode("ascii") + b"\n")
            self.into.flush()

    @property
    def is_usable(self) -> bool:
        return self._owner == os.getpid() and self._process.poll() is None

    def wait_until_ready(self) -> None:
        if not self._ready and not self.out.readline():
            raise OSError("it did not start")
        self._ready = True

    def ending(self) -> str:
        """How the process has ended, as `SIGKILL` or `status 1`; empty if it has not, half a second after this call."""
        try:
            status = self._process.wait(_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            return ""
        names = {-one.value: one.name for one in signal.Signals}
        return names.get(status, f"status {status}")

    def end(self) -> None:
        if self._owner == os.getpid():
            self._process.kill()
            with contextlib.suppress(OSError):
                self._process.communicate()


class _Helper:
    """The helper of this process, or none yet, and perhaps a spare. Its requests are answered one after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._spare: _Process | None = None
        self._starting = threading.Lock()

    def prepare(self) -> None:
        """Start a helper if there is none."""
        if self._process is None and self._spare is None:
            self._start_spare()

    def start(self) -> None:
        """Start a spare helper, unless there is one, and do not wait for it."""
        with self._starting:
            if self._spare is None or not self._spare.is_usable:
                self._spare = _Process()

    def violations(self, schema: Mapping[str, Any], value: Any, seconds: float) -> tuple[Violation, ...]:
        asked = json.dumps(schema, default=dict), json.dumps(value)
        with self._lock:
            try:
                answer = self._answer(*asked, seconds)
            except _EndedError:
                # It may not have been this reply's doing: the system takes any process when memory is short.
                try:
                    answer = self._answer(*asked, seconds)
                except _EndedError as again:
                    raise TooCostlyError(_ENDED_TWICE.format(how=again)) from None
        if "violations" not in answer:
            raise too_costly(answer.get("out_of_time", ""))
        return tuple(Violation(*violation) for violation in answer["violations"])

    def _answer(self, schema: str, value: str, seconds: float) -> Mapping[str, Any]:
        """The answer of a helper. Raises `_EndedError` if it ends, or cannot be used, before the time is up."""
        try:
            return self._ask(schema, value, seconds)
        except BaseException as stopped:
            how = self._process.ending() if self._process and isinstance(stopped, OSError | ValueError) else ""
            # An interrupt too leaves half of an answer behind, which the next request must not read.
            self._end_running()
            if isinstance(stopped, OSError | ValueError):
                raise _EndedError(how or str(stopped)) from None
            raise

    def _ask(self, schema: str, value: str, seconds: float) -> Mapping[str, Any]:
        began = time.monotonic()
        process = self._running()
        ready = time.monotonic()
        seconds = max(seconds - max(ready - began - _START_SECONDS, 0.0), _LEAST_SECONDS)
        process.into.write(f"{schema}\n{seconds}\n{value}\n".encode("ascii"))
        process.into.flush()
        spare = threading.Timer(_SPARE_SECONDS, self._start_spare)
        spare.daemon = True
        spare.start()
        at = ""
        try:
            while line := process.out.readline():
                answer: dict[str, Any] = json.loads(line)
                if "at" not in answer:
                    return answer
                at = answer["at"]
        finally:
            spare.cancel()
        if time.monotonic() - ready < seconds:
            raise OSError("it ended before its time was up")
        # Its watchdog has ended it.
        self._end_running()
        return {"out_of_time": at}

    def _start_spare(self) -> None:
        with contextlib.suppress(OSError):
            self.start()

    def _running(self) -> _Process:
        """A helper that is ready: the one there is, else the spare, else a new one."""
        if self._process is None or not self._process.is_usable:
            self._end_running()
            self.start()
            with self._starting:
                self._process, self._spare = self._spare, None
        assert self._process is not None
        self._process.wait_until_ready()
        return self._process

    def _end_running(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def end(self) -> None:
        self._end_running()
        with self._starting:
            spare, self._spare = self._spare, None
        if spare is not None:
            spare.end()


_HELPER = _Helper()
atexit.register(_HELPER.end)


def violations_in_helper(schema: Mapping[str, Any], value: Any, until: float) -> tuple[Violation, ...]:
    """The value's violations, found in the helper process by *until* (`time.monotonic`). Raises `TooCostlyError`.

    The first 0.3 s in which a helper starts do not count, and 0.3 s are left in any case: otherwise the schema would be
    blamed for a busy machine.
    """
    return _HELPER.violations(schema, value, until - time.monotonic())


def prepare_helper() -> None:
    """Start the helper process, unless there is one, and do not wait for it: a schema is known to need it."""
    _HELPER.prepare()
