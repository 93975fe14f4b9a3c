"""The end of a run: its exit status, its summary and its pages, all from its records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from plotbot.errors import KeepError, PlotbotError
from plotbot.measure.exit_status import RunEnd, counted_end, exit_status
from plotbot.measure.gate import GateResult, judge_gates
from plotbot.measure.metrics import ModelMetrics, measure_run
from plotbot.plugin.pytest_html import HtmlPages
from plotbot.report.table import summary_lines
from plotbot.report.verdict_changes import moved_lines
from plotbot.run.artifacts import Written
from plotbot.run.ending import Ending
from plotbot.run.leftovers import fold_held
from plotbot.run.recorder import Recorder
from plotbot.run.resume import ReplayedRun
from plotbot.run.session import MainRun
from plotbot.safe import one_line, visible
from plotbot.settings.keys import EVERY_MODEL

_MOST_NAMED = 5


def end_run(run: MainRun, pages: HtmlPages, ending: Ending) -> int:
    """Close the recorder, write summary and pages, and give the exit status of DESIGN's precedence."""
    # While the servers can still be asked; somebody who interrupts a run does not wait for them.
    ending.wrong_models = [] if ending.interrupted else run.served_otherwise()
    try:
        run.stop()
    except KeepError as error:
        ending.faults.append(str(error))
    if run.recorder is None or not run.recorder.items or run.problem is not None:
        return exit_status(RunEnd(usage=run.problem is not None))
    _settle_held(run, run.recorder, ending)
    metrics = measure_run(run.recorder.records())
    _warn_of_idle_gates(run, metrics, ending)
    _warn_of_unfolded(run.recorder, ending)
    gates = judge_gates(metrics, run.settings.min_pass_rate, run.settings.gate)
    status = exit_status(_run_end(metrics, gates, run.recorder, ending))
    ending.compared = ending.baseline.lines(run.recorder) if ending.baseline else []
    paths = _write(Written(run, run.recorder, metrics, gates), pages, status, ending)
    ending.lines = [*_moves(run, run.recorder), *summary_lines(metrics, gates, paths), *_below(ending.compared)]
    return status


def _settle_held(run: MainRun, recorder: Recorder, ending: Ending) -> None:
    """Fold what a killed worker held. Who interrupts a run does not wait for locks: then it is only named."""
    if recorder.opened and not ending.interrupted:
        fold_held(recorder, run.settings, run.disk)
    elif recorder.opened:
        recorder.unfolded |= dict.fromkeys(recorder.held, "the process that held this answer was stopped: plotbot fold")


def _moves(run: MainRun, recorder: Recorder) -> list[str]:
    return moved_lines(run.recorded.results, recorder.records().results) if isinstance(run, ReplayedRun) else []


def _below(lines: Sequence[str]) -> list[str]:
    return ["", *lines] if lines else []


def _write(written: Written, pages: HtmlPages, status: int, ending: Ending) -> dict[str, str]:
    """The paths of what was written; a file that cannot be written is a fault that is named."""
    recorder, paths = written.recorder, dict[str, str]()
    try:
        if recorder.opened:
            more = {"unfolded": dict(recorder.unfolded), "wrong_models": ending.wrong_models}
            paths |= written.summary(status, more)
        if recorder.opened or not written.run.keeps_answers:
            paths |= written.reports(pages, ending.compared)
    except (OSError, PlotbotError) as error:
        ending.faults.append(f"a report could not be written: {error}")
    return paths


def _warn_of_idle_gates(run: MainRun, metrics: Sequence[ModelMetrics], ending: Ending) -> None:
    asked = {one.model for one in metrics}
    for model in set(run.settings.min_pass_rate) - asked - {EVERY_MODEL}:
        ending.warnings.append(f"MIN_PASS_RATE names {one_line(model, 80)}, which was not asked: its gate says nothing")


def _warn_of_unfolded(recorder: Recorder, ending: Ending) -> None:
    """Say of each answer that is in the journal alone why it is there alone; of many, of the first few."""
    reasons = list(recorder.unfolded.values())
    ending.warnings += [f"kept in the journal, not in its title file: {visible(why)}" for why in reasons[:_MOST_NAMED]]
    if len(reasons) > _MOST_NAMED:
        ending.warnings.append(f"… and {len(reasons) - _MOST_NAMED} more answers; summary.json names them all")


def _run_end(
    metrics: Sequence[ModelMetrics], gates: Sequence[GateResult], recorder: Recorder, ending: Ending
) -> RunEnd:
    unsettled = len(recorder.unfolded) + len(ending.wrong_models)
    return replace(
        counted_end([one.tally for one in metrics], recorder.header, gates, unsettled=unsettled),
        usage=ending.usage,
        harness_fault=ending.harness_fault or bool(ending.faults),
        interrupted=ending.interrupted,
        stopped_by_maxfail=ending.stopped_by_maxfail,
    )
