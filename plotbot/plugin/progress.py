"""How far the run is, while it runs: one line below pytest's own on a terminal, a plain line now and then elsewhere.

pytest's lines grow bit by bit, a dot at a time, and a test may wait for its reply for minutes. So the line is drawn by
a thread of its own, straight to the terminal (the test's output is captured), and lies below the line on which pytest
is writing: the cursor goes back to where pytest left it. Whatever pytest writes first erases the line and then has it
drawn again. `-p no:plotbot-live` switches it off.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from typing import Any, Protocol, TextIO

import pytest
from _pytest._io import TerminalWriter

from plotbot.plugin.reports import result_on
from plotbot.records import ItemResult
from plotbot.run.session import MainRun

NAME = "plotbot-live"
TICK_SECONDS = 0.5
PLAIN_SECONDS = 30.0
_NAME_CHARACTERS = 30
_SILENT = -2
_ERASE_BELOW = "\x1b[J"


class Progress:
    """A run's figures so far. It hears of every result once, so that a tick costs the same in a run of any size."""

    def __init__(self, run: MainRun, clock: Callable[[], float] = time.monotonic) -> None:
        self._run = run
        self._clock = clock
        self._began = 0.0
        self._outcomes: dict[str, tuple[str, str]] = {}
        self._counts: dict[str, Counter[str]] = {}
        self._planned: Counter[str] = Counter()
        self._tokens = 0
        # Results come from pytest's thread, lines are asked for by the view's.
        self._lock = threading.Lock()

    def begin(self) -> None:
        """From here on time counts: a model that had to be loaded first says nothing about what is left."""
        self._began = self._clock()

    def note(self, result: ItemResult) -> None:
        """Count an item; a later word about it replaces the earlier one."""
        with self._lock:
            self._note(result)

    def line(self) -> str | None:
        """What there is to say, in ASCII; None before the plan is made."""
        with self._lock:
            return self._line()

    def _note(self, result: ItemResult) -> None:
        recorder = self._run.recorder
        if recorder is None or result.case not in recorder.cases:
            return
        model = recorder.cases[result.case].model
        counts = self._counts.setdefault(model, Counter())
        if result.item in self._outcomes:
            counts[self._outcomes[result.item][1]] -= 1
        else:
            exchange = recorder.measured(result.case)
            self._tokens += (exchange.reply.completion_tokens or 0) if exchange and exchange.reply else 0
        self._outcomes[result.item] = model, result.outcome
        counts[result.outcome] += 1

    def _line(self) -> str | None:
        planned = self._plan()
        if not planned:
            return None
        done, total, elapsed = len(self._outcomes), planned.total(), max(self._clock() - self._began, 0.001)
        parts = [self._model(model) for model, counts in self._counts.items() if counts.total() < planned[model]]
        if len(parts) != 1 or len(planned) > 1:
            parts.append(f"{done}/{total} in all")
        if self._tokens:
            parts.append(f"{self._tokens / elapsed:.0f} tokens/s")
        parts.append(f"{self._run.in_flight} in flight")
        if done:
            parts.append(f"{_clock_time(elapsed / done * (total - done))} left")
        return f"plotbot: {' | '.join(parts)}".encode("ascii", "replace").decode("ascii")

    def _plan(self) -> Counter[str]:
        recorder = self._run.recorder
        if not self._planned and recorder is not None:
            self._planned.update(recorder.cases[item.case].model for item in recorder.items)
        return self._planned

    def _model(self, model: str) -> str:
        counts = self._counts[model]
        judged = counts["passed"] + counts["failed"]
        rate = f" {counts['passed'] / judged:.0%} passed" if judged else ""
        errors = f" {counts['error']} errors" if counts["error"] else ""
        name = model.rsplit("/", 1)[-1]
        return f"{name[:_NAME_CHARACTERS]} {counts.total()}/{self._planned[model]}{rate}{errors}"


class ProgressView:
    """Shows a run's progress while pytest walks the items."""

    def __init__(self, config: pytest.Config, progress: Progress) -> None:
        self._config = config
        self._progress = progress

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        result = result_on(report)
        if result is not None:
            self._progress.note(result)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        self._progress.begin()
        if not self._config.pluginmanager.has_plugin("terminalreporter"):
            return (yield)
        with _screen(self._config) as screen, self._shown_on(screen):
            return (yield)

    @contextlib.contextmanager
    def _shown_on(self, screen: _Screen | None) -> Iterator[None]:
        if screen is None:
            yield
            return
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(screen.seconds):
                line = self._progress.line()
                if line is not None:
                    screen.show(line)

        thread = threading.Thread(target=watch, name=NAME, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


class _Screen(Protocol):
    """Where the line is shown, every so many seconds."""

    seconds: float

    def show(self, line: str) -> None:
        """Called from the view's own thread."""


class _Plain:
    """A log: each line a line of its own, also when pytest is in the middle of one."""

    seconds = PLAIN_SECONDS

    def __init__(self, terminal: TerminalWriter, fd: int) -> None:
        self._terminal = terminal
        self._fd = fd

    def show(self, line: str) -> None:
        begin = "\n" if self._terminal.width_of_current_line else ""
        _write(self._fd, f"{begin}{line}\n")


class _Bottom:
    """A terminal: the line stays below pytest's. It stands in for the file that pytest's terminal writer writes to."""

    seconds = TICK_SECONDS

    def __init__(self, terminal: TerminalWriter, file: TextIO, fd: int) -> None:
        self._terminal = terminal
        self._file = file
        self._fd = fd
        self._line = ""
        # Where pytest's text ends on the terminal. Its writer counts a text as written a moment before it is.
        self._column = terminal.width_of_current_line
        self._lock = threading.Lock()

    def show(self, line: str) -> None:
        with self._lock:
            self._line = line
            _write(self._fd, _ERASE_BELOW + self._below())

    def write(self, text: str) -> int:
        """What pytest has to say."""
        with self._lock:
            self._column = self._terminal.width_of_current_line
            self._file.write(f"{_ERASE_BELOW}{text}{self._below()}")
            self._file.flush()
        return len(text)

    def flush(self) -> None:
        """Everything is flushed as it is written."""

    def close(self) -> None:
        """Leave the terminal as if the line had never been there."""
        with self._lock:
            self._line = ""
            _write(self._fd, _ERASE_BELOW)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def _below(self) -> str:
        columns = os.get_terminal_size(self._fd).columns
        column = self._column
        # At the right edge the cursor hangs between two lines, and no sequence brings it back there.
        if not self._line or columns < 2 or (column and column % columns == 0):
            return ""
        back = f"\x1b[{column % columns}C" if column else ""
        return f"\n\r{self._line[: columns - 1]}\x1b[A\r{back}"


@contextlib.contextmanager
def _screen(config: pytest.Config) -> Iterator[_Screen | None]:
    """The right screen for pytest's output, or None where that goes to no file.

    It has a descriptor of its own, because capturing swaps the one that all share.
    """
    terminal = config.get_terminal_writer()
    # There is no hook around what pytest writes, and xdist writes past all hooks.
    file = terminal._file  # noqa: SLF001
    try:
        fd = os.dup(file.fileno())
    except (OSError, ValueError, AttributeError):
        yield None
        return
    try:
        if _is_plain(config, file):
            yield _Plain(terminal, fd)
            return
        bottom = _Bottom(terminal, file, fd)
        terminal._file = bottom  # noqa: SLF001
        try:
            yield bottom
        finally:
            terminal._file = file  # noqa: SLF001
            bottom.close()
    finally:
        os.close(fd)


def register_live_view(config: pytest.Config, run: MainRun) -> None:
    """Show the run's progress, where pytest shows anything and runs items."""
    if not config.option.collectonly and config.option.verbose > _SILENT:
        config.pluginmanager.register(ProgressView(config, Progress(run)), NAME)


def _is_plain(config: pytest.Config, file: TextIO) -> bool:
    dumb = os.environ.get("TERM") == "dumb" or "CI" in os.environ or sys.platform == "win32"
    return dumb or config.option.capture == "no" or not file.isatty()


def _clock_time(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{left:02}" if minutes >= 60 else f"{minutes}:{left:02}"


def _write(fd: int, text: str) -> None:
    # A terminal that has gone away must not end the run, and pytest itself will find out.
    with contextlib.suppress(OSError):
        os.write(fd, text.encode("ascii"))
