"""What report files are called."""

from __future__ import annotations

from plotbot.safe import digest, file_stem

COMPARISON = "index.html"
MARKDOWN = "summary.md"
_TAKEN = frozenset({"index", "summary"})


def page_name(model: str) -> str:
    """The file name of a model's own page, safe and unique on every file system."""
    stem = file_stem(model)
    # A model that is called "index" must not take the place of the page that compares them all.
    return f"{stem}-{digest(model)}.html" if stem in _TAKEN else f"{stem}.html"
