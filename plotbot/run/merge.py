"""What `plotbot merge` does: it joins the runs of shards into one new run, as if one run had asked the whole plan.

The parts stay as they are. The new run's folder is written under a temporary name and renamed once it is durable, so
that a merge that is killed leaves nothing that looks like a dead run.

`folded` lines are not copied. They may be about another machine's title files, and an answer that is wrongly taken for
folded is lost to the dataset, while folding an answer twice changes nothing. So every answer is folded here, under the
merged run's id, unless the title file has a later one. The price: a title file that a user has deleted comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from plotbot.errors import InputError
from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import Journal
from plotbot.keep.journal_reading import stream_journal
from plotbot.keep.run_folder import RunFolder, check_writable, new_run_id, plan_json
from plotbot.keep.run_reading import RunOnDisk, is_running, read_run
from plotbot.measure.exit_status import counted_reasons, exit_status
from plotbot.records import ItemResult
from plotbot.run.artifacts import MeasuredRun, RunOutcome, measure_recorded, write_artifacts
from plotbot.run.eval_files import local_path
from plotbot.run.judged import joined_judgements, write_judgements
from plotbot.run.recovery import Recovered, recover_run
from plotbot.run.shards import Joined, Shard, as_shard, join, refuse_unrelated
from plotbot.safe import without_folders
from plotbot.settings import Settings
from plotbot.settings.keys import KEYS

Renamed = Callable[[ItemResult], ItemResult]
"""A part's result under the item's name in the merged run."""

_Line = tuple[str, Mapping[str, Any]]
_INPUTS = {"TITLES_PATH": "titles", "PROMPT_PATH": "prompt", "SCHEMA_PATH": "schema", "TEMPLATE_PATH": "template"}
# Journal lines in memory at a time: 10,000 replies are too heavy.
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Merged:
    """The new run, the parts in their order, what became of the answers, and the report files that were written.

    `status` is the one that one run of all parts would have had: 10, incomplete, also if a part is missing or `-x`
    stopped one.
    """

    measured: MeasuredRun
    shards: Sequence[Shard]
    recovered: Recovered
    status: int
    files: Sequence[Path]


def merge_runs(folders: Sequence[RunFolder], settings: Settings, disk: Disk, warn: Callable[[str], None]) -> Merged:
    """Write the merged run, its answers into the title files and its reports, each where *settings* say.

    Raises `InputError`, with nothing written, for runs that do not belong together or cannot be used, and `KeepError`
    if a file cannot be written.
    """
    shards = _related(folders, settings, disk, warn)
    first, parts = shards[0], [shard.part for shard in shards]
    joined = join(parts, models=first.run.header["models"], questions=first.run.questions, seed=first.seed)
    for place in (settings.generated_dir, settings.runs_dir, settings.report_dir):
        check_writable(place, disk)
    folder = RunFolder(settings.runs_dir / new_run_id())
    judgements = joined_judgements([shard.run.folder for shard in shards], folder.run_id, disk, warn)
    _write(folder, shards, joined, settings, disk)
    if judgements is not None:
        write_judgements(folder, judgements, disk)
    recovered = recover_run(read_run(folder, disk), settings, judge_again=True)
    measured, _ = measure_recorded(read_run(folder, disk))
    outcome = _outcome(measured, shards, recovered, settings.root)
    files = write_artifacts([(measured, outcome)], settings.report_dir, settings.runs_dir, disk)
    return Merged(measured, shards, recovered, outcome.exit_status or 0, files)


def write_merged(
    folder: RunFolder, plan: Mapping[str, Any], runs: Sequence[RunOnDisk], renamed: Renamed, disk: Disk
) -> None:
    """Write the run *folder*: its plan, and the exchanges and verdicts of *runs*, one run after the other, durably.

    Raises `InputError` or `KeepError`, and then leaves nothing.
    """

    def fill(hidden: RunFolder) -> None:
        journal = Journal.open(hidden.journal, disk)
        try:
            _copy(journal, (line for run in runs for line in _lines(run, renamed)))
        finally:
            journal.close()

    folder.create(plan, disk, fill)


def _related(folders: Sequence[RunFolder], settings: Settings, disk: Disk, warn: Callable[[str], None]) -> list[Shard]:
    """The shards in their order. Raises `InputError` unless the runs can be used and belong together."""
    _refuse_unusable(folders)
    shards = [as_shard(read_run(folder, disk), settings) for folder in folders]
    refuse_unrelated(shards, warn)
    return sorted(shards, key=lambda shard: shard.number)


def _refuse_unusable(folders: Sequence[RunFolder]) -> None:
    if len(folders) == 1:
        raise InputError(f"there is only one run to merge, {folders[0].run_id}: name all parts of its plan")
    for number, folder in enumerate(folders):
        if folder.path in {other.path for other in folders[:number]}:
            raise InputError(f"run {folder.run_id} is named twice: name each part once")
        if is_running(folder):
            raise InputError(f"run {folder.run_id} still runs: wait for it, then merge")


def _write(folder: RunFolder, shards: Sequence[Shard], joined: Joined, settings: Settings, disk: Disk) -> None:
    questions = shards[0].run.questions.values()
    plan = plan_json(folder.run_id, _header(shards, settings), questions, joined.cases, joined.items)

    def renamed(result: ItemResult) -> ItemResult:
        return replace(result, item=joined.names.get((result.item, result.case), result.item))

    write_merged(folder, plan, [shard.run for shard in shards], renamed, disk)


def _header(shards: Sequence[Shard], settings: Settings) -> dict[str, Any]:
    """The first part's header as it would be without `--shard`, with the names of the merged runs."""
    headers = [shard.run.header for shard in shards]
    fingerprints: dict[str, Mapping[str, Any]] = {}
    for shard in reversed(shards):
        for model, told in shard.fingerprints.items():
            fingerprints[model] = {**fingerprints.get(model, {}), **told.to_json()}
    servers = [server for shard in shards for server in shard.servers]
    return {
        **headers[0],
        "started": min(str(header.get("started")) for header in headers),
        "settings": {**headers[0]["settings"], **_local_paths(headers[0], settings), "SHARD": None},
        "origins": {**headers[0].get("origins", {}), "SHARD": "merge"},
        "servers": [server for number, server in enumerate(servers) if server not in servers[:number]],
        "fingerprints": fingerprints,
        "merged": {
            "of": shards[0].of,
            "parts": [shard.number for shard in shards],
            "runs": [shard.name for shard in shards],
        },
    }


def _local_paths(header: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The paths in this project: the parts may be from another machine, and `--lf` reads the files that they name."""
    values = settings.to_json()["values"]
    here = {key.name: values[key.name] for key in KEYS if key.kind in {"path", "paths"}}
    for key, role in _INPUTS.items():
        if header["settings"].get(key) is None:
            continue
        files = [file for one in header["evals"] for file in _as_list(one["files"].get(role))]
        paths = [local_path(str(there), files, settings.root) for there in _as_list(header["settings"].get(key))]
        here[key] = paths[0] if len(paths) == 1 else paths
    return here


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _copy(journal: Journal, lines: Iterator[_Line]) -> None:
    while chunk := list(islice(lines, _AT_ONCE)):
        last = len(chunk) - 1
        # One flush a chunk is enough: it makes durable what was written before it.
        written = [journal.append(*line, durable=number == last) for number, line in enumerate(chunk)]
        for line in written:
            line.result()


def _lines(run: RunOnDisk, renamed: Renamed) -> Iterator[_Line]:
    """Every exchange of a run as it stands in its journal, and which another model gave; then the verdicts.

    A verdict on a reply that the journal has lost is left out: its case counts as not run, and can be asked again.
    """
    if run.folder.journal.exists():
        damaged = {line.offset for line in run.damaged}
        for line in stream_journal(run.folder.journal, [], run.disk):
            if line.kind in {"exchange", "wrong_model"} and line.offset not in damaged:
                yield line.kind, line.data
    for result in run.results.values():
        if result.case in run.replied or result.outcome not in {"passed", "failed"}:
            yield "verdict", renamed(result).to_json()


def _outcome(measured: MeasuredRun, shards: Sequence[Shard], recovered: Recovered, root: Path) -> RunOutcome:
    wrong_models = [word for shard in shards for word in _wrong_models(shard.run)]
    unsettled = len(recovered.unfolded) + len(wrong_models)
    tallies = [one.tally for one in measured.metrics]
    end = counted_reasons(tallies, measured.records.header, measured.gates, unsettled=unsettled)
    unfolded = {case: without_folders(why, root) for case, why in recovered.unfolded.items()}
    return RunOutcome(exit_status(end), unfolded, wrong_models)


def _wrong_models(run: RunOnDisk) -> list[str]:
    """How other models than the pinned ones were served; of a part of version 0.1 only its summary tells it."""
    try:
        told = [str(word) for word in run.folder.read_json(run.folder.summary, run.disk)["wrong_models"]]
    except (InputError, KeyError, TypeError):
        told = []
    return list(dict.fromkeys([*run.wrong_models, *told]))
