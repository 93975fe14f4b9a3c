"""`plotbot merge RUN…`: the runs of shards joined into one new run, as if one run had asked all of the plan.

The parts stay as they are. The merged run is like any other: it can be reported, compared, exported, resumed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from plotbot.commands.output import complain, say
from plotbot.commands.shared import (
    FOLDING_SETTINGS,
    add_settings_arguments,
    complain_of_damage,
    complain_of_folding,
    project_settings,
)
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_finding import find_run
from plotbot.keep.run_folder import RunFolder
from plotbot.measure.tally import missing_parts
from plotbot.report.terminal_summary import summary_lines
from plotbot.run.artifacts import short_path
from plotbot.run.merge import Merged, merge_runs
from plotbot.safe import visible
from plotbot.settings import Settings
from plotbot.settings.keys import RUN_HELP

HELP = "join the runs of shards (--shard N/M) into one run"
_MOST_NAMED = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help=f"each part, a run with --shard: {RUN_HELP}")
    add_settings_arguments(parser, (*FOLDING_SETTINGS, "REPORT_DIR"))


def run(args: argparse.Namespace) -> int:
    """Return the status that one run of all parts would have had. Raises as `merge_runs` does."""
    settings = project_settings(args)
    folders = [find_run(name, settings, Path.cwd(), complain) for name in args.runs]
    merged = merge_runs([RunFolder(folder.path.resolve()) for folder in folders], settings, Disk(), complain)
    for shard in merged.shards:
        complain_of_damage(shard.run)
    complain_of_folding(merged.measured.folder.run_id, merged.recovered)
    _print(merged, settings)
    return merged.status


def _print(merged: Merged, settings: Settings) -> None:
    measured = merged.measured
    parts = ", ".join(f"{shard.label} ({shard.name})" for shard in merged.shards)
    say(visible(f"run {measured.records.name}, merged from {parts}\n"))
    paths = {
        "answers": short_path(settings.generated_dir, settings.root),
        "run": short_path(measured.folder.path, settings.root),
        "reports": ", ".join(short_path(file, settings.root) for file in merged.files),
    }
    say("\n".join(summary_lines(measured.metrics, measured.gates, paths, measured.rivals(), measured.resume())))
    if missing := missing_parts(measured.records.header):
        named = ", ".join(missing[:_MOST_NAMED])
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        complain(f"incomplete: missing {named}{more}; merge the runs again when there is a run of it")
