"""`plotbot fold`: what dead runs left in their journals is put into the title files. Doing it again changes nothing."""

from __future__ import annotations

import argparse

from plotbot.commands.shared import add_run_arguments, chosen_runs, complain_of_folding, project_settings, readable
from plotbot.judge import kept_values
from plotbot.keep.filesystem import Disk
from plotbot.keep.title_files import sweep_temps
from plotbot.records import ExitStatus
from plotbot.run.recovery import Recovered, fold_as_set, fold_run, title_locks
from plotbot.safe import visible

HELP = "put what dead runs left in their journals into the title files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, otherwise="all of them")


def run(args: argparse.Namespace) -> int:
    """Status 0 when nothing is left over, a run that still runs apart; 1 when something is, each named on stderr."""
    settings, disk = project_settings(args), Disk()
    sweep_temps(settings.generated_dir, settings.file_lock_stale_seconds, locks=title_locks(settings, disk), disk=disk)
    fold, value_of = fold_as_set(settings, disk), kept_values()
    unreadable: list[str] = []
    folded, left = 0, 0
    for recorded in readable(chosen_runs(settings, args.runs), disk, unreadable):
        outcome = fold_run(recorded, value_of, fold)
        _tell(recorded.folder.run_id, outcome)
        folded, left = folded + outcome.folded, left + len(outcome.unfolded)
    if not folded and not left:
        print("Nothing was left to fold.")
    return ExitStatus.FAILURES if left or unreadable else ExitStatus.OK


def _tell(run_id: str, outcome: Recovered) -> None:
    if outcome.running:
        print(f"{run_id}: left alone. {visible(outcome.running)}")
    if outcome.folded:
        print(f"{run_id}: {outcome.folded} answer{'s' if outcome.folded > 1 else ''} folded")
    complain_of_folding(run_id, outcome)
