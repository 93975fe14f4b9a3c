"""The embedded engine as its parent sees it: started, asked over HTTP, stopped.

The child holds the reading end of a pipe and ends when the pipe closes, so it cannot outlive its parent, however the
parent ends. xllamacpp is loaded by the child alone: importing this module costs nothing, and a crash inside
llama.cpp is an EngineError here, with the end of its log.
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
    """A llama.cpp server with the story-seed model, in a child process of its own."""

    alias: str = MODEL_ID

    def __init__(self, process: subprocess.Popen[bytes], url: str, sha256: str) -> None:
        """Take over a child that has reported *url*; `start` is the way to get one."""
        self.url = url
        self.sha256 = sha256
        self._process = process

    @classmethod
    def start(cls, *, slots: int = 4, context_length: int = CONTEXT_LENGTH, model_path: Path | None = None) -> Self:
        """Start the child and wait until it answers; EngineError says why it does not. *context_length* is each slot's.

        The packaged model must be the one that was measured, byte for byte. A *model_path* of one's own is only hashed.
        """
        if importlib.util.find_spec("xllamacpp") is None:
            raise EngineError("The embedded engine is not installed. Install it: pip install 'plotbot[embedded]'")
        sha256 = _packaged_sha256() if model_path is None else _sha256(model_path)
        path = MODEL_PATH if model_path is None else model_path
        with tempfile.TemporaryFile() as log:
            process = _spawn(path, slots, context_length, log)
            url = _reported_url(process, log)
        return cls(process, url, sha256)

    @property
    def version(self) -> str:
        """The engine's name and version; its server tells none of its own."""
        return f"xllamacpp {importlib.metadata.version('xllamacpp')}"

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def stop(self) -> None:
        """End the child; a second call does nothing."""
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
    # -P keeps the working directory off the child's path: a random.py that lies there must not be imported.
    command = [sys.executable, "-P", "-m", _SERVE]
    order = {"model": str(model.resolve()), "alias": MODEL_ID, "slots": slots, "context": context_length}
    try:
        return subprocess.Popen(  # noqa: S603  our own interpreter and module
            [*command, json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(),
        )
    except OSError as error:
        raise EngineError(f"The embedded engine cannot be started: {error}") from error


def _environment() -> dict[str, str]:
    """This process's environment, with the package findable where it lies, installed or not."""
    paths = [str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _reported_url(process: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    """The address that the child reports when it answers requests."""
    try:
        line = _first_line(process)
    except BaseException:  # Ctrl-C while it starts: nothing may be left running
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
    """The first line on the child's stdout: empty when the child has ended, None when time is up."""
    lines: list[bytes] = []

    def read() -> None:
        lines.append(process.stdout.readline() if process.stdout else b"")

    # A thread, because Windows cannot wait for a pipe with a time limit.
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
