"""What `plotbot verify` holds against each other: journals, title files, summaries. It reads and changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from plotbot.errors import InputError
from plotbot.judge import Schema, compile_schema
from plotbot.keep.filesystem import Disk
from plotbot.keep.journal_reading import CUT_SHORT, SAME_AGAIN
from plotbot.keep.run_reading import RunOnDisk
from plotbot.keep.title_document import age
from plotbot.keep.title_reading import TitleFile, UnusableFile, read_title_file, title_files
from plotbot.measure.tally import Tally, items_by_model, tally_of, total_tally
from plotbot.records import Answer, Case, Question
from plotbot.run.recovery import ValueOf, kept_answers

Place = tuple[str, str, str]
"""Where an answer stands: title id, model, prompt hash."""


class Fate(StrEnum):
    """What has become of an answer that an eval kept."""

    PRESENT = "in their title files"
    SUPERSEDED = "superseded by a later one"
    REMOVED = "removed by somebody since"
    CHANGED = "changed by somebody since"
    DAMAGED = "in a title file that cannot be used"
    WAITING = "still to be folded by the run"
    MISSING = "missing"


@dataclass(slots=True)
class Proof:
    """What was found: `problems` are missing or damaged things, each with its file; `notes` are nobody's fault."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class RunProof(Proof):
    """One run's proof. `as_recorded` are the places where an answer stands exactly as its journal has it."""

    total: Tally = field(default_factory=lambda: Tally(""))
    fates: Counter[Fate] = field(default_factory=Counter)
    as_recorded: set[Place] = field(default_factory=set)


@dataclass(slots=True)
class TitlesProof(Proof):
    """The title files' proof: how many there are, and how many answers are in them."""

    files: int = 0
    answers: int = 0


def prove_run(run: RunOnDisk, titles: Path, value_of: ValueOf, disk: Disk, *, running: bool) -> RunProof:
    """Hold a run's journal against the plan, its summary and the title files in *titles*."""
    proof = RunProof(total=_total(run))
    _check_lines(run, proof, running=running)
    _check_replies(run, proof)
    _check_summary(run, proof, disk)
    _check_answers(run, proof, _Shelf(titles, disk), value_of, running=running)
    unfinished = proof.total.not_run + proof.total.error
    if unfinished and not running:
        proof.notes.append(
            f"{unfinished} not run or an error: pytest evals --resume-run {run.folder.run_id} asks them again"
        )
    return proof


def prove_titles(titles: Path, questions: Mapping[str, Question], as_recorded: set[Place], disk: Disk) -> TitlesProof:
    """Hold every title file against its own name and the schemas that its answers were judged by.

    An answer that stands as its journal has it may break the schema: its eval judged by a rule of its own, or not.
    """
    proof, schemas = TitlesProof(), _Schemas(questions)
    unknown = 0
    for file in title_files(titles, disk):
        proof.files += 1
        if isinstance(file, UnusableFile):
            proof.problems.append(f"{file.path}: {file.reason}")
            continue
        for model, prompt_hash in file.unusable_entries():
            proof.problems.append(f"{file.path}: what stands for {model}, {prompt_hash} is no answer")
        for model, prompt_hash, entry in file.entries():
            proof.answers += 1
            unknown += prompt_hash not in questions
            if (file.title_id, model, prompt_hash) not in as_recorded:
                broken = schemas.violation(prompt_hash, entry["response"])
                proof.problems += (
                    [f"{file.path}: {model}, {prompt_hash}: breaks its schema: {broken}"] if broken else []
                )
    if unknown:
        proof.notes.append(
            f"{unknown} from runs that are not here any more: parsed, but no schema to hold them against"
        )
    return proof


@dataclass(frozen=True, slots=True)
class _Shelf:
    """The title files, looked up by case."""

    folder: Path
    disk: Disk

    def file(self, case: Case) -> TitleFile | UnusableFile | None:
        return read_title_file(self.folder, case.title.id, self.disk)


@dataclass(frozen=True, slots=True)
class _Schemas:
    """Recorded schemas, compiled once each."""

    questions: Mapping[str, Question]
    compiled: dict[str, Schema | None] = field(default_factory=dict)

    def violation(self, prompt_hash: str, value: Any) -> str:
        """The first thing that the value breaks, in words; empty where it breaks nothing or no schema is known."""
        if prompt_hash not in self.compiled:
            self.compiled[prompt_hash] = self._compile(prompt_hash)
        schema = self.compiled[prompt_hash]
        first = next(iter(schema.violations(value)), None) if schema is not None else None
        return "" if first is None else f"{first.path} {first.message}"

    def _compile(self, prompt_hash: str) -> Schema | None:
        question = self.questions.get(prompt_hash)
        try:
            return None if question is None else compile_schema(question.schema, "the recorded schema")
        except InputError:
            return None


def _total(run: RunOnDisk) -> Tally:
    records = run.records(with_exchanges=False)
    return total_tally(tally_of(model, items, records) for model, items in items_by_model(records).items())


def _check_lines(run: RunOnDisk, proof: RunProof, *, running: bool) -> None:
    for damaged in run.damaged:
        words = f"{run.folder.journal}: line {damaged.line_number}: {damaged.reason}"
        # A line that a kill cut short was told to nobody; a line that stands twice takes nothing away.
        harmless = damaged.reason in {CUT_SHORT, SAME_AGAIN}
        if harmless and not running:
            proof.notes.append(words)
        elif not harmless:
            proof.problems.append(words)


def _check_replies(run: RunOnDisk, proof: RunProof) -> None:
    for item, result in run.results.items():
        if result.outcome in {"passed", "failed"} and result.case not in run.replied:
            proof.problems.append(f"{run.folder.journal}: {item} has {result.outcome}, but its reply is not there")


def _check_summary(run: RunOnDisk, proof: RunProof, disk: Disk) -> None:
    """A summary may be older than the journal, but never know of more than the journal does."""
    if not run.folder.summary.exists():
        return
    try:
        told = run.folder.read_json(run.folder.summary, disk)["total"]
        finished = sum(int(told[box]) for box in ("passed", "failed", "skipped"))
        planned = int(told["planned"])
    except (InputError, KeyError, TypeError, ValueError):
        proof.problems.append(f"{run.folder.summary}: damaged; plotbot report {run.folder.run_id} writes it again")
        return
    total = proof.total
    known = total.passed + total.failed + total.skipped
    if finished > known or planned > total.planned:
        words = f"it counts {finished} finished of {planned} planned, the journal {known} of {total.planned}"
        proof.problems.append(f"{run.folder.summary}: {words}")
    elif finished < known:
        proof.notes.append(
            f"summary.json is older than the journal; plotbot report {run.folder.run_id} writes it again"
        )


def _check_answers(run: RunOnDisk, proof: RunProof, shelf: _Shelf, value_of: ValueOf, *, running: bool) -> None:
    unreadable: dict[str, str] = {}
    for answer in kept_answers(run, value_of, unreadable):
        case = run.cases[answer.case]
        file = shelf.file(case)
        fate = _fate(answer, file, folded=case.id in run.folded, running=running)
        if fate is Fate.PRESENT:
            proof.as_recorded.add((case.title.id, case.model, case.prompt_hash))
        _take(run, proof, case, fate, f"plotbot fold {run.folder.run_id} puts it into its title file")
    for case_id, reason in unreadable.items():
        lost = run.cases.get(case_id)
        file = None if lost is None else shelf.file(lost)
        _take(run, proof, lost, _fate_without_reply(lost, file, folded=case_id in run.folded), reason)


def _take(run: RunOnDisk, proof: RunProof, case: Case | None, fate: Fate, words: str) -> None:
    proof.fates[fate] += 1
    if fate is Fate.MISSING:
        title = "an unknown title" if case is None else f"title {case.title.id!r:.80} of {case.model}"
        proof.problems.append(f"{run.folder.path}: the answer about {title} is not in its title file: {words}")


def _fate(answer: Answer, file: TitleFile | UnusableFile | None, *, folded: bool, running: bool) -> Fate:
    if isinstance(file, UnusableFile):
        return Fate.DAMAGED
    entry = None if file is None else file.entry(answer.model, answer.prompt_hash)
    if entry is not None and _origin(entry) == (answer.meta["run"], answer.case):
        return Fate.PRESENT if entry["response"] == answer.response else Fate.CHANGED
    if entry is not None and age(entry.get("meta")) > age(answer.meta):
        return Fate.SUPERSEDED
    if folded:
        return Fate.REMOVED
    return Fate.WAITING if running else Fate.MISSING


def _fate_without_reply(case: Case | None, file: TitleFile | UnusableFile | None, *, folded: bool) -> Fate:
    """Of an answer that the journal does not give back any more: whether its title file still has one."""
    if isinstance(file, UnusableFile):
        return Fate.DAMAGED
    if case is not None and file is not None and file.entry(case.model, case.prompt_hash) is not None:
        return Fate.PRESENT
    return Fate.REMOVED if folded else Fate.MISSING


def _origin(entry: Mapping[str, Any]) -> tuple[object, object]:
    meta = entry.get("meta", {})
    return meta.get("run"), meta.get("case")
