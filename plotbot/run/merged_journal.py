"""Several runs' journals in the folder of one new run, which is there whole or not at all.

It is written beside the other runs under a name that no run has, and renamed when it is on the disk: a merge that is
killed leaves nothing that could be taken for a dead run and asked again.

`folded` lines are not carried over. They speak of title files that may be another machine's, and an answer that is
wrongly taken for folded is lost to the dataset, while one that is folded twice changes nothing. So the merged run
begins with all of its answers still to fold: each then is in its title file here under the merged run's id, which
outlives the parts, unless a later answer is there. The price: a title file that somebody has deleted comes back.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from plotbot.errors import KeepError
from plotbot.keep.filesystem import Disk, describe
from plotbot.keep.journal import Journal
from plotbot.keep.journal_reading import stream_journal
from plotbot.keep.run_folder import RunFolder
from plotbot.keep.run_reading import RunOnDisk
from plotbot.records import ItemResult

Renamed = Callable[[ItemResult], ItemResult]
"""A part's result under the item's name in the merged run."""

_Line = tuple[str, Mapping[str, Any]]
# Lines in memory at a time: 10,000 replies are too heavy.
_AT_ONCE = 100


def write_merged(
    folder: RunFolder, plan: Mapping[str, Any], runs: Sequence[RunOnDisk], renamed: Renamed, disk: Disk
) -> None:
    """Write the run *folder*: its plan, and the exchanges and verdicts of *runs*, one run after the other, durably.

    Raises `InputError` or `KeepError`, and then leaves nothing.
    """
    unborn = RunFolder(folder.path.with_name(f".{folder.run_id}.merging"))
    try:
        unborn.create(disk)
        unborn.write_json(unborn.plan, plan, disk)
        journal = Journal.open(unborn.journal, disk)
        try:
            _copy(journal, (line for run in runs for line in _lines(run, renamed)))
        finally:
            journal.close()
        _give_its_name(unborn, folder, disk)
    except BaseException:
        for path in (unborn.path, folder.path):
            shutil.rmtree(path, ignore_errors=True)
        raise


def _copy(journal: Journal, lines: Iterator[_Line]) -> None:
    while chunk := list(islice(lines, _AT_ONCE)):
        last = len(chunk) - 1
        # One flush a chunk is enough: it makes durable what was written before it.
        written = [journal.append(*line, durable=number == last) for number, line in enumerate(chunk)]
        for line in written:
            line.result()


def _lines(run: RunOnDisk, renamed: Renamed) -> Iterator[_Line]:
    """Every exchange of a run as it stands in its journal, then the last word about each item.

    A verdict on a reply that the journal has lost is left out: its case counts as not run, and can be asked again.
    """
    if run.folder.journal.exists():
        damaged = {line.offset for line in run.damaged}
        for line in stream_journal(run.folder.journal, [], run.disk):
            if line.kind == "exchange" and line.offset not in damaged:
                yield line.kind, line.data
    for result in run.results.values():
        if result.case in run.replied or result.outcome not in {"passed", "failed"}:
            yield "verdict", renamed(result).to_json()


def _give_its_name(unborn: RunFolder, folder: RunFolder, disk: Disk) -> None:
    try:
        disk.replace(unborn.path, folder.path)
        disk.sync_folder(folder.path.parent)
    except OSError as error:
        raise KeepError(describe(error, folder.path)) from error
