"""`plotbot fold`: put the answers that dead runs have left in their journals into the title files."""

from __future__ import annotations

import argparse

from plotbot.commands.output import say
from plotbot.commands.shared import (
    FOLDING_SETTINGS,
    add_run_arguments,
    chosen_runs,
    complain_of_folding,
    project_settings,
    readable,
)
from plotbot.errors import ExitStatus
from plotbot.keep.filesystem import Disk
from plotbot.keep.title_files import sweep_temps, title_locks
from plotbot.records import run_name
from plotbot.run.recovery import Recovered, recover_run
from plotbot.safe import visible

HELP = "put what dead runs left in their journals into the title files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, otherwise="all of them", names=FOLDING_SETTINGS)


def run(args: argparse.Namespace) -> int:
    """Status 0 if every answer is folded but those of runs that still run, else 1 with the others named on stderr."""
    settings, disk = project_settings(args), Disk()
    sweep_temps(settings.generated_dir, settings.file_lock_stale_seconds, locks=title_locks(settings, disk), disk=disk)
    unreadable: list[str] = []
    folded, unfolded = 0, 0
    for recorded in readable(chosen_runs(settings, args.runs), disk, unreadable):
        recovered = recover_run(recorded, settings)
        _report(visible(run_name(recorded.folder.run_id, recorded.header)), recovered)
        folded, unfolded = folded + recovered.folded, unfolded + len(recovered.unfolded)
    if not folded and not unfolded:
        say("Nothing was left to fold.")
    return ExitStatus.FAILURES if unfolded or unreadable else ExitStatus.OK


def _report(run: str, recovered: Recovered) -> None:
    if recovered.running:
        say(f"{run}: left alone. {visible(recovered.running)}")
    if recovered.folded:
        say(f"{run}: {recovered.folded} answer{'s' if recovered.folded > 1 else ''} folded")
    complain_of_folding(run, recovered)
