"""`plotbot baseline RUN`: write a run's verdicts to a small file for git, to compare later runs with."""

from __future__ import annotations

import argparse
from pathlib import Path

from plotbot.commands.output import complain, say
from plotbot.commands.shared import add_settings_arguments, project_settings, sheet_of_run
from plotbot.errors import ExitStatus, InputError, KeepError
from plotbot.keep.filesystem import Disk, describe, write_atomically
from plotbot.keep.run_finding import find_run
from plotbot.measure.verdict_sheet import VerdictSheet, is_rated, passes
from plotbot.run.baseline import baseline_text
from plotbot.safe import plural, visible
from plotbot.settings.keys import RUN_HELP

HELP = "keep a run's verdicts in a file for git, to compare later runs with"
DEFAULT_OUTPUT = "config/baseline.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="RUN", help=RUN_HELP)
    parser.add_argument("--output", type=Path, metavar="FILE", help=f"the file to write (default: {DEFAULT_OUTPUT})")
    add_settings_arguments(parser, ("RUNS_DIR",))


def run(args: argparse.Namespace) -> int:
    """Write the file, over an earlier one, which git has. Raises `InputError` for a run without a verdict."""
    settings = project_settings(args)
    folder = find_run(args.run_id, settings, Path.cwd(), complain)
    sheet = sheet_of_run(folder)
    output = settings.root / DEFAULT_OUTPUT if args.output is None else Path.cwd() / args.output
    words = _words(sheet)
    rated = sum(map(is_rated, words))
    if not rated:
        raise InputError(f"{folder.path}: no case of this run has a verdict: a baseline of it would say nothing")
    _write(output, baseline_text(sheet))
    say(visible(f"{output}: run {sheet.name}, {sum(map(passes, words))} of {plural(rated, 'rated answer')} good"))
    if rated < len(words):
        others = len(words) - rated
        say(f"  without a verdict: {others} (errors, skipped or not run), in it as such and paired with nothing")
    return ExitStatus.OK


def _words(sheet: VerdictSheet) -> list[str]:
    return [word for part in sheet.parts for title in part.titles.values() for word in title.verdicts]


def _write(path: Path, text: str) -> None:
    disk = Disk()
    try:
        disk.make_folder(path.parent)
        write_atomically(path, text.encode("ascii"), disk)
    except OSError as error:
        raise KeepError(describe(error, path)) from error
