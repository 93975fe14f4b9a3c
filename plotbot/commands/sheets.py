"""Which run, or which baseline file, a command means, and its verdicts."""

from __future__ import annotations

from pathlib import Path

from plotbot.errors import InputError
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder, find_run, last_run
from plotbot.keep.run_reading import read_run
from plotbot.measure.baseline import read_baseline_file
from plotbot.measure.verdict_sheet import VerdictSheet, verdict_sheet
from plotbot.settings import Settings

LAST = "last"
RUN = f"a run's id or folder, or {LAST!r} for the newest"
RUN_OR_BASELINE = f"{RUN}, or a baseline file"


def find_sheet(name: str, settings: Settings, here: Path) -> VerdictSheet:
    """The verdicts of a run named by its id or folder, or of a baseline file. Raises `InputError`.

    Paths start *here*, or else at the project root.
    """
    for path in (here / name, settings.root / name):
        if path.is_file():
            return read_baseline_file(path)
    return sheet_of_run(find_folder(name, settings, here))


def find_folder(name: str, settings: Settings, here: Path) -> RunFolder:
    """The run that a name means: its id, its folder, or the newest one. Raises `InputError` where there is none."""
    if name == LAST:
        newest = last_run(settings.runs_dir)
        if newest is None:
            raise InputError(f"{settings.runs_dir}: there is no run yet: start one with pytest evals")
        return newest
    for path in (here / name, settings.root / name):
        if path.is_dir():
            return RunFolder(path)
    if Path(name).suffix or len(Path(name).parts) > 1:
        raise InputError(f"{name}: no such file or folder; give {RUN_OR_BASELINE}")
    return find_run(settings.runs_dir, name)


def sheet_of_run(folder: RunFolder) -> VerdictSheet:
    """The verdicts of the run in a folder. Raises `InputError` where it cannot be read."""
    run = read_run(folder, Disk())
    return verdict_sheet(run.records(), run.questions)
