"""`plotbot report`: a run's summary and reports once more, from its files alone; also of one that died or runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plotbot.ask.transport.prompts import Conversations, Message
from plotbot.commands.project import project_settings
from plotbot.commands.run_choice import add_run_arguments, chosen_runs, complain_of_damage
from plotbot.errors import InputError, KeepError
from plotbot.keep.filesystem import Disk, describe, write_atomically
from plotbot.keep.run_folder import LAST, RunFolder
from plotbot.keep.run_reading import RunOnDisk, read_run
from plotbot.measure.gate import GateResult, judge_gates
from plotbot.measure.metrics import ModelMetrics, measure_run
from plotbot.records import Case, RunRecords
from plotbot.report.markdown import summary_markdown
from plotbot.report.names import COMPARISON, MARKDOWN
from plotbot.report.page import PageRun, write_page
from plotbot.report.summary import summarise
from plotbot.report.table import summary_lines
from plotbot.run.recovery import kept_results
from plotbot.settings import Settings

_UNFOLDED = "not yet in its title file: plotbot fold puts it there"


@dataclass(frozen=True, slots=True)
class Measured:
    """A run and what it amounts to, as far as it has come."""

    run: RunOnDisk
    records: RunRecords
    metrics: Sequence[ModelMetrics]
    gates: Sequence[GateResult]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, otherwise="the last")


def run(args: argparse.Namespace) -> int:
    """Raises `InputError` where there is no run or one cannot be read, `KeepError` where a report cannot be written."""
    settings, disk = project_settings(args), Disk()
    measured = [measured_run(folder, disk) for folder in chosen_runs(settings, args.runs or [LAST])]
    for one in measured:
        _write_summary(one, disk)
    pages = write_reports(measured, settings.report_dir, disk)
    reports = ", ".join(short_path(page, settings) for page in pages)
    for one in measured:
        print(f"run {one.run.folder.run_id}\n")
        paths = {"run": short_path(one.run.folder.path, settings), "reports": reports}
        print("\n".join(summary_lines(one.metrics, one.gates, paths)) + "\n")
    return 0


def measured_run(folder: RunFolder, disk: Disk) -> Measured:
    """A run's numbers, gated as it was itself. Damaged lines are named on stderr and count as not run."""
    recorded = read_run(folder, disk)
    complain_of_damage(recorded)
    records = recorded.records()
    metrics = measure_run(records)
    try:
        values = recorded.header["settings"]
        gates = judge_gates(metrics, values["MIN_PASS_RATE"] or {}, values["GATE"])
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder.plan}: its settings are damaged ({error!r}); choose another run") from error
    return Measured(recorded, records, metrics, gates)


def _write_summary(measured: Measured, disk: Disk) -> None:
    folder = measured.run.folder
    summary = summarise(measured.records, measured.metrics, measured.gates)
    summary["exit_status"] = _own_exit_status(folder, summary, disk)
    left_over = kept_results(measured.run).keys() - measured.run.folded
    summary["unfolded"] = dict.fromkeys(sorted(left_over), _UNFOLDED)
    folder.write_json(folder.summary, summary, disk)


def _own_exit_status(folder: RunFolder, summary: dict[str, Any], disk: Disk) -> int | None:
    """How the run itself ended, if it did and nothing has happened in it since: nobody can find that out again."""
    try:
        before = folder.read_json(folder.summary, disk)
        return before["exit_status"] if before["total"] == summary["total"] else None
    except (InputError, KeyError, TypeError):
        return None


def write_reports(measured: Sequence[Measured], folder: Path, disk: Disk) -> list[Path]:
    """The Markdown summary and the page, of all these runs together. Raises `KeepError` naming what cannot be."""
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    markdown = "\n".join(summary_markdown(one.records, one.metrics, one.gates) for one in measured)
    pages = {
        folder / MARKDOWN: markdown.encode(),
        folder / COMPARISON: write_page([_page_run(one) for one in measured], made_at),
    }
    for path, data in pages.items():
        try:
            disk.make_folder(folder)
            write_atomically(path, data, disk)
        except OSError as error:
            raise KeepError(describe(error, path)) from error
    return list(pages)


def _page_run(measured: Measured) -> PageRun:
    questions, conversations = measured.run.questions, Conversations()

    def conversation(case: Case) -> list[Message]:
        question = questions.get(case.prompt_hash)
        return [] if question is None else conversations.about(question, case.title.text)

    return PageRun(measured.records, measured.metrics, measured.run.exchanges(), conversation, measured.gates)


def short_path(path: Path, settings: Settings) -> str:
    """Relative to the project, where that is shorter to read."""
    return str(path.relative_to(settings.root)) if path.is_relative_to(settings.root) else str(path)
