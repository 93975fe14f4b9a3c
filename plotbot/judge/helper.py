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
        with self._lock:
            try:
                answer = self._ask(json.dumps(schema, default=dict), json.dumps(value), seconds)
            except BaseException as stopped:
                # An interrupt too leaves half of an answer behind, which the next request must not read.
                self._end_running()
                if isinstance(stopped, OSError | ValueError):
                    raise TooCostlyError(f"the process that judges by a costly schema broke off: {stopped}") from None
                raise
        if "violations" not in answer:
            raise too_costly(answer.get("out_of_time", ""))
        return tuple(Violation(*violation) for violation in answer["violations"])

    def _ask(self, schema: str, value: str, seconds: float) -> Mapping[str, Any]:
        began = time.monotonic()
        process = self._running()
        late = max(time.monotonic() - began - _START_SECONDS, 0.0)
        seconds = max(seconds - late, _LEAST_SECONDS)
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
        # It has ended itself.
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
