"""Which run, or which baseline file, a command means, and its verdicts."""

from __future__ import annotations

from pathlib import Path

from plotbot.errors import InputError
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RUN_HELP, RunFolder, find_run
from plotbot.keep.run_reading import read_run
from plotbot.measure.baseline import read_baseline_file
from plotbot.measure.verdict_sheet import VerdictSheet, verdict_sheet
from plotbot.settings import Settings

RUN_OR_BASELINE = f"{RUN_HELP}, or a baseline file"


def find_sheet(name: str, settings: Settings, here: Path) -> VerdictSheet:
    """The verdicts of a run named by its id or folder, or of a baseline file. Raises `InputError`.

    Paths start *here*, or else at the project root.
    """
    for path in (here / name, settings.root / name):
        if path.is_file():
            return read_baseline_file(path)
    is_path = Path(name).suffix or len(Path(name).parts) > 1
    if is_path and not any((folder / name).exists() for folder in (here, settings.root)):
        raise InputError(f"{name}: no such file or folder; give {RUN_OR_BASELINE}")
    return sheet_of_run(find_run(name, settings, here))


def sheet_of_run(folder: RunFolder) -> VerdictSheet:
    """The verdicts of the run in a folder. Raises `InputError` where it cannot be read."""
    run = read_run(folder, Disk())
    return verdict_sheet(run.records(), run.questions)
