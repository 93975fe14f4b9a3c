"""Writing to pytest's terminal beside pytest: the progress line, and a question to a person.

pytest has no public way for either, so all that plotbot uses of its terminal writer and its capture is in this file.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TextIO, cast

import pytest

from plotbot.report.terminal_lines import fitted

TICK_SECONDS = 0.5
LOG_SECONDS = 30.0
_ERASE_BELOW = "\x1b[J"


class TerminalWriter(Protocol):
    """What is used of pytest's terminal writer."""

    _file: TextIO

    @property
    def width_of_current_line(self) -> int:
        """Columns of the line that pytest is writing."""


class Screen(Protocol):
    """Where the progress line is shown, every so many seconds."""

    seconds: float

    def show(self, line: str) -> None:
        """Show a line. Called from the thread of the progress line."""


class Log:
    """A log: each progress line is a line of its own, also when pytest is in the middle of one."""

    seconds = LOG_SECONDS

    def __init__(self, terminal: TerminalWriter, fd: int) -> None:
        self._terminal = terminal
        self._fd = fd

    def show(self, line: str) -> None:
        begin = "\n" if self._terminal.width_of_current_line else ""
        _write(self._fd, begin + "\n".join([*fitted(line), ""]))


class BottomLine:
    """A terminal: the progress line stays below the line that pytest is writing.

    pytest's lines grow bit by bit. So this object takes the place of the file that pytest's terminal writer writes to:
    it erases the progress line, writes pytest's text, draws the line again below it and moves the cursor back to where
    pytest's text ends.
    """

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
        """Write pytest's text."""
        with self._lock:
            self._column = self._terminal.width_of_current_line
            self._file.write(f"{_ERASE_BELOW}{text}{self._below()}")
            self._file.flush()
        return len(text)

    def flush(self) -> None:
        """Do nothing: every text is flushed as it is written."""

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
        # At the right edge the cursor is between two lines, and no sequence brings it back there.
        if not self._line or columns < 2 or (column and column % columns == 0):
            return ""
        back = f"\x1b[{column % columns}C" if column else ""
        return f"\n\r{self._line[: columns - 1]}\x1b[A\r{back}"


@contextlib.contextmanager
def screen(config: pytest.Config) -> Iterator[Screen | None]:
    """The screen for pytest's output, or None where that goes to no file.

    It has a file descriptor of its own, because capture replaces the one that all share.
    """
    # No hook sees what pytest writes, and xdist writes without hooks.
    terminal = cast("TerminalWriter", config.get_terminal_writer())
    file = terminal._file  # noqa: SLF001
    try:
        fd = os.dup(file.fileno())
    except (OSError, ValueError, AttributeError):
        yield None
        return
    try:
        if _is_log(config, file):
            yield Log(terminal, fd)
            return
        bottom = BottomLine(terminal, file, fd)
        terminal._file = cast("TextIO", bottom)  # noqa: SLF001
        try:
            yield bottom
        finally:
            terminal._file = file  # noqa: SLF001
            bottom.close()
    finally:
        os.close(fd)


def question_at_terminal(config: pytest.Config) -> Callable[[str], bool] | None:
    """What asks a person a yes-or-no question, with pytest's capture suspended; None where no person is there."""
    if config.getoption("numprocesses", default=None) or not sys.__stdin__ or not sys.__stdin__.isatty():
        return None

    def ask(question: str) -> bool:
        capture = config.pluginmanager.get_plugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
            if capture is not None:
                capture.suspend_global_capture(in_=True)
            return input(f"{question} [Y/n] ").strip().lower() in {"", "y", "yes"}

    return ask


def _is_log(config: pytest.Config, file: TextIO) -> bool:
    dumb = os.environ.get("TERM") == "dumb" or "CI" in os.environ or sys.platform == "win32"
    return dumb or config.getoption("capture", "no") == "no" or not file.isatty()


def _write(fd: int, text: str) -> None:
    # A terminal that has gone away must not end the run; pytest itself will find out.
    with contextlib.suppress(OSError):
        os.write(fd, text.encode("ascii"))
