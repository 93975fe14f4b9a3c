"""How a run is found: by its id, its folder, its note, or as one of the newest."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from plotbot.errors import InputError
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder, list_runs, subjects_runs, unfinished_folders
from plotbot.keep.run_reading import refuse_unusable
from plotbot.records import note_of
from plotbot.safe import one_line
from plotbot.settings import Settings

LAST = "last"
_LAST = re.compile(r"last(?:~([0-9]{1,9}))?")
_MOST_NAMED = 5
Warn = Callable[[str], object]
_log = logging.getLogger("plotbot.keep")


def find_run(name: str, settings: Settings, here: Path, warn: Warn = _log.warning) -> RunFolder:
    """Resolve a RUN argument. Raises `InputError` if there is no such run, or more than one.

    It is `last`, `last~N` for the Nth before that, a run's folder, its id or the beginning of it, or its note or the
    beginning of it. A relative folder is looked for in *here*, the current folder, and then in the project root. `last`
    passes over the runs of judges, which are newer than the runs that they judge, and over runs that cannot be used, of
    which *warn* is told.
    """
    if (counted := _LAST.fullmatch(name)) is not None:
        return newest_run(settings.runs_dir, warn, back=int(counted[1] or 0))
    folders = [RunFolder(path.resolve()) for path in (here / name, settings.root / name) if name and _is_folder(path)]
    # Any folder of the project may have the name of a note.
    runs = [folder for folder in folders if folder.plan.exists() or folder.journal.exists()]
    found = next(iter(runs), None) or _named_run(name, settings.runs_dir) or next(iter(folders), None)
    if found is None:
        newest = ", ".join(run.run_id for run in list_runs(settings.runs_dir)[-3:]) or "none"
        raise InputError(f"{settings.runs_dir}: no run {one_line(repr(name), 80)}; the newest here: {newest}")
    return found


def newest_run(runs_dir: Path, warn: Warn, back: int = 0) -> RunFolder:
    """The newest run that can be used and did not judge another's answers, or the one *back* places before it.

    *warn* is told which newer ones are passed over, and why. Raises `InputError` if there is no such run.
    """
    reasons: dict[str, str] = {}
    usable = list(islice(_usable(subjects_runs(runs_dir), reasons), back + 1))
    unusable = [f"run {name} cannot be used: {why}" for name, why in reasons.items()][:_MOST_NAMED]
    if len(usable) > back:
        run = usable[back]
        half = [path for path in unfinished_folders(runs_dir) if path.name.strip(".") > run.run_id]
        unusable += [f"{path}: a run that was killed before its first reply; delete it" for path in half[:_MOST_NAMED]]
        for one in unusable:
            warn(f"run {run.run_id} is taken, a newer one is passed over: {one}")
        return run
    if usable:
        oldest = f"the oldest is {LAST}~{len(usable) - 1}" if usable[1:] else f"there is only {LAST}"
        raise InputError("; ".join([f"{runs_dir}: no run {LAST}~{back}: {oldest}", *unusable]))
    raise InputError("; ".join([f"{runs_dir}: there is no run yet: start one with pytest evals", *unusable]))


def _usable(runs: Iterable[RunFolder], reasons: dict[str, str]) -> Iterator[RunFolder]:
    """Those of the runs that can be used; *reasons* gets why others cannot be used, by id."""
    for run in runs:
        try:
            refuse_unusable(run, Disk())
        except InputError as error:
            reasons[run.run_id] = str(error).partition("; choose another run")[0]
        else:
            yield run


def _named_run(name: str, runs_dir: Path) -> RunFolder | None:
    """The run with this id or note, else the only one whose id or note begins so. Raises `InputError` if several do."""
    if not name:
        return None
    runs = list_runs(runs_dir)
    # A shell completes the name of a folder with a slash.
    beginning = name.rstrip("/\\") or name
    for fits in (
        lambda run: run.run_id == beginning,
        lambda run: run.run_id.startswith(beginning),
        lambda run: _note(run) == name,
        lambda run: _note(run).startswith(name),
    ):
        found = [run for run in runs if fits(run)]
        if len(found) > 1:
            newest = ", ".join(run.run_id for run in found[-_MOST_NAMED:])
            what = f"{len(found)} runs have the id or the note {one_line(repr(name), 80)}, or one that begins so"
            raise InputError(f"{what}: name one of them by its id: {newest}")
        if found:
            return found[0]
    return None


def _note(run: RunFolder) -> str:
    try:
        return note_of(run.header(Disk()))
    except InputError:
        return ""


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        # A note may be longer than a file name can be.
        return False
