"""The files that show a run, `summary.json`, `summary.md` and `index.html`: written here and nowhere else.

A live run, `plotbot report` and `plotbot merge` differ only in where the records come from and in who knows how the
run ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plotbot.ask.transport.prompts import Conversations
from plotbot.errors import InputError, KeepError
from plotbot.keep.filesystem import Disk, describe, write_atomically
from plotbot.keep.run_folder import RunFolder
from plotbot.keep.run_reading import RunOnDisk
from plotbot.measure.gate import GateResult, judge_gates
from plotbot.measure.metrics import ModelMetrics, measure_run
from plotbot.measure.pairing import Rival, rivals_of
from plotbot.measure.tally import ModelVariant, total_tally
from plotbot.measure.verdict_sheet import verdict_sheet
from plotbot.records import Exchange, Question, RunRecords
from plotbot.report.markdown import summary_markdown
from plotbot.report.page import PageRun, write_page
from plotbot.report.summary_json import summarise
from plotbot.run.recorder import Recorder
from plotbot.run.recovery import kept_results
from plotbot.settings import Settings

PAGE, MARKDOWN = "index.html", "summary.md"
_UNFOLDED = "not yet in its title file: plotbot fold puts it there"


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """A run with its numbers, alive or read from its files. `exchanges` reads them one at a time, texts included."""

    folder: RunFolder
    records: RunRecords
    questions: Mapping[str, Question]
    exchanges: Callable[[], Iterable[Exchange]]
    metrics: Sequence[ModelMetrics]
    gates: Sequence[GateResult]

    def rivals(self) -> Sequence[Rival]:
        """The rows of the run with their verdicts, to be compared with one another; empty for a single row."""
        return rivals_of(verdict_sheet(self.records, self.questions)) if len(self.metrics) > 1 else ()


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What the records do not tell of a run's end.

    `exit_status` is None for a run that did not come to its end. `unfolded` says by case why an answer is not in its
    title file; `wrong_models` how models were served that were not the pinned ones any more.
    """

    exit_status: int | None
    unfolded: Mapping[str, str] = field(default_factory=dict)
    wrong_models: Sequence[str] = ()


def measure_live(recorder: Recorder, settings: Settings) -> MeasuredRun:
    """The numbers of a run that ends now."""
    records = recorder.records()
    metrics = measure_run(records)
    gates = judge_gates(metrics, settings.min_pass_rate, settings.gate)
    return MeasuredRun(recorder.folder, records, recorder.questions, recorder.exchanges, metrics, gates)


def measure_recorded(run: RunOnDisk) -> tuple[MeasuredRun, RunOutcome]:
    """The numbers of a run read from its files, as far as it came, and how it ended. Raises `InputError`.

    Gates, exit status and wrong models are those of the run's own summary while its journal has not gone on since.
    """
    records = run.records()
    metrics = measure_run(records)
    own = _own_summary(run, metrics)
    try:
        thresholds, how = _gate_settings(run, own)
        gates = judge_gates(metrics, thresholds, how)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{run.folder.plan}: its settings are damaged ({error!r}); choose another run") from error
    told, unfolded = own.get("unfolded", {}), sorted(kept_results(run).keys() - run.folded)
    outcome = RunOutcome(
        own.get("exit_status"), {case: told.get(case, _UNFOLDED) for case in unfolded}, own.get("wrong_models", ())
    )
    return MeasuredRun(run.folder, records, run.questions, run.exchanges, metrics, gates), outcome


def write_artifacts(
    runs: Sequence[tuple[MeasuredRun, RunOutcome | None]], folder: Path, disk: Disk, compared: Sequence[str] = ()
) -> list[Path]:
    """Write each run's `summary.json`, then Markdown and page of all runs together into *folder*; return these two.

    A run without an outcome, whose replies were only judged again, keeps the summary that it has. *compared* are the
    lines of a comparison with a baseline. Raises `KeepError` naming the file that cannot be written.
    """
    for run, outcome in runs:
        if outcome is not None:
            _write_summary(run, outcome, disk)
    markdown = "\n".join(
        summary_markdown(run.records, run.metrics, run.gates, compared, run.rivals()) for run, _ in runs
    )
    shown = [_page_run(run) for run, _ in runs]
    page = write_page(shown, datetime.now(UTC).isoformat(timespec="seconds"))
    files = {folder / MARKDOWN: markdown.encode(), folder / PAGE: page}
    for path, data in files.items():
        try:
            disk.make_folder(folder)
            write_atomically(path, data, disk)
        except OSError as error:
            raise KeepError(describe(error, path)) from error
    return list(files)


def short_path(path: Path, root: Path) -> str:
    """A path relative to the project, where it is below it."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _write_summary(run: MeasuredRun, outcome: RunOutcome, disk: Disk) -> None:
    summary = summarise(run.records, run.metrics, run.gates, outcome.exit_status)
    summary |= {"unfolded": dict(sorted(outcome.unfolded.items())), "wrong_models": list(outcome.wrong_models)}
    run.folder.write_json(run.folder.summary, summary, disk)


def _page_run(run: MeasuredRun) -> PageRun:
    return PageRun(run.records, run.metrics, run.exchanges(), Conversations(run.questions).of, run.gates)


def _own_summary(run: RunOnDisk, metrics: Sequence[ModelMetrics]) -> Mapping[str, Any]:
    """What the run itself wrote at its end; empty where it wrote nothing, or where verdicts were added since."""
    try:
        summary: Mapping[str, Any] = run.folder.read_json(run.folder.summary, run.disk)
        return summary if summary["total"] == total_tally(one.tally for one in metrics).counts else {}
    except (InputError, KeyError, TypeError):
        return {}


def _gate_settings(run: RunOnDisk, own: Mapping[str, Any]) -> tuple[Mapping[str, float], str]:
    """Thresholds by model, and how they are held: a run that was resumed may have had others than it began with."""
    settings = run.header["settings"]
    if own.get("exit_status") is None:
        return settings["MIN_PASS_RATE"] or {}, settings["GATE"]
    rows = [(ModelVariant(one["model"], one.get("variant", "")), one["gate"]) for one in own.get("models", ())]
    gates = {row.label: gate for row, gate in rows if gate}
    how = next((gate["how"] for gate in gates.values()), settings["GATE"])
    return {label: gate["threshold"] for label, gate in gates.items()}, how
