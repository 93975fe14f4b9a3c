"""The files that show a run, `summary.json`, `summary.md` and `index.html`: written here and nowhere else.

A live run, `plotbot report` and `plotbot merge` differ only in where the records come from and in who knows how the
run ended.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from plotbot.ask.transport.prompts import Conversations
from plotbot.errors import InputError, KeepError, PlotbotError
from plotbot.keep.filesystem import Disk, describe, write_atomically
from plotbot.keep.run_folder import RunFolder
from plotbot.keep.run_reading import RunOnDisk
from plotbot.measure.gate import GateResult
from plotbot.measure.judged import JudgedMetrics
from plotbot.measure.metrics import ModelMetrics, measure_run
from plotbot.measure.pairing import Rival, rivals_of
from plotbot.measure.stopping import judge_run
from plotbot.measure.tally import ModelVariant, total_tally
from plotbot.measure.verdict_sheet import verdict_sheet
from plotbot.records import NOT_NEEDED, Exchange, Question, RunRecords
from plotbot.report.audit import audit_page
from plotbot.report.judged import judged_json
from plotbot.report.markdown import summary_markdown
from plotbot.report.page import PageData, PageRun, page_data, page_of, write_history
from plotbot.report.summary_json import summarise
from plotbot.run.history import link_to, read_history
from plotbot.run.judged import judged_metrics
from plotbot.run.recorded_case import cases_named
from plotbot.run.recorder import Recorder
from plotbot.run.recovery import kept_results
from plotbot.run.resume_command import resume_command
from plotbot.safe import digest, file_stem
from plotbot.settings import Settings

PAGE, MARKDOWN, HISTORY = "index.html", "summary.md", "history.html"
_TAKEN = frozenset({Path(name).stem for name in (PAGE, MARKDOWN, HISTORY)})
_HEAD_BYTES = 4096
_OLD_PAGE = '<title id="head-title">plotbot: '
"""In the head of a model's page of a version that did not name the run."""
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
    judged: JudgedMetrics | None = None

    def resume(self) -> str:
        """The command that runs what was not run; empty if all was."""
        left = any(one.tally.not_run for one in self.metrics)
        return resume_command(self.folder, self.records.header) if left else ""

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
    metrics, gates = judge_run(records, settings.min_pass_rate, settings.gate, settings.gate_every)
    return MeasuredRun(recorder.folder, records, recorder.questions, recorder.exchanges, metrics, gates)


def measure_recorded(run: RunOnDisk) -> tuple[MeasuredRun, RunOutcome]:
    """The numbers of a run read from its files, as far as it came, and how it ended. Raises `InputError`.

    Gates, exit status and wrong models are those of the run's own summary while its journal has not gone on since.
    """
    records = run.records()
    own = _own_summary(run, measure_run(records))
    try:
        thresholds, how = _gate_settings(run, own)
        metrics, gates = judge_run(records, thresholds, how, run.header["settings"].get("GATE_EVERY", 1))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{run.folder.plan}: its settings are damaged ({error!r}); choose another run") from error
    told, unfolded = own.get("unfolded", {}), sorted(kept_results(run).keys() - run.folded)
    # Runs of version 0.1 told it in their summary alone.
    wrong_models = list(dict.fromkeys([*run.wrong_models, *own.get("wrong_models", ())]))
    outcome = RunOutcome(own.get("exit_status"), {case: told.get(case, _UNFOLDED) for case in unfolded}, wrong_models)
    judged = judged_metrics(run.folder, run.disk)
    return MeasuredRun(run.folder, records, run.questions, run.exchanges, metrics, gates, judged), outcome


def write_artifacts(
    runs: Sequence[tuple[MeasuredRun, RunOutcome]], folder: Path, runs_dir: Path, disk: Disk
) -> list[Path]:
    """Write each run's `summary.json`, then Markdown and page of all runs together into *folder*; return these two.

    The page of all runs in *runs_dir* is written anew, too.

    Raises `KeepError` naming the files that cannot be written.
    """
    for run, outcome in runs:
        write_summary(run, outcome, disk)
    written, faults = write_reports([run for run, _ in runs], folder, disk, own_page=len(runs) == 1)
    if faults:
        raise KeepError("; ".join(faults))
    write_history_page(runs_dir, folder, disk)
    return written


def write_summary(run: MeasuredRun, outcome: RunOutcome, disk: Disk) -> None:
    """Write a run's `summary.json`. Raises `KeepError` naming it if it cannot be written."""
    summary = summarise(run.records, run.metrics, run.gates, outcome.exit_status)
    summary |= {"unfolded": dict(sorted(outcome.unfolded.items())), "wrong_models": list(outcome.wrong_models)}
    if run.judged is not None:
        summary["judged"] = judged_json(run.judged)
    run.folder.write_json(run.folder.summary, summary, disk)


def write_reports(
    runs: Sequence[MeasuredRun],
    folder: Path,
    disk: Disk,
    compared: Sequence[str] = (),
    more: Callable[[], Iterable[Path]] = tuple,
    *,
    own_page: bool = False,
) -> tuple[list[Path], list[str]]:
    """Write Markdown and page of all runs together into *folder*, after the models' pages that *more* writes there.

    The page of all runs links them, and those of a run shown again that are still there.

    Return the files, and a sentence for each that could not be written. Reports of other runs, which would look like
    these runs' own, are removed. With *own_page* the page is also written into the folder of the first run, where no
    later run replaces it; it is not among the files returned. *compared* are the lines of a comparison with a
    baseline. *more* yields each page once it is written and raises `OSError` or `KeepError` for one that cannot be.
    """
    written: list[Path] = []
    models, faults = _model_pages(more, folder)
    data = cache(partial(_page_data, runs))
    ids = [run.folder.run_id for run in runs]
    # After a fault the pages of this run may be those of an earlier session, too: they are removed below.
    page = partial(
        _page,
        data,
        folder / HISTORY,
        folder / PAGE,
        lambda path: path in models or (not faults and path.is_file() and _run_of(path) in ids),
    )
    files: dict[Path, Callable[[], bytes]] = {
        folder / MARKDOWN: partial(_markdown, runs, compared),
        folder / PAGE: page,
    }
    if own_page:
        files[runs[0].folder.page] = partial(_page, data, folder / HISTORY, runs[0].folder.page)
    for path, content in files.items():
        try:
            disk.make_folder(folder)
            write_atomically(path, content(), disk)
            written += [path] if path.parent == folder else []
        except OSError as error:
            faults.append(describe(error, path))
        except PlotbotError as error:
            faults.append(f"{path}: {error}")
    written += models
    return written, [*faults, *_remove_others(folder, written, () if faults else ids)]


def write_own_page(run: MeasuredRun, folder: Path, disk: Disk) -> Path:
    """Write a run's page into the run's folder, and return it; *folder* is that of the reports. Raises `KeepError`."""
    path = run.folder.page
    content = _page(partial(_page_data, [run]), folder / HISTORY, path)
    try:
        write_atomically(path, content, disk)
    except OSError as error:
        raise KeepError(describe(error, path)) from error
    return path


def write_history_page(runs_dir: Path, folder: Path, disk: Disk) -> Path:
    """Write the page of all runs into *folder*, and return it. Raises `KeepError` naming it if it cannot be written."""
    path = folder / HISTORY
    content = write_history(read_history(runs_dir, path, disk), _now())
    try:
        disk.make_folder(folder)
        write_atomically(path, content, disk)
    except OSError as error:
        raise KeepError(describe(error, path)) from error
    return path


def write_case_page(run: MeasuredRun, wanted: str, folder: Path, disk: Disk) -> Path | None:
    """Write a page of the cases that *wanted* means alone, to send with a report of a fault; None if there is none.

    Raises `KeepError` naming the page if it cannot be written.
    """
    found = cases_named(run.records.cases.values(), run.records.items, wanted)
    if not found:
        return None
    cases = {case.id: case for case in found}
    items = tuple(item for item in run.records.items if item.case in cases)
    results = {item.item: run.records.results[item.item] for item in items if item.item in run.records.results}
    exchanges = {case: run.records.exchanges[case] for case in cases if case in run.records.exchanges}
    records = replace(run.records, cases=cases, items=items, results=results, exchanges=exchanges)
    alone = replace(
        run,
        records=records,
        metrics=measure_run(records),
        gates=(),
        judged=None,
        exchanges=lambda: (one for one in run.exchanges() if one.case in cases),
    )
    path = folder / f"case-{file_stem(found[0].slug if len(found) == 1 else wanted)}.html"
    try:
        disk.make_folder(folder)
        write_atomically(path, _page(partial(_page_data, [alone]), folder / HISTORY, path), disk)
    except OSError as error:
        raise KeepError(describe(error, path)) from error
    return path


def page_name(model: str) -> str:
    """The file name of a model's page, safe and unique on every file system."""
    stem = file_stem(model)
    # A model with the name "index" must not take the place of the page that compares all models.
    return f"{stem}-{digest(model)}.html" if stem in _TAKEN else f"{stem}.html"


def generator(run: str) -> str:
    """The element that says in the head of a model's page which run it is of."""
    return f'<meta name="generator" content="plotbot {run}"/>'


def short_path(path: Path, root: Path) -> str:
    """A path relative to the project, where it is below it."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _markdown(runs: Sequence[MeasuredRun], compared: Sequence[str]) -> bytes:
    return "\n".join(
        summary_markdown(run.records, run.metrics, run.gates, compared, run.rivals(), run.judged, run.resume())
        for run in runs
    ).encode()


def _page_data(runs: Sequence[MeasuredRun]) -> PageData:
    return page_data([_page_run(run) for run in runs], _now())


def _model_pages(more: Callable[[], Iterable[Path]], folder: Path) -> tuple[list[Path], list[str]]:
    """Have *more* write its pages. Return those that are written, and a sentence for the one that could not be."""
    written: list[Path] = []
    try:
        written.extend(more())
    except OSError as error:
        return written, [describe(error, folder)]
    except KeepError as error:
        return written, [str(error)]
    return written, []


def _page(
    data: Callable[[], PageData], history: Path, page: Path, is_there: Callable[[Path], bool] = lambda _: False
) -> bytes:
    """The page at *page*, with links to those models' own pages beside it that are there."""
    shown = data()
    links = {model: page_name(model) for model in shown.models if is_there(page.parent / page_name(model))}
    return page_of(shown, link_to(history, page), links)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _remove_others(folder: Path, written: Sequence[Path], own: Sequence[str]) -> Iterator[str]:
    """Remove what earlier runs left in the folder of reports; a sentence for each file that stays."""
    try:
        pages = sorted(folder.glob("*.html"))
        for path in (folder / MARKDOWN, *pages):
            if path in written or not path.is_file() or not _is_of_others(path, own):
                continue
            try:
                path.unlink()
            except OSError as error:
                yield f"{describe(error, path)}: it is of an earlier run and could not be removed"
    except OSError as error:
        yield f"{describe(error, folder)}: reports of earlier runs may be there"


def _is_of_others(path: Path, own: Sequence[str]) -> bool:
    """Whether a report is plotbot's, and of another run than *own*. A page of the user's own is neither."""
    if path.name in {MARKDOWN, PAGE}:
        return True
    run = _run_of(path)
    return run is not None and run not in own


def _run_of(path: Path) -> str | None:
    """The id of the run that a model's page is of, empty on a page that does not say; None for a page of the user's."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).decode("utf-8", "replace")
    named = re.search(generator('([^" ]*)[^"]*'), head)
    return named[1] if named else "" if _OLD_PAGE in head else None


def _page_run(run: MeasuredRun) -> PageRun:
    audit = _audit(run.folder, Disk())
    conversation = Conversations(run.questions).of
    return PageRun(run.records, run.metrics, run.exchanges(), conversation, run.gates, run.judged, audit)


def _audit(folder: RunFolder, disk: Disk) -> Mapping[str, Any] | None:
    """What `plotbot audit` wrote into a run's folder; None if it was not asked. Raises `InputError` for damage."""
    if not folder.audit.exists():
        return None
    audit: Mapping[str, Any] = folder.read_json(folder.audit, disk)
    try:
        audit_page(audit)
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise InputError(f"{folder.audit}: damaged: remove it, or run plotbot audit {folder.run_id} again") from error
    return audit


def _own_summary(run: RunOnDisk, metrics: Sequence[ModelMetrics]) -> Mapping[str, Any]:
    """What the run itself wrote at its end; empty where it wrote nothing, or where verdicts were added since."""
    try:
        summary: Mapping[str, Any] = run.folder.read_json(run.folder.summary, run.disk)
        return (
            summary if {NOT_NEEDED: 0, **summary["total"]} == total_tally(one.tally for one in metrics).counts else {}
        )
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
