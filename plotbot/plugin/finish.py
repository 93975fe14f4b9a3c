"""The end of a run: its exit status, its summary and its pages, all from its records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plotbot.errors import KeepError
from plotbot.keep.atomic import write_atomically
from plotbot.measure.exit_status import RunEnd, exit_status
from plotbot.measure.gate import GateResult, judge_gates
from plotbot.measure.metrics import ModelMetrics, measure_run
from plotbot.plugin.against_baseline import Baseline
from plotbot.plugin.books import Books
from plotbot.plugin.html_pages import HtmlPages
from plotbot.plugin.recorded_runs import ReplayedRun
from plotbot.plugin.run import MainRun
from plotbot.report.markdown import summary_markdown
from plotbot.report.moves import moved_lines
from plotbot.report.summary import summarise
from plotbot.report.table import summary_lines
from plotbot.safe import one_line, visible
from plotbot.settings_keys import EVERY_MODEL

_MOST_NAMED = 5


@dataclass(slots=True)
class Ending:
    """How the session came to its end, as pytest's hooks tell it, and what was written."""

    usage: bool = False
    harness_fault: bool = False
    interrupted: bool = False
    stopped_by_maxfail: bool = False
    faults: list[str] = field(default_factory=list)
    wrong_models: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    baseline: Baseline | None = None
    compared: list[str] = field(default_factory=list)


def end_run(run: MainRun, pages: HtmlPages, ending: Ending) -> int:
    """Close the books, write summary and pages, and give the exit status of DESIGN's precedence."""
    # While the servers can still be asked; somebody who interrupts a run does not wait for them.
    ending.wrong_models = [] if ending.interrupted else run.served_otherwise()
    try:
        run.stop()
    except KeepError as error:
        ending.faults.append(str(error))
    if run.books is None or not run.books.items or run.problem is not None:
        return exit_status(RunEnd(usage=run.problem is not None))
    metrics = measure_run(run.books.records())
    _warn_of_idle_gates(run, metrics, ending)
    _warn_of_unfolded(run.books, ending)
    gates = judge_gates(metrics, run.settings.min_pass_rate, run.settings.gate)
    status = exit_status(_run_end(metrics, gates, run.books, ending))
    ending.compared = ending.baseline.lines(run.books) if ending.baseline else []
    paths = _Writing(run, run.books, ending).write(pages, metrics, gates, status)
    ending.lines = [*_moves(run, run.books), *summary_lines(metrics, gates, paths), *_below(ending.compared)]
    return status


def _moves(run: MainRun, books: Books) -> list[str]:
    return moved_lines(run.recorded.results, books.records().results) if isinstance(run, ReplayedRun) else []


def _below(lines: Sequence[str]) -> list[str]:
    return ["", *lines] if lines else []


@dataclass(frozen=True, slots=True)
class _Writing:
    """What a run leaves behind for people and programs; a file that cannot be written is a fault that is named."""

    run: MainRun
    books: Books
    ending: Ending

    def write(
        self, pages: HtmlPages, metrics: Sequence[ModelMetrics], gates: Sequence[GateResult], status: int
    ) -> dict[str, str]:
        paths: dict[str, str] = {}
        try:
            if self.books.opened:
                paths |= self._write_summary(metrics, gates, status)
            if self.books.opened or not self.run.keeps_answers:
                paths |= self._write_reports(pages, metrics, gates)
        except (OSError, KeepError) as error:
            self.ending.faults.append(f"a report could not be written: {error}")
        return paths

    def _write_summary(
        self, metrics: Sequence[ModelMetrics], gates: Sequence[GateResult], status: int
    ) -> dict[str, str]:
        folder = self.books.folder
        summary = summarise(self.books.records(), metrics, gates, status)
        summary |= {"unfolded": dict(self.books.unfolded), "wrong_models": self.ending.wrong_models}
        folder.write_json(folder.summary, summary, self.run.disk)
        return {"answers": self._short(self.run.settings.generated_dir), "run": self._short(folder.path)}

    def _write_reports(
        self, pages: HtmlPages, metrics: Sequence[ModelMetrics], gates: Sequence[GateResult]
    ) -> dict[str, str]:
        folder = self.run.settings.report_dir
        folder.mkdir(parents=True, exist_ok=True)
        written = pages.finish(metrics, self._facts())
        markdown = summary_markdown(self.books.records(), metrics, gates, self.ending.compared)
        write_atomically(folder / "summary.md", markdown.encode(), self.run.disk)
        return {"reports": ", ".join(self._short(page) for page in written)}

    def _facts(self) -> dict[str, object]:
        header = self.books.header
        servers = [f"{one['kind']} {one['version'] or ''} at {one['url']}" for one in header["servers"]]
        return {
            "run": self.books.folder.run_id,
            "sample seed": header["sample_seed"],
            "server": ", ".join(servers),
            "parameters": ", ".join(f"{name} {value}" for name, value in header["params"].items()),
        }

    def _short(self, path: Path) -> str:
        """Relative to where the user stands, where that is shorter to read."""
        root = self.run.settings.root
        return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _warn_of_idle_gates(run: MainRun, metrics: Sequence[ModelMetrics], ending: Ending) -> None:
    asked = {one.model for one in metrics}
    for model in set(run.settings.min_pass_rate) - asked - {EVERY_MODEL}:
        ending.warnings.append(f"MIN_PASS_RATE names {one_line(model, 80)}, which was not asked: its gate says nothing")


def _warn_of_unfolded(books: Books, ending: Ending) -> None:
    """Say of each answer that is in the journal alone why it is there alone; of many, of the first few."""
    reasons = list(books.unfolded.values())
    ending.warnings += [f"kept in the journal, not in its title file: {visible(why)}" for why in reasons[:_MOST_NAMED]]
    if len(reasons) > _MOST_NAMED:
        ending.warnings.append(f"… and {len(reasons) - _MOST_NAMED} more answers; summary.json names them all")


def _run_end(metrics: Sequence[ModelMetrics], gates: Sequence[GateResult], books: Books, ending: Ending) -> RunEnd:
    tallies = [one.tally for one in metrics]
    return RunEnd(
        usage=ending.usage,
        harness_fault=ending.harness_fault or bool(ending.faults),
        interrupted=ending.interrupted,
        planned=len(books.items),
        # An answer that is not in its title file leaves the run incomplete, however good it was.
        errors=sum(tally.error for tally in tallies) + len(books.unfolded) + len(ending.wrong_models),
        not_run=sum(tally.not_run for tally in tallies),
        stopped_by_maxfail=ending.stopped_by_maxfail,
        failures={tally.model: tally.failed for tally in tallies},
        gates=gates,
    )
