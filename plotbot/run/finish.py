"""The end of a run: its exit status, its summary and its pages, all from its records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from plotbot.errors import KeepError, PlotbotError
from plotbot.measure.exit_status import ExitReasons, counted_reasons, exit_status
from plotbot.measure.metrics import ModelMetrics
from plotbot.records import RunRecords
from plotbot.report.comparison import changed_verdict_lines
from plotbot.report.terminal_summary import summary_lines
from plotbot.run.artifacts import PAGE, MeasuredRun, RunOutcome, measure_live, short_path, write_artifacts
from plotbot.run.baseline import Baseline
from plotbot.run.recorder import Recorder
from plotbot.run.recovery import note_deleted, recover_held
from plotbot.run.session import MainRun
from plotbot.safe import one_line, visible
from plotbot.settings.keys import EVERY_MODEL

_MOST_NAMED = 5
_MOST_PAGES = 5


class ModelPages(Protocol):
    """What writes a page for each model, from the cases that it has collected."""

    def finish(self, metrics: Iterable[ModelMetrics], facts: Mapping[str, object]) -> list[Path]:
        """Write the pages and return their paths. Raises `OSError` where one cannot be written."""


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """How pytest's session ended. `interrupted` means by a person or a signal, not by `-x` or `--maxfail`.

    `floor` is its exit status for all other reasons than its evals.
    """

    floor: int = 0
    interrupted: bool = False
    harness_fault: bool = False
    stopped_by_maxfail: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """What a finished run tells the shell, and what it shows at the terminal: warnings, then faults, then lines."""

    status: int
    lines: Sequence[str] = ()
    warnings: Sequence[str] = ()
    faults: Sequence[str] = ()


def finish_run(run: MainRun, session: SessionEnd, pages: ModelPages, baseline: Baseline | None) -> Finished:
    """Stop the run, write its summary and its pages, and find the exit status."""
    # Servers are asked before they are stopped. A person who interrupts a run does not wait for their answers.
    wrong_models = [] if session.interrupted else run.served_otherwise()
    faults, named = _stop(run), [f"wrong_model: {why}" for why in wrong_models]
    recorder = run.recorder
    if recorder is None or not recorder.items or run.problem is not None:
        return Finished(exit_status(ExitReasons(usage=run.problem is not None)), faults=[*faults, *named])
    faults += [str(recorder.unwritten)] if recorder.unwritten else []
    _settle_held(run, recorder, interrupted=session.interrupted)
    measured = measure_live(recorder, run.settings)
    status = exit_status(_exit_reasons(measured, recorder, session, wrong_models, faults))
    compared = [] if baseline is None else baseline.lines(measured.records, measured.questions)
    outcome = RunOutcome(status, recorder.unfolded, wrong_models) if recorder.opened else None
    paths, unwritten = _write(run, measured, outcome, pages, compared)
    return Finished(
        status,
        lines=[
            *_changes(run, recorder),
            *summary_lines(measured.metrics, measured.gates, paths, measured.rivals()),
            *_below(compared),
        ],
        warnings=[*_idle_gates(run, measured.metrics), *_unfolded(recorder)],
        faults=[*faults, *unwritten, *named],
    )


def _stop(run: MainRun) -> list[str]:
    try:
        run.stop()
    except KeepError as error:
        return [str(error)]
    return []


def _settle_held(run: MainRun, recorder: Recorder, *, interrupted: bool) -> None:
    """Fold what a killed worker held. An interrupted run does not wait for locks: there it is only named."""
    if recorder.opened and not interrupted:
        recover_held(recorder, run.settings, run.disk)
        note_deleted(recorder, run.settings)
    elif recorder.opened:
        recorder.unfolded |= dict.fromkeys(recorder.held, "the process that held this answer was stopped: plotbot fold")


def _exit_reasons(
    measured: MeasuredRun,
    recorder: Recorder,
    session: SessionEnd,
    wrong_models: Sequence[str],
    faults: Sequence[str],
) -> ExitReasons:
    unsettled = len(recorder.unfolded) + len(wrong_models)
    return replace(
        counted_reasons([one.tally for one in measured.metrics], recorder.header, measured.gates, unsettled=unsettled),
        floor=session.floor,
        harness_fault=session.harness_fault or bool(faults),
        interrupted=session.interrupted,
        stopped_by_maxfail=session.stopped_by_maxfail,
    )


def _write(
    run: MainRun, measured: MeasuredRun, outcome: RunOutcome | None, pages: ModelPages, compared: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """Write the files. Return their paths by what they are, and the faults of those that could not be written."""
    if outcome is None and run.keeps_answers:
        return {}, []
    root, folder, paths = run.settings.root, run.settings.report_dir, dict[str, str]()
    if outcome is not None:
        paths = {"answers": short_path(run.settings.generated_dir, root), "run": short_path(measured.folder.path, root)}
    try:
        write_artifacts([(measured, outcome)], folder, run.disk, compared)
        written = [folder / PAGE, *pages.finish(measured.metrics, _facts(measured.records))]
    except (OSError, PlotbotError) as error:
        return paths, [f"a report could not be written: {error}"]
    named = [short_path(page, root) for page in written[:_MOST_PAGES]]
    more = [f"and {len(written) - len(named)} more there"] if len(written) > len(named) else []
    return paths | {"reports": ", ".join([*named, *more])}, []


def _facts(records: RunRecords) -> dict[str, object]:
    """What a model's own page says of the run."""
    header = records.header
    return {
        "run": records.run,
        "sample seed": header["sample_seed"],
        "server": ", ".join(f"{one['kind']} {one['version'] or ''} at {one['url']}" for one in header["servers"]),
        "parameters": ", ".join(f"{name} {value}" for name, value in header["params"].items()),
    }


def _changes(run: MainRun, recorder: Recorder) -> list[str]:
    return [] if run.earlier_results is None else changed_verdict_lines(run.earlier_results, recorder.records().results)


def _below(lines: Sequence[str]) -> list[str]:
    return ["", *lines] if lines else []


def _idle_gates(run: MainRun, metrics: Sequence[ModelMetrics]) -> Iterator[str]:
    asked = {name for one in metrics for name in (one.model, one.label)}
    for model in set(run.settings.min_pass_rate) - asked - {EVERY_MODEL}:
        yield f"MIN_PASS_RATE names {one_line(model, 80)}, which was not asked: its gate says nothing"


def _unfolded(recorder: Recorder) -> Iterator[str]:
    """Why each answer that is in the journal only is not in its title file; of many answers the first few."""
    reasons = list(recorder.unfolded.values())
    yield from (f"kept in the journal, not in its title file: {visible(why)}" for why in reasons[:_MOST_NAMED])
    if len(reasons) > _MOST_NAMED:
        yield f"… and {len(reasons) - _MOST_NAMED} more answers; summary.json names them all"
