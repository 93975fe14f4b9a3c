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
from plotbot.plugin.books import Books
from plotbot.plugin.html_pages import HtmlPages
from plotbot.plugin.run import MainRun
from plotbot.report.markdown import summary_markdown
from plotbot.report.summary import summarise
from plotbot.report.table import summary_lines
from plotbot.safe import one_line
from plotbot.settings_keys import EVERY_MODEL


@dataclass(slots=True)
class Ending:
    """How the session came to its end, as pytest's hooks tell it, and what was written."""

    usage: bool = False
    harness_fault: bool = False
    interrupted: bool = False
    stopped_by_maxfail: bool = False
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def end_run(run: MainRun, pages: HtmlPages, ending: Ending) -> int:
    """Close the books, write summary and pages, and give the exit status of DESIGN's precedence."""
    try:
        run.stop()
    except KeepError as error:
        ending.faults.append(str(error))
    if run.books is None or not run.books.items or run.problem is not None:
        return exit_status(RunEnd(usage=run.problem is not None))
    metrics = measure_run(run.books.records())
    _warn_of_idle_gates(run, metrics, ending)
    gates = judge_gates(metrics, run.settings.min_pass_rate, run.settings.gate)
    status = exit_status(_run_end(metrics, gates, run.books, ending))
    paths = _Writing(run, run.books, ending).write(pages, metrics, gates, status) if run.books.opened else {}
    ending.lines = summary_lines(metrics, gates, paths)
    return status


@dataclass(frozen=True, slots=True)
class _Writing:
    """What a run leaves behind for people and programs; a file that cannot be written is a fault that is named."""

    run: MainRun
    books: Books
    ending: Ending

    def write(
        self, pages: HtmlPages, metrics: Sequence[ModelMetrics], gates: Sequence[GateResult], status: int
    ) -> dict[str, str]:
        records, folder = self.books.records(), self.run.settings.report_dir
        summary = summarise(records, metrics, gates, status)
        summary["unfolded"] = dict(self.books.unfolded)
        try:
            self.books.folder.write_json(self.books.folder.summary, summary, self.run.disk)
            folder.mkdir(parents=True, exist_ok=True)
            written = pages.finish(metrics, self._facts())
            markdown = folder / "summary.md"
            write_atomically(markdown, summary_markdown(records, metrics, gates).encode(), self.run.disk)
        except (OSError, KeepError) as error:
            self.ending.faults.append(f"a report could not be written: {error}")
            return {"run": self._short(self.books.folder.path)}
        return {
            "answers": self._short(self.run.settings.generated_dir),
            "run": self._short(self.books.folder.path),
            "reports": ", ".join(self._short(page) for page in written),
        }

    def _facts(self) -> dict[str, object]:
        header = self.books.header
        servers = header.get("servers")
        return {
            "run": self.books.folder.run_id,
            "sample seed": header["sample_seed"],
            "server": servers,
            "parameters": header["params"],
        }

    def _short(self, path: Path) -> str:
        """Relative to where the user stands, where that is shorter to read."""
        root = self.run.settings.root
        return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _warn_of_idle_gates(run: MainRun, metrics: Sequence[ModelMetrics], ending: Ending) -> None:
    asked = {one.model for one in metrics}
    for model in set(run.settings.min_pass_rate) - asked - {EVERY_MODEL}:
        ending.warnings.append(f"MIN_PASS_RATE names {one_line(model, 80)}, which was not asked: its gate says nothing")


def _run_end(metrics: Sequence[ModelMetrics], gates: Sequence[GateResult], books: Books, ending: Ending) -> RunEnd:
    tallies = [one.tally for one in metrics]
    return RunEnd(
        usage=ending.usage,
        harness_fault=ending.harness_fault or bool(ending.faults),
        interrupted=ending.interrupted,
        planned=len(books.items),
        # An answer that is not in its title file leaves the run incomplete, however good it was.
        errors=sum(tally.error for tally in tallies) + len(books.unfolded),
        not_run=sum(tally.not_run for tally in tallies),
        stopped_by_maxfail=ending.stopped_by_maxfail,
        failures={tally.model: tally.failed for tally in tallies},
        gates=gates,
    )
