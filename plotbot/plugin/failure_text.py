"""What stands in a failed report in the place of pytest's traceback, which takes as long to make as all else of a case.

A failed eval shows its verdict, so pytest's own view of the failure is made only where something reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, cast

import pytest

from plotbot.plugin.exceptions import text_of
from plotbot.report.terminal_lines import fitted
from plotbot.safe import visible

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
        for line in fitted(self.text):
            terminal.line(line)


class BareException:
    """Stands for pytest's account of an exception, and for the view of it that a report has."""

    def __init__(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self._excinfo = excinfo

    def __getattr__(self, name: str) -> Any:
        return getattr(self._excinfo, name)

    def toterminal(self, terminal: TerminalLines) -> None:
        terminal.line(str(self._excinfo.value))


@contextmanager
def without_traceback(call: pytest.CallInfo[None]) -> Iterator[None]:
    """Have pytest make its report of a failed call without a traceback.

    pytest takes what is not its own account of an exception into the report as it is.
    """
    excinfo = call.excinfo
    assert excinfo is not None, "the call has failed"
    call.excinfo = cast("pytest.ExceptionInfo[BaseException]", BareException(excinfo))
    try:
        yield
    finally:
        call.excinfo = excinfo


def make_traceback(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Give a report the traceback that `without_traceback` has left out."""
    if isinstance(report.longrepr, BareException) and call.excinfo is not None:
        try:
            report.longrepr = item.repr_failure(call.excinfo)
        except SystemExit:
            report.longrepr = _in_words(item, call.excinfo)


def report_in_words(item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
    """A report without a traceback: pytest lets a SystemExit through that the representation of a variable raises."""
    assert call.excinfo is not None, "the call has failed"
    with without_traceback(call):
        report = pytest.TestReport.from_item_and_call(item, call)
    report.longrepr = _in_words(item, call.excinfo)
    return report


def failure_text(text: str, message: str, path: Path, traceback: TracebackType | None) -> Any:
    """A failure in words, at the last line of the file *path* that ran. *message* is for the short summary."""
    line, name = 0, str(path)
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == name:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return FailureText(text, Place(name, line, message))


def visible_failure(text: str, failure: Any) -> Any:
    """The *text* of pytest's own view of a failure, made visible, with its line for the short summary if it has one."""
    place = getattr(failure, "reprcrash", None)
    return text if place is None else FailureText(text, Place(place.path, place.lineno, visible(place.message)))


def retell(report: pytest.TestReport, message: str) -> None:
    """Change the line of pytest's own view of a failure in the short summary, and so in a JUnit file."""
    if (place := getattr(report.longrepr, "reprcrash", None)) is not None:
        place.message = message


def shorten(report: pytest.TestReport) -> None:
    """Leave of a failure in words only its line in the short summary."""
    if isinstance(report.longrepr, FailureText):
        report.longrepr = report.longrepr.reprcrash.message


def add_place(report: pytest.TestReport, data: dict[str, Any]) -> None:
    """Add to a worker's report, as builtin values, what pytest leaves out of a `FailureText`."""
    if isinstance(report.longrepr, FailureText):
        data[_PLACE] = list(report.longrepr.reprcrash)


def take_place(data: dict[str, Any]) -> Place | None:
    """Take out of a worker's report what `add_place` has added."""
    given = data.pop(_PLACE, None)
    return None if given is None else Place(*given)


def _in_words(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:
    words = f"{type(excinfo.value).__name__}: {text_of(excinfo.value)}"
    return failure_text(visible(words), visible(words), item.path, excinfo.tb)
