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
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

from plotbot.errors import EngineError
from plotbot.safe import one_line

MODEL_ID = "story-seeds-2m"
MODEL_PATH = Path(__file__).with_name("story-seeds.gguf")
MODEL_SHA256 = "e1ddaa736c1896e92ea83da03b1a5c83ff9ef798e604873ef96ddeb072eed0ce"
CONTEXT_LENGTH = 2048

START_SECONDS = 60.0
"""How long the packaged model may take to load."""

_REFUSED = "common_init_: failed to load model"
"""What the engine's log has where a model was refused, and not where it ends without weights."""
_STOP_SECONDS = 5.0
_LOG_TAIL = 20_000
_PIECE_BYTES = 4 * 1024 * 1024
_SERVE = "plotbot.ask.embedded.serve"
_PACKAGE_ROOT = Path(__file__).resolve().parents[3]


class _Cause(NamedTuple):
    """What a line of the engine's log means for a user; {} are the pattern's groups."""

    pattern: str
    words: str


_CAUSES = (
    _Cause(
        r"unknown model architecture: '([^'\n]{0,80})'",
        "its architecture, {}, is not known to this engine ({engine}). Update the engine (pip install -U xllamacpp), "
        "or choose another model.",
    ),
    _Cause(
        r"insufficient memory|failed to allocate|bad_alloc|unable to allocate|[Cc]annot allocate memory",
        "there is not enough memory for it. Lower EMBEDDED_SLOTS or CONTEXT_LENGTH, or choose a smaller file.",
    ),
    _Cause(
        r"not within the file bounds|corrupted or incomplete|invalid magic characters|failed to read (?:header|key)",
        "its file is damaged. Download it again, or name another file.",
    ),
    _Cause(
        r"error loading model(?: \w+)?: ([^\n]{1,300})",
        "the engine says: {}. Choose another file, or update the engine ({engine}).",
    ),
)


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What the child is told. *context_length* is in tokens per slot; *gpu_layers* of None leaves it to llama.cpp."""

    model: Path
    alias: str
    slots: int = 4
    context_length: int = CONTEXT_LENGTH
    threads: int = 1
    gpu_layers: int | None = 0

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "model": str(self.model.resolve())}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, "model": Path(data["model"])})


class EmbeddedEngine:
    """A llama.cpp server in a child process of its own. It serves one GGUF file, from `wait_until_ready` to `stop`."""

    def __init__(self, options: EngineOptions) -> None:
        """Start the child, which then loads the model. Raises EngineError where it cannot be started."""
        if importlib.util.find_spec("xllamacpp") is None:
            raise EngineError("The embedded engine is not installed. Install it: pip install 'plotbot[embedded]'")
        self.options = options
        self.url = ""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  it is read when the child has ended
        self._process = _spawn(options, self._log)

    @classmethod
    def start(cls, *, slots: int = 4, context_length: int | None = None, model_path: Path | None = None) -> Self:
        """Start the child with the packaged model, or with *model_path*, and wait until it answers requests.

        *context_length* is in tokens per slot, None means `CONTEXT_LENGTH`. The packaged model must be the measured
        one, byte for byte. Raises EngineError if the child does not start.
        """
        if model_path is None:
            check_packaged_model()
        options = EngineOptions(model_path or MODEL_PATH, MODEL_ID, slots, context_length or CONTEXT_LENGTH)
        engine = cls(options)
        engine.wait_until_ready(START_SECONDS)
        return engine

    def wait_until_ready(self, seconds: float) -> None:
        """Wait until the model is loaded and `url` known. Raises EngineError where the child ends, or *seconds* do."""
        try:
            line = _first_line(self._process, seconds)
        except BaseException:  # Ctrl-C during the start must leave no child behind
            self.stop()
            raise
        if line:
            report: dict[str, Any] = json.loads(line)
            self.url = str(report["url"])
            return
        if line is None:
            self.stop()
            raise EngineError(
                f"the model was not loaded within {seconds:.0f} s. Raise LOAD_TIMEOUT, or choose a smaller file."
            )
        raise EngineError(f"the model was not loaded: {self.how_it_ended()}")

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def loaded_bytes(self) -> int | None:
        """How many bytes of memory the child has filled so far; None where the system does not tell."""
        return filled_bytes(self.pid)

    def has_ended(self, within_seconds: float = 0.0) -> bool:
        """Whether the child has ended, or does so within some seconds."""
        try:
            self._process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def wait(self) -> None:
        """Wait until the child ends."""
        self._process.wait()

    def how_it_ended(self) -> str:
        """Why the child ended, and what to do: one sentence or two. Waits until it has."""
        _end(self._process)
        log = _read_log(self._log)
        return _cause_in(log) or f"{_exit_of(self._process.returncode)} {_last_words(log)}".rstrip()

    def stop(self) -> None:
        """End the child, and wait until its memory is free. A second call does nothing."""
        _end(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def filled_bytes(pid: int) -> int | None:
    """How many bytes of memory a process has filled; None where the system does not tell."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return None


def engine_version() -> str:
    """The engine's name and version, read from the installed package: its server reports none."""
    try:
        return f"xllamacpp {importlib.metadata.version('xllamacpp')}"
    except importlib.metadata.PackageNotFoundError:
        raise EngineError("The embedded engine is not installed. Install it: pip install 'plotbot[embedded]'") from None


def sha256_of(paths: Sequence[Path], read: Callable[[int], None] = lambda _: None) -> str:
    """The SHA-256 of files one after the other, as `cat FILES | sha256sum` gives it.

    *read* is called with the number of bytes of each piece. Raises EngineError where a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                while piece := file.read(_PIECE_BYTES):
                    digest.update(piece)
                    read(len(piece))
        except OSError as error:
            raise EngineError(f"{one_line(str(path), 300)} cannot be read ({error.strerror or error}).") from error
    return digest.hexdigest()


def check_loadable(options: EngineOptions) -> None:
    """Have the engine read all of a model but its weights. Raises EngineError where it would refuse the model.

    A child that ends in another way proves nothing.
    """
    with tempfile.TemporaryFile() as log:
        process = _spawn(options, log, reads_weights=False)
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            return
        finally:
            _end(process)
        said = _read_log(log)
    if _REFUSED in said:
        raise EngineError(
            f"{one_line(str(options.model), 300)} cannot be loaded: {_cause_in(said) or _last_words(said)}"
        )


def check_packaged_model() -> None:
    """Raise EngineError where the packaged model is not the measured one, byte for byte."""
    sha256 = sha256_of([MODEL_PATH])
    if sha256 != MODEL_SHA256:
        raise EngineError(
            f"The embedded model {MODEL_PATH} is not the one that plotbot ships: its SHA-256 is {sha256}, "
            f"not {MODEL_SHA256}. Reinstall plotbot, or restore the file from the repository."
        )


def _spawn(options: EngineOptions, log: IO[bytes], *, reads_weights: bool = True) -> subprocess.Popen[bytes]:
    # -P keeps the working directory off the child's path, so that a random.py there is not imported.
    command = [sys.executable, "-P", "-m", _SERVE]
    try:
        return subprocess.Popen(  # noqa: S603  our own interpreter and module
            [*command, json.dumps({**options.to_json(), "reads_weights": reads_weights})],
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


def _first_line(process: subprocess.Popen[bytes], seconds: float) -> bytes | None:
    """The first line of the child's stdout; empty if the child has ended, None if the time is up."""
    lines: list[bytes] = []

    def read() -> None:
        lines.append(process.stdout.readline() if process.stdout else b"")

    # A thread, because Windows has no timeout for reading a pipe.
    reader = threading.Thread(target=read, name="plotbot-engine-start", daemon=True)
    reader.start()
    reader.join(seconds)
    if lines:
        return lines[0]
    process.kill()
    reader.join()
    return None


def _read_log(log: IO[bytes]) -> str:
    """The end of what the child has written. Only for a child that has ended."""
    log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_TAIL))
    return log.read().decode("utf-8", "replace")


def _cause_in(log: str) -> str | None:
    """What the first known cause in a log means for a user."""
    for cause in _CAUSES:
        if match := re.search(cause.pattern, log):
            return cause.words.format(*match.groups(), engine=engine_version())
    return None


def _last_words(log: str) -> str:
    lines = [line for line in log.splitlines() if line.strip()]
    return f"The end of its log: {one_line(lines[-1], 300)}" if lines else "It left no log."


def _exit_of(status: int) -> str:
    if status >= 0:
        return f"the engine ended with exit status {status}."
    name = signal.Signals(-status).name if -status in set(signal.Signals) else "unknown"
    memory = ", as the system does when memory runs out" if name == "SIGKILL" else ""
    return f"the engine was ended by signal {-status} ({name}){memory}."


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
