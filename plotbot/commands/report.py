"""`plotbot report`: a run's summary and reports once more, from its files alone; also of one that died or runs."""

from __future__ import annotations

import argparse

from plotbot.commands.shared import add_run_arguments, chosen_runs, complain_of_damage, project_settings
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import LAST, RunFolder
from plotbot.keep.run_reading import read_run
from plotbot.records import ExitStatus
from plotbot.report.terminal_summary import summary_lines
from plotbot.run.artifacts import MeasuredRun, RunEnding, measure_recorded, short_path, write_artifacts

HELP = "rebuild the summary and the reports of a run from its files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, otherwise="the last")


def run(args: argparse.Namespace) -> int:
    """Raises `InputError` where there is no run or one cannot be read, `KeepError` where a report cannot be written."""
    settings, disk = project_settings(args), Disk()
    runs = [measured_run(folder, disk) for folder in chosen_runs(settings, args.runs or [LAST])]
    files = write_artifacts(runs, settings.report_dir, disk)
    reports = ", ".join(short_path(file, settings.root) for file in files)
    for one, _ in runs:
        print(f"run {one.folder.run_id}\n")
        paths = {"run": short_path(one.folder.path, settings.root), "reports": reports}
        print("\n".join(summary_lines(one.metrics, one.gates, paths)) + "\n")
    return ExitStatus.OK


def measured_run(folder: RunFolder, disk: Disk) -> tuple[MeasuredRun, RunEnding]:
    """A run's numbers, and how it ended. Damaged lines are named on stderr and count as not run."""
    recorded = read_run(folder, disk)
    complain_of_damage(recorded)
    return measure_recorded(recorded)
