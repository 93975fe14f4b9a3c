"""`plotbot merge RUN…`: the runs of shards joined into one new run, as if one run had asked all of the plan.

The parts stay as they are. The merged run is like any other: it can be reported, compared, exported, resumed.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from plotbot.commands.project import add_settings_arguments, project_settings
from plotbot.commands.report import Measured, measured_run, short_path, write_reports
from plotbot.commands.run_choice import complain, complain_of_damage, complain_of_folding
from plotbot.errors import InputError
from plotbot.judge import kept_values
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RUN_HELP, RunFolder, check_writable, find_run, new_run_id
from plotbot.keep.run_reading import RunOnDisk, is_running, read_run
from plotbot.measure.exit_status import counted_end, exit_status
from plotbot.measure.tally import missing_parts
from plotbot.records import ItemResult
from plotbot.report.summary import summarise
from plotbot.report.table import summary_lines
from plotbot.run.merged_journal import write_merged
from plotbot.run.recovery import fold_as_set, fold_run
from plotbot.run.shard_join import Joined, Part, join
from plotbot.run.shards import Shard, as_shard, refuse_strangers
from plotbot.safe import visible
from plotbot.settings import Settings
from plotbot.settings.keys import KEYS

_INPUTS = {"TITLES_PATH": "titles", "PROMPT_PATH": "prompt", "SCHEMA_PATH": "schema"}
_MOST_NAMED = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help=f"each part, a run with --shard: {RUN_HELP}")
    add_settings_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """The status that one run of all parts would have had; 10, incomplete, also where a part is missing.

    A part that `-x` stopped leaves cases not run, and so the whole incomplete. Raises `InputError`, with nothing
    written, for runs that do not belong together or cannot be used, and `KeepError` where the disk refuses.
    """
    settings, disk = project_settings(args), Disk()
    shards = _shards(_folders(settings, args.runs), settings, disk)
    joined = _joined(shards)
    for place in (settings.generated_dir, settings.runs_dir, settings.report_dir):
        check_writable(place, disk)
    folder = RunFolder(settings.runs_dir / new_run_id())
    _write(folder, shards, joined, settings, disk)
    unfolded = _fold(folder, settings, disk)
    measured = measured_run(folder, disk)
    status = _write_summary(measured, shards, unfolded, disk)
    _tell(measured, shards, write_reports([measured], settings.report_dir, disk), settings)
    return status


def _folders(settings: Settings, names: Sequence[str]) -> list[RunFolder]:
    folders = [RunFolder(find_run(name, settings, Path.cwd()).path.resolve()) for name in names]
    if len(folders) == 1:
        raise InputError(f"there is only one run to merge, {folders[0].run_id}: name all parts of its plan")
    for number, folder in enumerate(folders):
        if folder.path in {other.path for other in folders[:number]}:
            raise InputError(f"run {folder.run_id} is named twice: name each part once")
        if is_running(folder):
            raise InputError(f"run {folder.run_id} still runs: wait for it, then merge")
    return folders


def _shards(folders: Sequence[RunFolder], settings: Settings, disk: Disk) -> list[Shard]:
    """The parts in their order, once it is clear that they belong together; their damaged lines are named."""
    shards = [as_shard(read_run(folder, disk), settings) for folder in folders]
    refuse_strangers(shards, complain)
    for shard in shards:
        complain_of_damage(shard.run)
    return sorted(shards, key=lambda shard: shard.number)


def _joined(shards: Sequence[Shard]) -> Joined:
    parts = [Part(shard.name, shard.number, shard.run.cases, shard.run.items) for shard in shards]
    first = shards[0]
    return join(parts, models=first.plan["MODEL"], questions=first.run.questions, seed=first.seed)


def _write(folder: RunFolder, shards: Sequence[Shard], joined: Joined, settings: Settings, disk: Disk) -> None:
    plan = {
        "run": folder.run_id,
        "header": _header(shards, settings),
        "questions": [asdict(question) for question in shards[0].run.questions.values()],
        "cases": [case.to_json() for case in joined.cases],
        "items": [[item.item, item.case] for item in joined.items],
    }

    def renamed(result: ItemResult) -> ItemResult:
        return replace(result, item=joined.names.get((result.item, result.case), result.item))

    write_merged(folder, plan, [shard.run for shard in shards], renamed, disk)


def _header(shards: Sequence[Shard], settings: Settings) -> dict[str, Any]:
    """The first part's, as it would be without `--shard`, and from which runs it came."""
    headers = [shard.run.header for shard in shards]
    fingerprints: dict[str, Mapping[str, Any]] = {}
    for shard in reversed(shards):
        for model, told in shard.fingerprints.items():
            fingerprints[model] = {**fingerprints.get(model, {}), **told}
    servers = [server for shard in shards for server in shard.servers]
    return {
        **headers[0],
        "started": min(str(header.get("started")) for header in headers),
        "settings": {**headers[0]["settings"], **_paths_here(headers[0], settings), "SHARD": None},
        "origins": {**headers[0].get("origins", {}), "SHARD": "merge"},
        "servers": [server for number, server in enumerate(servers) if server not in servers[:number]],
        "fingerprints": fingerprints,
        "merged": {
            "of": shards[0].of,
            "parts": [shard.number for shard in shards],
            "runs": [shard.name for shard in shards],
        },
    }


def _paths_here(header: Mapping[str, Any], settings: Settings) -> dict[str, str]:
    """The parts may be from another machine: `--lf` looks for the files of the run in this project."""
    values = settings.to_json()["values"]
    here = {key.name: values[key.name] for key in KEYS if key.kind == "path"}
    for key, role in _INPUTS.items():
        there = str(header["settings"].get(key)).replace("\\", "/")
        files = (one["files"].get(role) for one in header["evals"])
        below = (settings.root / file for file in files if file and there.endswith(f"/{file}"))
        here[key] = str(next(below, there))
    return here


def _fold(folder: RunFolder, settings: Settings, disk: Disk) -> Mapping[str, str]:
    """Put the answers into this project's title files; gives by case why one is not there."""
    outcome = fold_run(read_run(folder, disk), kept_values(), fold_as_set(settings, disk))
    complain_of_folding(folder.run_id, outcome)
    return outcome.unfolded


def _write_summary(measured: Measured, shards: Sequence[Shard], unfolded: Mapping[str, str], disk: Disk) -> int:
    wrong_models = [word for shard in shards for word in _wrong_models(shard.run)]
    tallies = [one.tally for one in measured.metrics]
    unsettled = len(unfolded) + len(wrong_models)
    status = exit_status(counted_end(tallies, measured.records.header, measured.gates, unsettled=unsettled))
    summary = summarise(measured.records, measured.metrics, measured.gates, status)
    summary |= {"unfolded": dict(unfolded), "wrong_models": wrong_models}
    folder = measured.run.folder
    folder.write_json(folder.summary, summary, disk)
    return status


def _wrong_models(run: RunOnDisk) -> list[str]:
    """What a part found served otherwise than pinned at its end: its journal does not say that."""
    try:
        return [str(word) for word in run.folder.read_json(run.folder.summary, run.disk)["wrong_models"]]
    except (InputError, KeyError, TypeError):
        return []


def _tell(measured: Measured, shards: Sequence[Shard], pages: Sequence[Path], settings: Settings) -> None:
    parts = ", ".join(f"{shard.part} ({shard.name})" for shard in shards)
    print(visible(f"run {measured.run.folder.run_id}, merged from {parts}\n"))
    paths = {
        "answers": short_path(settings.generated_dir, settings),
        "run": short_path(measured.run.folder.path, settings),
        "reports": ", ".join(short_path(page, settings) for page in pages),
    }
    print("\n".join(summary_lines(measured.metrics, measured.gates, paths)))
    if missing := missing_parts(measured.records.header):
        named = ", ".join(missing[:_MOST_NAMED])
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        complain(f"incomplete: missing {named}{more}; merge the runs again when there is a run of it")
