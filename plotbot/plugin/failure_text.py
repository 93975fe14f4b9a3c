"""What stands in a failed report in the place of pytest's traceback, which takes as long to make as all else of a case.

A failed eval shows its verdict, so pytest's own view of the failure is made only where something reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol

import pytest

_PLACE = "plotbot_place"


class TerminalLines(Protocol):
    """What is used of pytest's terminal writer."""

    def line(self, text: str = "") -> None:
        """Write a line."""


class Place(NamedTuple):
    """Where a test failed, and the message of its line in pytest's short summary. pytest's own has the same fields."""

    path: str
    lineno: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.lineno}: {self.message}"


class FailureText:
    """A failure in words. It may be the `longrepr` of a report, also across processes."""

    def __init__(self, text: str, place: Place) -> None:
        self.text = text
        self.reprcrash = place

    def __str__(self) -> str:
        return self.text

    def toterminal(self, terminal: TerminalLines) -> None:
        for line in self.text.split("\n"):
            terminal.line(line)


class UnmadeTraceback:
    """Stands for pytest's view of a failure, and makes it when an attribute of it is read."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        return getattr(self.made(), name)

    def __str__(self) -> str:
        return str(self.made())

    def made(self) -> Any:
        """Make pytest's own view."""
        return self._make()


@contextmanager
def without_traceback(item: pytest.Item) -> Iterator[None]:
    """Have pytest put an `UnmadeTraceback` into the report that it makes of a failed call."""
    make = item.repr_failure
    # An attribute of the item itself, because each class of items has a method of its own.
    vars(item)["repr_failure"] = lambda excinfo, *more: UnmadeTraceback(lambda: make(excinfo, *more))
    try:
        yield
    finally:
        del vars(item)["repr_failure"]


def make_traceback(report: pytest.TestReport) -> None:
    """Replace what `without_traceback` has left in a report by pytest's own view."""
    if isinstance(report.longrepr, UnmadeTraceback):
        report.longrepr = report.longrepr.made()


def failure_text(text: str, message: str, path: Path, traceback: TracebackType | None) -> Any:
    """A failure in words, at the last line of the file *path* that ran. *message* is for the short summary."""
    line, name = 0, str(path)
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == name:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return FailureText(text, Place(name, line, message))


def add_place(report: pytest.TestReport, data: dict[str, Any]) -> None:
    """Add to a worker's report, as builtin values, what pytest leaves out of a `FailureText`."""
    if isinstance(report.longrepr, FailureText):
        data[_PLACE] = list(report.longrepr.reprcrash)


def take_place(data: dict[str, Any]) -> Place | None:
    """Take out of a worker's report what `add_place` has added."""
    given = data.pop(_PLACE, None)
    return None if given is None else Place(*given)
