"""The end of a run: its exit status, its summary and its pages, all from its records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from plotbot.errors import ExitStatus, InputError, KeepError
from plotbot.measure.exit_status import ExitReasons, counted_reasons, exit_status, worse
from plotbot.measure.metrics import ModelMetrics
from plotbot.measure.verdict_sheet import verdict_sheet
from plotbot.records import RunRecords, note_of
from plotbot.report.comparison import changed_verdict_lines
from plotbot.report.terminal_summary import summary_lines
from plotbot.run.again import LIKE, moved_since
from plotbot.run.artifacts import (
    MARKDOWN,
    MeasuredRun,
    RunOutcome,
    measure_live,
    short_path,
    write_history_page,
    write_reports,
    write_summary,
)
from plotbot.run.baseline import Baseline
from plotbot.run.judged import judged_metrics
from plotbot.run.recorder import Recorder
from plotbot.run.recovery import note_deleted, recover_held, withdraw_suspect
from plotbot.run.session import MainRun
from plotbot.safe import one_line, plural, visible, without_folders
from plotbot.settings.keys import EVERY_MODEL

_MOST_NAMED = 5
_MOST_PAGES = 5


class ModelPages(Protocol):
    """What writes a page for each model, from the cases that it has collected."""

    def finish(self, metrics: Iterable[ModelMetrics], facts: Mapping[str, object]) -> Iterator[Path]:
        """Write the pages and yield each one's path. Raises `KeepError` naming one that cannot be written."""


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
    recorder = run.recorder
    if recorder is not None and not session.interrupted:
        recorder.note_wrong_models(run.served_otherwise())
    wrong_models = [] if recorder is None else recorder.wrong_models
    faults, named = _stop(run), [f"wrong_model: {why}" for why in wrong_models]
    if recorder is None or not recorder.items or run.problem is not None:
        status = exit_status(ExitReasons(usage=run.problem is not None))
        return Finished(status, warnings=run.why_empty, faults=[*faults, *named])
    _settle_held(run, recorder, interrupted=session.interrupted)
    if refused := withdraw_suspect(recorder, run.settings, run.disk):
        faults.append(refused)
    measured, damaged = _measured(run, recorder)
    compared = [] if baseline is None else baseline.lines(measured.records, measured.questions)
    paths, unwritten = _write_reports(run, measured, pages, compared) if _has_reports(run) else ({}, [])
    faults += unwritten
    status = exit_status(_exit_reasons(measured, recorder, session, wrong_models, faults))
    if recorder.opened:
        unfolded = {case: without_folders(why, run.settings.root) for case, why in recorder.unfolded.items()}
        late = list(_write_last(run, measured, RunOutcome(status, unfolded, wrong_models)))
        faults += late
        status = worse(status, ExitStatus.HARNESS_FAULT) if late else status
    return Finished(
        status,
        lines=[
            *_changes(run, recorder),
            *summary_lines(measured.metrics, measured.gates, paths, measured.rivals(), measured.resume()),
            *_below(compared),
            *_since(run, measured, session),
        ],
        warnings=[*damaged, *_idle_gates(run, measured.metrics), *_unfolded(recorder)],
        faults=[*faults, *named],
    )


def _measured(run: MainRun, recorder: Recorder) -> tuple[MeasuredRun, list[str]]:
    """The numbers of the run, with what a judge said of it before it was resumed; a damaged file of that is named."""
    measured = measure_live(recorder, run.settings)
    try:
        return replace(measured, judged=judged_metrics(recorder.folder, run.disk)), []
    except InputError as error:
        return measured, [str(error)]


def _write_last(run: MainRun, measured: MeasuredRun, outcome: RunOutcome) -> Iterator[str]:
    """Write the summary, which needs the exit status, and the page of all runs; yield the faults."""
    try:
        write_summary(measured, outcome, run.disk)
    except KeepError as error:
        yield f"the summary could not be written: {error}"
    try:
        write_history_page(run.settings.runs_dir, run.settings.report_dir, run.disk)
    except KeepError as error:
        yield f"a report could not be written: {error}"


def _stop(run: MainRun) -> list[str]:
    faults = []
    try:
        run.stop()
    except KeepError as error:
        faults.append(str(error))
    if run.recorder is not None and run.recorder.fault is not None:
        faults.append(f"the run's journal could not be written, so nothing more was asked: {run.recorder.fault}")
    if run.recorder is not None and run.recorder.opened and not run.recorder.folder.plan.exists():
        faults.append(f"{run.recorder.folder.plan}: it was deleted while the run was on, so the run cannot be resumed")
    return faults


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
        harness_fault=session.harness_fault or bool(faults) or recorder.disk_refused,
        interrupted=session.interrupted,
        stopped_by_maxfail=session.stopped_by_maxfail,
    )


def _has_reports(run: MainRun) -> bool:
    """Whether there is anything to show: a run that asked nothing leaves the reports of the one before."""
    return not run.keeps_answers or (run.recorder is not None and run.recorder.opened)


def _write_reports(
    run: MainRun, measured: MeasuredRun, pages: ModelPages, compared: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """Write the reports. Return what is where, by what it is, and the faults of the files that could not be written."""
    root, folder, paths = run.settings.root, run.settings.report_dir, dict[str, str]()
    if run.keeps_answers:
        paths = {"answers": short_path(run.settings.generated_dir, root), "run": _named_folder(measured, root)}
    more = partial(pages.finish, measured.metrics, _facts(measured.records))
    written, faults = write_reports([measured], folder, run.disk, compared, more, own_page=run.keeps_answers)
    shown = [page for page in written if page.name != MARKDOWN]
    named = [short_path(page, root) for page in shown[:_MOST_PAGES]]
    others = [f"and {len(shown) - len(named)} more there"] if len(shown) > len(named) else []
    if shown:
        paths["reports"] = ", ".join([*named, *others])
    return paths, [f"a report could not be written: {fault}" for fault in faults]


def _named_folder(measured: MeasuredRun, root: Path) -> str:
    note = note_of(measured.records.header)
    return short_path(measured.folder.path, root) + (f" '{note}'" if note else "")


def _facts(records: RunRecords) -> dict[str, object]:
    """What a model's own page says of the run."""
    header = records.header
    return {
        "run": records.name,
        "sample seed": header["sample_seed"],
        "server": ", ".join(f"{one['kind']} {one['version'] or ''} at {one['url']}" for one in header["servers"]),
        "parameters": ", ".join(f"{name} {value}" for name, value in header["params"].items()),
    }


def _changes(run: MainRun, recorder: Recorder) -> list[str]:
    return [] if run.earlier_results is None else changed_verdict_lines(run.earlier_results, recorder.records().results)


def _since(run: MainRun, measured: MeasuredRun, session: SessionEnd) -> list[str]:
    """What has moved since these titles were run before. A person who interrupts a run does not wait for it."""
    if session.interrupted or not run.keeps_answers:
        return []
    sheet = verdict_sheet(measured.records, measured.questions)
    like = measured.records.header.get(LIKE)
    return moved_since(sheet, measured.folder, run.settings.runs_dir, run.disk, like)


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
        yield f"… and {plural(len(reasons) - _MOST_NAMED, 'more answer')}; summary.json names all"
