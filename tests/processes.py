"""Runs modules of this checkout, and tells what runs in a session of processes, for tests that end some of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
PATIENCE = 60.0
_READS_WEIGHTS = b'"reads_weights": true'


def engines(session: int) -> list[int]:
    """The processes of a session that are embedded engines.

    One that has ended and waits to be noticed is none, nor is one that only reads a file's header.
    """
    return [pid for pid, command in running(session) if b"embedded.serve" in command and _READS_WEIGHTS in command]


def running(session: int) -> Iterator[tuple[int, bytes]]:
    """The processes of a session that have not ended, each with its command line."""
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(stat[3]) == session and stat[0] != "Z":
                yield int(entry.name), (entry / "cmdline").read_bytes()


def wait_until(true: Callable[[], Any], what: str) -> Any:
    give_up = time.monotonic() + PATIENCE
    while not (value := true()):
        assert time.monotonic() < give_up, f"waited {PATIENCE:g} s for {what}"
        time.sleep(0.01)
    return value


def run_module(folder: Path, module: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m MODULE` of this checkout in a folder to its end, without a terminal; what it prints is UTF-8."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONIOENCODING": "utf-8", **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
