"""`plotbot runs`: list every run, the newest last, with its state and its counts."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import compress
from typing import Any

from plotbot.commands.output import complain, say
from plotbot.commands.shared import add_settings_arguments, project_settings
from plotbot.errors import InputError
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder, list_runs, unfinished_folders
from plotbot.keep.run_reading import is_running, read_run
from plotbot.measure.tally import items_by_row, missing_parts, tally_of, total_tally, variant_names
from plotbot.records import NOT_NEEDED, note_of
from plotbot.report.terminal_lines import WIDEST, terminal_width
from plotbot.run.artifacts import short_path, write_history_page
from plotbot.safe import one_line, visible

HELP = "list the runs and how far each came"
_WIDTH = 100
_BOXES = ("planned", "passed", "failed", "error", "skipped", "not_run", NOT_NEEDED)
_NEEDLESS, _NOTE = "needless", "note"
_HEADERS = ("run", "state", "plan", "pass", "fail", "error", "skip", "not run", _NEEDLESS, "started", _NOTE, "models")
_NOTE_WIDTH = 30
_STATES = """\
complete: every planned case has its verdict or was not needed, and none is an error. incomplete: ended before that.
dead: killed before that. pytest evals --resume-run RUN goes on with either. damaged: its plan cannot be used."""


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run's line in the list; `counts` is by box, and empty if the run cannot be read."""

    run: str
    state: str
    counts: Mapping[str, int]
    started: str
    models: str
    note: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--html", action="store_true", help="write the page of all runs (REPORT_DIR/history.html)")
    add_settings_arguments(parser, ("RUNS_DIR", "REPORT_DIR"))


def run(args: argparse.Namespace) -> int:
    settings = project_settings(args)
    lines = [line_of(folder, Disk()) for folder in list_runs(settings.runs_dir)]
    for path in unfinished_folders(settings.runs_dir):
        complain(f"{path}: a run that was killed before its first reply; it holds nothing, delete it")
    if not lines:
        say("There is no run yet. Start one with pytest evals.")
        return 0
    say("\n".join(table(lines) if terminal_width() == WIDEST else in_words(lines)))
    say(f"\n{_STATES}")
    if args.html:
        page = write_history_page(settings.runs_dir, settings.report_dir, Disk())
        say(visible(f"\nAll runs with their rates over time: {short_path(page, settings.root)}"))
    if any(line.counts.get(NOT_NEEDED) for line in lines):
        say("needless: not needed, because a sequential gate was decided without them.")
    return 0


def line_of(folder: RunFolder, disk: Disk) -> RunLine:
    """A run's line: its counts are those of its own summary if that is newer than its journal, else counted anew."""
    running = is_running(folder)
    try:
        summary = None if running else _own_summary(folder, disk)
        header, counts, wrong = (
            _counted(folder, disk)
            if summary is None
            else (summary["header"], summary["total"], summary.get("wrong_models"))
        )
        ended = _has_ended(folder, counts, disk)
        state = _state(counts, running=running, ended=ended, whole=not missing_parts(header) and not wrong)
        variants = len(variant_names(header))
        models = ", ".join(map(str, header.get("models", ()))) + (f" in {variants} variants" if variants else "")
        return RunLine(folder.run_id, state, counts, _local(header.get("started")), models, note_of(header))
    except (InputError, KeyError, TypeError, AttributeError):
        return RunLine(folder.run_id, "running" if running else "damaged", {}, "", "")


def table(lines: Sequence[RunLine]) -> list[str]:
    """Aligned columns, at most 100 characters wide if the models' names can be cut to fit; notes if there are any."""
    rows = [_HEADERS, *(_cells(line) for line in lines)]
    needless = any(line.counts.get(NOT_NEEDED) for line in lines)
    shown = [{_NEEDLESS: needless, _NOTE: any(line.note for line in lines)}.get(head, True) for head in _HEADERS]
    rows = [tuple(compress(row, shown)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    room = max(_WIDTH - sum(widths[:-1]) - len(widths) + 1, len(_HEADERS[-1]))
    return [_aligned(row, widths, room, range(2, 2 + len(_BOXES) - (not needless))) for row in rows]


def in_words(lines: Sequence[RunLine]) -> list[str]:
    """What the table tells, for a terminal that is too narrow for it: each run's id and state, and its figures."""
    told: list[str] = []
    for line in lines:
        boxes = zip(_HEADERS[2:], _BOXES, strict=False)
        figures = [
            f"{head} {line.counts[box]}" for head, box in boxes if line.counts.get(box, -1) >= (box == NOT_NEEDED)
        ]
        names = [one_line(one, _WIDTH) for one in (line.started, line.note, line.models) if one]
        told += [f"{line.run} {line.state}", f"  {', '.join([*figures, *names])}".rstrip()]
    return told


def _cells(line: RunLine) -> tuple[str, ...]:
    counts = (str(line.counts.get(box, "-")) for box in _BOXES)
    return (line.run, line.state, *counts, line.started, one_line(line.note, _NOTE_WIDTH), line.models)


def _aligned(row: Sequence[str], widths: Sequence[int], room: int, numbers: range) -> str:
    cells = [
        cell.rjust(width) if number in numbers else cell.ljust(width)
        for number, (cell, width) in enumerate(zip(row[:-1], widths, strict=False))
    ]
    return f"{' '.join(cells)} {one_line(row[-1], room)}".rstrip()


def _own_summary(folder: RunFolder, disk: Disk) -> Mapping[str, Any] | None:
    """The summary that the run wrote at its end; None if there is none, or the journal was written since."""
    try:
        if disk.modified(folder.summary) < disk.modified(folder.journal):
            return None
        summary: Mapping[str, Any] = folder.read_json(folder.summary, disk)
    except (OSError, InputError):
        return None
    return summary if summary.get("exit_status") is not None else None


def _counted(folder: RunFolder, disk: Disk) -> tuple[Mapping[str, Any], Mapping[str, int], bool]:
    run = read_run(folder, disk)
    records = run.records(with_exchanges=False)
    tallies = [tally_of(row, items, records) for row, items in items_by_row(records).items()]
    return records.header, total_tally(tallies).counts, bool(run.wrong_models)


def _state(counts: Mapping[str, int], *, running: bool, ended: bool, whole: bool) -> str:
    if running:
        return "running"
    if whole and counts["planned"] and not counts["error"] and not counts["not_run"]:
        return "complete"
    return "incomplete" if ended else "dead"


def _has_ended(folder: RunFolder, counts: Mapping[str, int], disk: Disk) -> bool:
    """Whether the run itself wrote a summary that counts all its journal has; a killed run did not."""
    try:
        summary = folder.read_json(folder.summary, disk)
    except InputError:
        return False
    return summary.get("exit_status") is not None and {NOT_NEEDED: 0, **summary["total"]} == {NOT_NEEDED: 0, **counts}


def _local(started: object) -> str:
    """A moment in local time, to the minute; empty if *started* is not one."""
    try:
        return datetime.fromisoformat(str(started)).astimezone().strftime("%m-%d %H:%M")
    except (ValueError, OverflowError):
        return ""
