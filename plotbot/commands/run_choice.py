"""Which runs a command works on: those that its RUN arguments name, else all of the project's, or the last."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from plotbot.commands.project import add_settings_arguments
from plotbot.errors import InputError
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RUN_HELP, RunFolder, find_run, list_runs
from plotbot.keep.run_reading import RunOnDisk, read_run
from plotbot.run.recovery import Recovered
from plotbot.safe import visible
from plotbot.settings import Settings


def add_run_arguments(parser: argparse.ArgumentParser, otherwise: str) -> None:
    """Any number of runs, then the settings; *otherwise* says which runs are meant where none is named."""
    parser.add_argument("runs", nargs="*", metavar="RUN", help=f"{RUN_HELP}; default: {otherwise}")
    add_settings_arguments(parser)


def chosen_runs(settings: Settings, names: Sequence[str]) -> tuple[RunFolder, ...]:
    """The runs of these names, oldest first where there are none. Raises `InputError` for an unknown one."""
    return tuple(find_run(name, settings, Path.cwd()) for name in names) or list_runs(settings.runs_dir)


def readable(folders: Sequence[RunFolder], disk: Disk, unreadable: list[str]) -> Iterator[RunOnDisk]:
    """The runs read back, one at a time; of one that cannot be, *unreadable* is told why, and so is stderr."""
    for folder in folders:
        try:
            yield read_run(folder, disk)
        except InputError as error:
            unreadable.append(str(error))
            complain(str(error))


def complain(text: str) -> None:
    """One line on stderr; whatever in it came from a file is made visible."""
    print(f"plotbot: {visible(text)}", file=sys.stderr)


def complain_of_damage(run: RunOnDisk) -> None:
    """Name the lines of a run's journal that could not be used."""
    for damaged in run.damaged:
        complain(f"{run.folder.journal}: line {damaged.line_number}: {damaged.reason}")


def complain_of_folding(run_id: str, outcome: Recovered) -> None:
    """Name the title files that were damaged, and the answers that are in none."""
    for moved in outcome.damaged:
        complain(f"{moved.path} was damaged ({moved.reason}) and is now {moved.moved_to.name}")
    for case, reason in outcome.unfolded.items():
        complain(f"{run_id}: case {case} stays in the journal: {reason}")
