"""`plotbot merge RUN…`: the runs of shards joined into one new run, as if one run had asked all of the plan.

The parts stay as they are. The merged run is like any other: it can be reported, compared, exported, resumed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from plotbot.commands.report import measured_run
from plotbot.commands.shared import (
    add_settings_arguments,
    complain,
    complain_of_damage,
    complain_of_folding,
    project_settings,
)
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RUN_HELP, RunFolder, find_run
from plotbot.measure.exit_status import counted_end, exit_status
from plotbot.measure.tally import missing_parts
from plotbot.records import ExitStatus
from plotbot.report.table import summary_lines
from plotbot.run.artifacts import MeasuredRun, RunEnding, short_path, write_artifacts
from plotbot.run.merge import Merged, merge_runs
from plotbot.run.shards import Shard
from plotbot.safe import visible
from plotbot.settings import Settings

HELP = "join the runs of shards (--shard N/M) into one run"
_MOST_NAMED = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help=f"each part, a run with --shard: {RUN_HELP}")
    add_settings_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Return the status that one run of all parts would have had; 10, incomplete, also if a part is missing.

    A part that `-x` stopped leaves cases not run, and so the whole incomplete. Raises as `merge_runs` does.
    """
    settings, disk = project_settings(args), Disk()
    folders = [find_run(name, settings, Path.cwd()) for name in args.runs]
    merged = merge_runs([RunFolder(folder.path.resolve()) for folder in folders], settings, disk, complain)
    for shard in merged.shards:
        complain_of_damage(shard.run)
    complain_of_folding(merged.folder.run_id, merged.recovered)
    measured, _ = measured_run(merged.folder, disk)
    status = _exit_status(measured, merged)
    ending = RunEnding(status, merged.recovered.unfolded, merged.wrong_models)
    _print(measured, merged.shards, write_artifacts([(measured, ending)], settings.report_dir, disk), settings)
    return status


def _exit_status(measured: MeasuredRun, merged: Merged) -> ExitStatus:
    tallies = [one.tally for one in measured.metrics]
    unsettled = len(merged.recovered.unfolded) + len(merged.wrong_models)
    return exit_status(counted_end(tallies, measured.records.header, measured.gates, unsettled=unsettled))


def _print(measured: MeasuredRun, shards: Sequence[Shard], pages: Sequence[Path], settings: Settings) -> None:
    parts = ", ".join(f"{shard.label} ({shard.name})" for shard in shards)
    print(visible(f"run {measured.folder.run_id}, merged from {parts}\n"))
    paths = {
        "answers": short_path(settings.generated_dir, settings.root),
        "run": short_path(measured.folder.path, settings.root),
        "reports": ", ".join(short_path(page, settings.root) for page in pages),
    }
    print("\n".join(summary_lines(measured.metrics, measured.gates, paths)))
    if missing := missing_parts(measured.records.header):
        named = ", ".join(missing[:_MOST_NAMED])
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        complain(f"incomplete: missing {named}{more}; merge the runs again when there is a run of it")
