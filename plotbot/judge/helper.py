"""A helper process for checks that cannot be stopped: it is ended when they take too long.

A thread cannot stop a regular expression, and `re` has no time limit. So what may take long is checked in a process of
its own, one for each process that judges, started when it is first needed (0.2 s). Its watchdog is a thread of
`faulthandler`, which needs no interpreter lock: it ends the process when the time is up, even if the process that
waits for it is gone.

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


class _Helper:
    """The helper of this process, or none yet. Its requests are answered one after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._ready = False

    def violations(self, schema: Mapping[str, Any], value: Any, seconds: float) -> tuple[Violation, ...]:
        with self._lock:
            try:
                answer = self._ask(json.dumps(schema, default=dict), json.dumps(value), seconds)
            except BaseException as stopped:
                # An interrupt too leaves half of an answer behind, which the next request must not read.
                self.end()
                if isinstance(stopped, OSError | ValueError):
                    raise TooCostlyError(f"the process that judges by a costly schema broke off: {stopped}") from None
                raise
        if "violations" not in answer:
            raise too_costly(answer.get("out_of_time", ""))
        return tuple(Violation(*violation) for violation in answer["violations"])

    def _ask(self, schema: str, value: str, seconds: float) -> Mapping[str, Any]:
        into, out = self._running()
        into.write(f"{schema}\n{seconds}\n{value}\n".encode("ascii"))
        into.flush()
        at = ""
        while line := out.readline():
            answer: dict[str, Any] = json.loads(line)
            if "at" not in answer:
                return answer
            at = answer["at"]
        # It has ended itself. The next one starts while the run goes on.
        self.end()
        self._start()
        return {"out_of_time": at}

    def _running(self) -> tuple[IO[bytes], IO[bytes]]:
        """The pipes of a helper that is ready."""
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            self.end()
            self._start()
        assert self._process is not None
        into, out = self._process.stdin, self._process.stdout
        assert into is not None
        assert out is not None
        if not self._ready and not out.readline():
            raise OSError("it did not start")
        self._ready = True
        return into, out

    def _start(self) -> None:
        self._owner, self._ready = os.getpid(), False
        self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module
            [sys.executable, "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(sys.path).encode("ascii") + b"\n")
        self._process.stdin.flush()

    def end(self) -> None:
        process, self._process = self._process, None
        if process is not None and self._owner == os.getpid():
            process.kill()
            with contextlib.suppress(OSError):
                process.communicate()


_HELPER = _Helper()
atexit.register(_HELPER.end)


def violations_in_helper(schema: Mapping[str, Any], value: Any, until: float) -> tuple[Violation, ...]:
    """The value's violations, found in the helper process by *until* (`time.monotonic`). Raises `TooCostlyError`.

    The time in which a helper starts does not count: on a busy machine it would be blamed on the schema.
    """
    return _HELPER.violations(schema, value, max(until - time.monotonic(), _LEAST_SECONDS))
