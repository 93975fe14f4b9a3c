"""The end of a run: its exit status, its summary and its pages, all from its records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from plotbot.errors import KeepError, PlotbotError
from plotbot.measure.exit_status import RunEnd, counted_end, exit_status
from plotbot.measure.gate import GateResult, judge_gates
from plotbot.measure.metrics import ModelMetrics, measure_run
from plotbot.plugin.books import Books
from plotbot.plugin.ending import Ending
from plotbot.plugin.html_pages import HtmlPages
from plotbot.plugin.leftovers import fold_held
from plotbot.plugin.recorded_runs import ReplayedRun
from plotbot.plugin.run import MainRun
from plotbot.plugin.written import Written
from plotbot.report.moves import moved_lines
from plotbot.report.table import summary_lines
from plotbot.safe import one_line, visible
from plotbot.settings_keys import EVERY_MODEL

_MOST_NAMED = 5


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
    _settle_held(run, run.books, ending)
    metrics = measure_run(run.books.records())
    _warn_of_idle_gates(run, metrics, ending)
    _warn_of_unfolded(run.books, ending)
    gates = judge_gates(metrics, run.settings.min_pass_rate, run.settings.gate)
    status = exit_status(_run_end(metrics, gates, run.books, ending))
    ending.compared = ending.baseline.lines(run.books) if ending.baseline else []
    paths = _write(Written(run, run.books, metrics, gates), pages, status, ending)
    ending.lines = [*_moves(run, run.books), *summary_lines(metrics, gates, paths), *_below(ending.compared)]
    return status


def _settle_held(run: MainRun, books: Books, ending: Ending) -> None:
    """Fold what a killed worker held. Who interrupts a run does not wait for locks: then it is only named."""
    if books.opened and not ending.interrupted:
        fold_held(books, run.settings, run.disk)
    elif books.opened:
        books.unfolded |= dict.fromkeys(books.held, "the process that held this answer was stopped: plotbot fold")


def _moves(run: MainRun, books: Books) -> list[str]:
    return moved_lines(run.recorded.results, books.records().results) if isinstance(run, ReplayedRun) else []


def _below(lines: Sequence[str]) -> list[str]:
    return ["", *lines] if lines else []


def _write(written: Written, pages: HtmlPages, status: int, ending: Ending) -> dict[str, str]:
    """The paths of what was written; a file that cannot be written is a fault that is named."""
    books, paths = written.books, dict[str, str]()
    try:
        if books.opened:
            more = {"unfolded": dict(books.unfolded), "wrong_models": ending.wrong_models}
            paths |= written.summary(status, more)
        if books.opened or not written.run.keeps_answers:
            paths |= written.reports(pages, ending.compared)
    except (OSError, PlotbotError) as error:
        ending.faults.append(f"a report could not be written: {error}")
    return paths


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
    unsettled = len(books.unfolded) + len(ending.wrong_models)
    return replace(
        counted_end([one.tally for one in metrics], books.header, gates, unsettled=unsettled),
        usage=ending.usage,
        harness_fault=ending.harness_fault or bool(ending.faults),
        interrupted=ending.interrupted,
        stopped_by_maxfail=ending.stopped_by_maxfail,
    )
