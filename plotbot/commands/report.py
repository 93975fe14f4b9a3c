"""`plotbot report`: write a run's summary and reports again, from its files alone. The run may be dead or running."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from plotbot.commands.output import say
from plotbot.commands.shared import add_run_arguments, chosen_runs, complain_of_damage, project_settings
from plotbot.errors import ExitStatus, InputError
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_finding import LAST
from plotbot.keep.run_folder import RunFolder
from plotbot.keep.run_reading import read_run
from plotbot.report.judged import judged_lines
from plotbot.report.terminal_summary import summary_lines
from plotbot.run.artifacts import (
    MeasuredRun,
    RunOutcome,
    measure_recorded,
    short_path,
    write_artifacts,
    write_case_page,
)
from plotbot.run.recorded_case import case_lines
from plotbot.safe import one_line, visible
from plotbot.settings import Settings

HELP = "rebuild the summary and the reports of a run from its files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, otherwise="the last", names=("RUNS_DIR", "REPORT_DIR"))
    parser.add_argument("--single-case", metavar="ID", help="write a page of one case alone, to send to someone")
    parser.add_argument("--case", metavar="ID", help="print one case instead: its id, its name or its title's id")


def run(args: argparse.Namespace) -> int:
    """Raises `InputError` if there is no run or one cannot be read, `KeepError` if a report cannot be written."""
    settings, disk = project_settings(args), Disk()
    if args.case is not None:
        return _print_case(chosen_runs(settings, args.runs or [LAST]), args.case, disk)
    runs = [_measured(folder, disk) for folder in chosen_runs(settings, args.runs or [LAST])]
    if args.single_case is not None:
        return _write_case(runs, args.single_case, settings, disk)
    files = write_artifacts(runs, settings.report_dir, settings.runs_dir, disk)
    reports = ", ".join(short_path(file, settings.root) for file in files)
    for one, _ in runs:
        say(visible(f"run {one.records.name}\n"))
        paths = {"run": short_path(one.folder.path, settings.root), "reports": reports}
        say("\n".join(summary_lines(one.metrics, one.gates, paths, one.rivals(), one.resume())) + "\n")
        if one.judged is not None:
            say("\n".join(judged_lines(one.judged)) + "\n")
    return ExitStatus.OK


def _write_case(runs: Sequence[tuple[MeasuredRun, RunOutcome]], wanted: str, settings: Settings, disk: Disk) -> int:
    """Write the page of the cases that *wanted* means. Raises `InputError` if no run has any."""
    paths = (write_case_page(run, wanted, settings.report_dir, disk) for run, _ in runs)
    path = next(filter(None, paths), None)
    if path is None:
        raise _no_case([run.folder for run, _ in runs], wanted)
    print(visible(short_path(path, settings.root)))
    return ExitStatus.OK


def _no_case(folders: Sequence[RunFolder], wanted: str) -> InputError:
    names = ", ".join(folder.run_id for folder in folders)
    return InputError(f"{names}: no case has the id, the name or the title id {one_line(wanted, 80)}")


def _print_case(folders: Sequence[RunFolder], wanted: str, disk: Disk) -> int:
    """Print all that the runs hold of the cases that *wanted* means. Raises `InputError` if it means none."""
    lines = [line for folder in folders for line in case_lines(read_run(folder, disk), wanted)]
    if not lines:
        raise _no_case(folders, wanted)
    say("\n".join(lines))
    return ExitStatus.OK


def _measured(folder: RunFolder, disk: Disk) -> tuple[MeasuredRun, RunOutcome]:
    """A run's numbers, and how it ended. Damaged lines are named on stderr and count as not run."""
    recorded = read_run(folder, disk)
    complain_of_damage(recorded)
    return measure_recorded(recorded)
