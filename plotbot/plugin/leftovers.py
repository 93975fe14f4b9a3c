"""What dead runs left in their journals is folded at the next start, before anything is asked."""

from __future__ import annotations

from collections.abc import Callable

from plotbot.errors import PlotbotError
from plotbot.judge.kept import kept_values
from plotbot.keep.disk import Disk
from plotbot.keep.refolding import fold_as_set, fold_run
from plotbot.keep.run_folder import RunFolder, list_runs
from plotbot.keep.run_reading import read_run
from plotbot.keep.writer import Fold
from plotbot.settings import Settings


def fold_leftovers(settings: Settings, disk: Disk, warn: Callable[[str], None]) -> None:
    """Fold the answers that a killed run kept but did not bring into their title files.

    A run that came to its end with nothing left says so in its summary and is not read again; one that still runs is
    left alone. What cannot be read or folded is warned of and stays in its journal.
    """
    fold = fold_as_set(settings, disk)
    for folder in list_runs(settings.runs_dir):
        if not _is_settled(folder, disk):
            _fold_one(folder, fold, disk, warn)


def _fold_one(folder: RunFolder, fold: Fold, disk: Disk, warn: Callable[[str], None]) -> None:
    try:
        refolded = fold_run(read_run(folder, disk), kept_values(), fold)
    except PlotbotError as error:
        warn(f"run {folder.run_id} could not be looked through for answers to fold: {error}")
        return
    if refolded.folded:
        warn(
            f"run {folder.run_id} had left {refolded.folded} answers in its journal: they are in their title files now"
        )
    for reason in refolded.unfolded.values():
        warn(f"run {folder.run_id}: an answer stays in its journal: {reason}")


def _is_settled(folder: RunFolder, disk: Disk) -> bool:
    try:
        summary = folder.read_json(folder.summary, disk)
    except PlotbotError:
        return False
    return isinstance(summary, dict) and summary.get("unfolded") == {}
