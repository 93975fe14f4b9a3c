"""What the page of all runs is made of: each run's summary, or at least its header."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from plotbot.errors import InputError
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder, list_runs
from plotbot.report.page.history import MOST_RUNS, HistoryRun


def read_history(runs_dir: Path, page: Path, disk: Disk) -> list[HistoryRun]:
    """The runs in a folder, oldest first, as the page at *page* shows them; journals are not read."""
    folders = list_runs(runs_dir)
    unread = [HistoryRun(folder.run_id, {}) for folder in folders[:-MOST_RUNS]]
    return unread + [_read(folder, page, disk) for folder in folders[-MOST_RUNS:]]


def link_to(target: Path, page: Path) -> str:
    """The address of a file in a page in another folder; empty if no relative one leads there."""
    try:
        relative = os.path.relpath(target, page.parent)
    except ValueError:
        # On Windows it may be on another drive.
        return ""
    return quote(f"./{Path(relative).as_posix()}")


def _read(folder: RunFolder, page: Path, disk: Disk) -> HistoryRun:
    link = link_to(folder.page, page) if folder.page.is_file() else ""
    try:
        summary = folder.read_json(folder.summary, disk) if folder.summary.exists() else {}
        header = summary["header"] if summary else folder.header(disk)
        rows = summary.get("models", ())
        return HistoryRun(folder.run_id, dict(header), tuple(rows), link)
    except (InputError, KeyError, AttributeError, TypeError, ValueError):
        return HistoryRun(folder.run_id, {}, link=link)
