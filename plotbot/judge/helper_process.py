"""What the helper process does: it answers the requests of `plotbot.judge.helper`, and ends when one takes too long."""

from __future__ import annotations

import faulthandler
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple
from functools import lru_cache
from typing import Any

from plotbot.errors import TooCostlyError
from plotbot.judge import schema_compiler as _schema_compiler  # noqa: F401  so that the first request need not wait
from plotbot.judge.schemas import Schema, compile_schema
from plotbot.judge.time_limit import Limit

# The helper's own clock ends a check a little before its watchdog ends the process.
_GRACE_SECONDS = 0.1


def serve() -> None:
    """Answer requests from standard input until it ends: the helper's whole life."""
    # Ctrl-C is for the process that judges, which ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Anything printed would be read as an answer.
    answers, sys.stdout = sys.stdout.buffer, sys.stderr

    def write(answer: Mapping[str, Any]) -> None:
        answers.write(json.dumps(answer).encode("ascii") + b"\n")
        answers.flush()

    write({"at": "ready"})
    while schema := sys.stdin.buffer.readline():
        seconds = float(sys.stdin.buffer.readline())
        faulthandler.dump_traceback_later(seconds, exit=True)
        limit = Limit(time.monotonic() + seconds - _GRACE_SECONDS, _announcing(write))
        write(_answer(schema, json.loads(sys.stdin.buffer.readline()), limit))
        faulthandler.cancel_dump_traceback_later()


def _announcing(write: Callable[[Mapping[str, Any]], None]) -> Callable[[str], None]:
    """A function that writes the name of a check, unless it is the one that was written last."""
    last: list[str] = []

    def announce(keyword: str) -> None:
        if last != [keyword]:
            last[:] = [keyword]
            write({"at": keyword})

    return announce


def _answer(schema: bytes, value: Any, limit: Limit) -> Mapping[str, Any]:
    try:
        violations = _compiled(schema).violations_within(value, limit)
    except TooCostlyError as error:
        return {"out_of_time": error.keyword}
    return {"violations": [astuple(violation) for violation in violations]}


@lru_cache(maxsize=32)
def _compiled(schema: bytes) -> Schema:
    return compile_schema(json.loads(schema), "the schema")
