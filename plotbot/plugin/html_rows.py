"""The rows of one model's pytest-html page, with no more text in memory than the page will show."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from plotbot.report.case_row import CaseRow

MOST_REPLIES = 200
MOST_ROWS = 1000
# A page has to open in a browser: no text is longer than _PART, and once they add up to _PAGE, than _SHORT characters.
_PART, _PAGE, _SHORT = 20_000, 8_000_000, 500
LONGEST_CELL = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """A row and what pytest has to say about it."""

    row: CaseRow
    output: str = ""

    @property
    def size(self) -> int:
        """Characters of text that a page would show of it, expanded."""
        return len(self.row.reply or "") + len(self.row.message) + len(self.output)


class Rows:
    """One model's rows, with no more text in memory than its page will show."""

    def __init__(self) -> None:
        self.hosts: set[str] = set()
        self._entries: dict[str, Entry | None] = {}
        self._size = 0

    def __len__(self) -> int:
        """The number of cases, shown or not."""
        return len(self._entries)

    def entries(self) -> list[Entry]:
        return [entry for entry in self._entries.values() if entry is not None]

    def add(self, report: pytest.TestReport, row: CaseRow) -> None:
        entry = self._cut(report, row)
        if row.host:
            self.hosts.add(row.host)
        self._put(report.nodeid, None)
        self._put(report.nodeid, self._bounded(entry))
        if len(self) in {MOST_REPLIES + 1, MOST_ROWS + 1}:
            for item, kept in self._entries.items():
                self._put(item, self._bounded(kept))

    def _cut(self, report: pytest.TestReport, row: CaseRow) -> Entry:
        limit = _PART if self._size < _PAGE else _SHORT
        reply = None if row.reply is None else _head(row.reply, limit)
        short = replace(row, reply=reply, message=_head(row.message, limit), title=row.title[: LONGEST_CELL * 4])
        before = self._entries.get(report.nodeid)
        # The teardown's report has no traceback of its own: that of the call stays.
        output = _head(_output(report, row), limit) or ("" if before is None else before.output)
        return Entry(short, output)

    def _put(self, item: str, entry: Entry | None) -> None:
        before = self._entries.get(item)
        self._size += (0 if entry is None else entry.size) - (0 if before is None else before.size)
        self._entries[item] = entry

    def _bounded(self, entry: Entry | None) -> Entry | None:
        if entry is None or entry.row.outcome != "passed" or len(self) <= MOST_REPLIES:
            return entry
        return None if len(self) > MOST_ROWS else replace(entry, row=replace(entry.row, reply=None))


def _output(report: pytest.TestReport, row: CaseRow) -> str:
    if row.outcome == "passed":
        return ""
    captured = (f"{name}\n{text}" for name, text in report.sections if name.startswith("Captured "))
    return "\n".join(part for part in (report.longreprtext, *captured) if part)


def _head(text: str, limit: int) -> str:
    rest = len(text) - limit
    return text if rest <= 0 else f"{text[:limit]}\n… {rest} more characters are in the run's journal"
