"""A page of pytest-html's as a test looks at it."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any


class WrittenPage(HTMLParser):
    """A page as a browser meets it: its data, its tags, its visible head."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data: dict[str, Any] = {}
        self.feed(self.source)
        self.rows = [test for tests in self.data["tests"].values() for test in tests]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        blob = dict(attrs).get("data-jsonblob")
        if blob:
            self.data = json.loads(blob)

    def fragments(self) -> list[str]:
        """All that the page's script puts into it as HTML."""
        cells = [cell for row in self.rows for cell in row["resultsTableRow"]]
        return [*cells, *(row["log"] for row in self.rows), *self.data["environment"].values()]

    def column(self, name: str) -> list[str]:
        return [row[name].strip() for row in self.rows]
