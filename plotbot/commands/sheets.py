"""Which run, or which baseline file, a command means, and its verdicts."""

from __future__ import annotations

from pathlib import Path

from plotbot.errors import InputError
from plotbot.keep.disk import Disk
from plotbot.keep.run_folder import RunFolder, find_run
from plotbot.keep.run_reading import read_run
from plotbot.measure.baseline import read_baseline_file
from plotbot.measure.verdict_sheet import VerdictSheet, verdict_sheet
from plotbot.settings import Settings

RUN_OR_BASELINE = "a run's id or folder, or a baseline file"


def find_sheet(name: str, settings: Settings, here: Path) -> VerdictSheet:
    """The verdicts of a run named by its id or folder, or of a baseline file. Raises `InputError`.

    Paths start *here*, or else at the project root.
    """
    for path in (here / name, settings.root / name):
        if path.is_dir():
            return sheet_of_run(RunFolder(path))
        if path.is_file():
            return read_baseline_file(path)
    if Path(name).suffix or len(Path(name).parts) > 1:
        raise InputError(f"{name}: no such file or folder; give {RUN_OR_BASELINE}")
    return sheet_of_run(find_run(settings.runs_dir, name))


def sheet_of_run(folder: RunFolder) -> VerdictSheet:
    """The verdicts of the run in a folder. Raises `InputError` where it cannot be read."""
    run = read_run(folder, Disk())
    return verdict_sheet(run.records(), run.questions)
