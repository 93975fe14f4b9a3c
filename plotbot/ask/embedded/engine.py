"""The embedded engine in its parent process: starts the child, knows its URL, stops it.

The child holds the reading end of a pipe and ends when the pipe closes, so it cannot outlive its parent, however the
parent ends. Only the child loads xllamacpp: importing this module is cheap, and if llama.cpp crashes while it starts,
the parent raises EngineError with the end of the child's log.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from plotbot.errors import EngineError

MODEL_ID = "story-seeds-2m"
MODEL_PATH = Path(__file__).with_name("story-seeds.gguf")
MODEL_SHA256 = "e1ddaa736c1896e92ea83da03b1a5c83ff9ef798e604873ef96ddeb072eed0ce"
CONTEXT_LENGTH = 2048

_START_SECONDS = 60.0
_STOP_SECONDS = 5.0
_LOG_TAIL = 2_000
_SERVE = "plotbot.ask.embedded.serve"
_PACKAGE_ROOT = Path(__file__).resolve().parents[3]


class EmbeddedEngine:
    """A llama.cpp server in a child process of its own, with the story-seed model or another GGUF file."""

    alias: str = MODEL_ID

    def __init__(self, process: subprocess.Popen[bytes], url: str, sha256: str) -> None:
        """Wrap a child that serves at *url*; use `start` to get one."""
        self.url = url
        self.sha256 = sha256
        self._process = process

    @classmethod
    def start(cls, *, slots: int = 4, context_length: int | None = None, model_path: Path | None = None) -> Self:
        """Start the child and wait until it answers requests.

        *context_length* is in tokens per slot, None means `CONTEXT_LENGTH`. The packaged model must be the measured
        one, byte for byte; the file at *model_path* is only hashed. Raises EngineError if the child does not start.
        """
        if importlib.util.find_spec("xllamacpp") is None:
            raise EngineError("The embedded engine is not installed. Install it: pip install 'plotbot[embedded]'")
        sha256 = _packaged_sha256() if model_path is None else _sha256(model_path)
        path = MODEL_PATH if model_path is None else model_path
        with tempfile.TemporaryFile() as log:
            process = _spawn(path, slots, context_length or CONTEXT_LENGTH, log)
            url = _reported_url(process, log)
        return cls(process, url, sha256)

    @property
    def version(self) -> str:
        """The engine's name and version, read from the installed package: its server reports none."""
        return f"xllamacpp {importlib.metadata.version('xllamacpp')}"

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def stop(self) -> None:
        """End the child. A second call does nothing."""
        _end(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _packaged_sha256() -> str:
    sha256 = _sha256(MODEL_PATH)
    if sha256 != MODEL_SHA256:
        raise EngineError(
            f"The embedded model {MODEL_PATH} is not the one that plotbot ships: its SHA-256 is {sha256}, "
            f"not {MODEL_SHA256}. Reinstall plotbot, or restore the file from the repository."
        )
    return sha256


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        reason = error.strerror or error
        raise EngineError(f"The embedded model {path} cannot be read ({reason}). Reinstall plotbot.") from error


def _spawn(model: Path, slots: int, context_length: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
    # -P keeps the working directory off the child's path, so that a random.py there is not imported.
    command = [sys.executable, "-P", "-m", _SERVE]
    options = {"model": str(model.resolve()), "alias": MODEL_ID, "slots": slots, "context": context_length}
    try:
        return subprocess.Popen(  # noqa: S603  our own interpreter and module
            [*command, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(),
        )
    except OSError as error:
        raise EngineError(f"The embedded engine cannot be started: {error}") from error


def _environment() -> dict[str, str]:
    """This process's environment, extended so that the child can import plotbot even if it is not installed."""
    paths = [str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _reported_url(process: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    """The URL that the child reports once it answers requests. Raises EngineError if it reports none."""
    try:
        line = _first_line(process)
    except BaseException:  # Ctrl-C during the start must leave no child behind
        _end(process)
        raise
    if line:
        report: dict[str, Any] = json.loads(line)
        return str(report["url"])
    _end(process)
    silent = f"was silent for {_START_SECONDS:.0f} s"
    why = silent if line is None else f"ended with exit status {process.returncode}"
    raise EngineError(f"The embedded engine did not start: it {why}. The end of its log:\n{_tail(log)}")


def _first_line(process: subprocess.Popen[bytes]) -> bytes | None:
    """The first line of the child's stdout; empty if the child has ended, None if the time is up."""
    lines: list[bytes] = []

    def read() -> None:
        lines.append(process.stdout.readline() if process.stdout else b"")

    # A thread, because Windows has no timeout for reading a pipe.
    reader = threading.Thread(target=read, name="plotbot-engine-start", daemon=True)
    reader.start()
    reader.join(_START_SECONDS)
    if lines:
        return lines[0]
    process.kill()
    reader.join()
    return None


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read()[-_LOG_TAIL:].decode("utf-8", "replace").strip() or "(empty)"


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
