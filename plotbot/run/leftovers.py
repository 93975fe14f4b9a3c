"""What dead runs left in their journals is folded at the next start, before anything is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from plotbot.errors import PlotbotError
from plotbot.judge import kept_values
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder, list_runs
from plotbot.keep.run_reading import read_run
from plotbot.run.recorder import Recorder
from plotbot.settings import Settings

if TYPE_CHECKING:
    from plotbot.run.recovery import Recovered


def fold_leftovers(settings: Settings, disk: Disk, warn: Callable[[str], None]) -> None:
    """Fold the answers that a killed run kept but did not bring into their title files.

    A run that came to its end with nothing left says so in its summary and is not read again; one that still runs is
    left alone. What cannot be read or folded is warned of and stays in its journal.
    """
    for folder in list_runs(settings.runs_dir):
        if not _is_settled(folder, disk):
            _fold_one(folder, settings, disk, warn)


def fold_held(recorder: Recorder, settings: Settings, disk: Disk) -> None:
    """At a run's end, its journal closed: fold what a killed worker had still to fold, and note what stays unfolded."""
    held = recorder.held
    if not held:
        return
    try:
        recovered = _refolded(recorder.folder, settings, disk)
        recorder.unfolded = dict.fromkeys(held, recovered.running) if recovered.running else dict(recovered.unfolded)
    except PlotbotError as error:
        recorder.unfolded |= dict.fromkeys(held, str(error))


def _fold_one(folder: RunFolder, settings: Settings, disk: Disk, warn: Callable[[str], None]) -> None:
    try:
        recovered = _refolded(folder, settings, disk)
    except PlotbotError as error:
        warn(f"run {folder.run_id} could not be looked through for answers to fold: {error}")
        return
    if recovered.folded:
        warn(
            f"run {folder.run_id} had left {recovered.folded} answers in its journal: they are in their title files now"
        )
    for reason in recovered.unfolded.values():
        warn(f"run {folder.run_id}: an answer stays in its journal: {reason}")


def _refolded(folder: RunFolder, settings: Settings, disk: Disk) -> Recovered:
    # Most runs come after runs that have left nothing.
    from plotbot.run.recovery import fold_as_set, fold_run  # noqa: PLC0415  see above

    return fold_run(read_run(folder, disk), kept_values(), fold_as_set(settings, disk))


def _is_settled(folder: RunFolder, disk: Disk) -> bool:
    try:
        summary = folder.read_json(folder.summary, disk)
    except PlotbotError:
        return False
    # A summary without an exit status is `plotbot report`'s: the run may have gone on after it, and been killed.
    return isinstance(summary, dict) and summary.get("unfolded") == {} and summary.get("exit_status") is not None
