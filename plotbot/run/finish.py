"""The end of a run: its exit status, its summary and its pages, all from its records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from plotbot.errors import KeepError, PlotbotError
from plotbot.measure.exit_status import RunEnd, counted_end, exit_status
from plotbot.measure.metrics import ModelMetrics
from plotbot.plugin.pytest_html import HtmlPages
from plotbot.records import RunRecords
from plotbot.report.comparison import changed_verdict_lines
from plotbot.report.terminal_summary import summary_lines
from plotbot.run.artifacts import PAGE, MeasuredRun, RunEnding, measure_live, short_path, write_artifacts
from plotbot.run.ending import Ending
from plotbot.run.recorder import Recorder
from plotbot.run.recovery import recover_held
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
    measured = measure_live(run.recorder, run.settings)
    _warn_of_idle_gates(run, measured.metrics, ending)
    _warn_of_unfolded(run.recorder, ending)
    status = exit_status(_run_end(measured, run.recorder, ending))
    ending.compared = ending.baseline.lines(run.recorder) if ending.baseline else []
    paths = _write(run, measured, pages, status, ending)
    shown = summary_lines(measured.metrics, measured.gates, paths)
    ending.lines = [*_moves(run, run.recorder), *shown, *_below(ending.compared)]
    return status


def _settle_held(run: MainRun, recorder: Recorder, ending: Ending) -> None:
    """Fold what a killed worker held. Who interrupts a run does not wait for locks: then it is only named."""
    if recorder.opened and not ending.interrupted:
        recover_held(recorder, run.settings, run.disk)
    elif recorder.opened:
        recorder.unfolded |= dict.fromkeys(recorder.held, "the process that held this answer was stopped: plotbot fold")


def _moves(run: MainRun, recorder: Recorder) -> list[str]:
    if not isinstance(run, ReplayedRun):
        return []
    return changed_verdict_lines(run.recorded.results, recorder.records().results)


def _below(lines: Sequence[str]) -> list[str]:
    return ["", *lines] if lines else []


def _write(run: MainRun, measured: MeasuredRun, pages: HtmlPages, status: int, ending: Ending) -> dict[str, str]:
    """The paths of what was written; a file that cannot be written is a fault that is named."""
    recorder, paths, root = run.recorder, dict[str, str](), run.settings.root
    assert recorder is not None, "a measured run has been recorded"
    if recorder.opened:
        told = RunEnding(status, recorder.unfolded, ending.wrong_models)
        paths = {"answers": short_path(run.settings.generated_dir, root), "run": short_path(recorder.folder.path, root)}
    elif run.keeps_answers:
        return paths
    else:
        told = None
    folder = run.settings.report_dir
    try:
        write_artifacts([(measured, told)], folder, run.disk, ending.compared)
        written = [folder / PAGE, *pages.finish(measured.metrics, _facts(measured.records))]
        paths["reports"] = ", ".join(short_path(page, root) for page in written)
    except (OSError, PlotbotError) as error:
        ending.faults.append(f"a report could not be written: {error}")
    return paths


def _facts(records: RunRecords) -> dict[str, object]:
    """What a model's own page says of the run."""
    header = records.header
    return {
        "run": records.run,
        "sample seed": header["sample_seed"],
        "server": ", ".join(f"{one['kind']} {one['version'] or ''} at {one['url']}" for one in header["servers"]),
        "parameters": ", ".join(f"{name} {value}" for name, value in header["params"].items()),
    }


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


def _run_end(measured: MeasuredRun, recorder: Recorder, ending: Ending) -> RunEnd:
    unsettled = len(recorder.unfolded) + len(ending.wrong_models)
    return replace(
        counted_end([one.tally for one in measured.metrics], recorder.header, measured.gates, unsettled=unsettled),
        usage=ending.usage,
        harness_fault=ending.harness_fault or bool(ending.faults),
        interrupted=ending.interrupted,
        stopped_by_maxfail=ending.stopped_by_maxfail,
    )
