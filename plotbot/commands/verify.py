"""`plotbot verify`: compare journals, summaries and title files, and name what is missing or damaged.

It reads and changes nothing.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from plotbot.commands.output import say
from plotbot.commands.shared import add_run_arguments, chosen_runs, project_settings
from plotbot.errors import ExitStatus, InputError
from plotbot.judge import Schema, compile_schema
from plotbot.keep.filesystem import Disk
from plotbot.keep.journal_reading import CUT_SHORT, SAME_AGAIN
from plotbot.keep.run_folder import RunFolder, list_runs, unfinished_folders
from plotbot.keep.run_reading import RunOnDisk, is_running, read_run, recorded_questions
from plotbot.keep.title_document import age
from plotbot.keep.title_reading import TitleFile, UnusableFile, read_title_file, title_files
from plotbot.measure.tally import Tally, items_by_row, tally_of, total_tally
from plotbot.records import NOT_NEEDED, Answer, Case, Question, run_name
from plotbot.report.formatting import accounting_line
from plotbot.run.recovery import kept_answers
from plotbot.run.resume_command import resume_command
from plotbot.safe import plural, visible
from plotbot.settings import Settings

HELP = "prove on disk that no answer is lost and nothing is damaged"

_Place = tuple[str, str, str]
"""Where an answer is: title id, model, prompt hash."""


class _Fate(StrEnum):
    """What became of an answer that an eval kept."""

    PRESENT = "in their title files"
    SUPERSEDED = "superseded by a later one"
    REMOVED = "removed since"
    CHANGED = "changed since"
    DAMAGED = "in a title file that cannot be used"
    WAITING = "still to be folded by the run"
    MISSING = "missing"


@dataclass(slots=True)
class _Proof:
    """What was found: `problems` are missing or damaged things, each with its file; `notes` lose nothing."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _RunProof(_Proof):
    """One run's proof. `as_recorded` are the places of the answers that are the same in journal and title file."""

    total: Tally = field(default_factory=lambda: Tally(""))
    fates: Counter[_Fate] = field(default_factory=Counter)
    as_recorded: set[_Place] = field(default_factory=set)


@dataclass(slots=True)
class _TitlesProof(_Proof):
    """The title files' proof, with the number of files and of answers in them."""

    files: int = 0
    answers: int = 0


@dataclass(frozen=True, slots=True)
class _Schemas:
    """Recorded schemas by prompt hash, each compiled once."""

    questions: Mapping[str, Question]
    compiled: dict[str, Schema | None] = field(default_factory=dict)

    def violation(self, prompt_hash: str, value: Any) -> str:
        """The value's first violation in words; empty if there is none, or no usable schema."""
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, otherwise="all of them", names=("GENERATED_DIR", "RUNS_DIR"))


def run(args: argparse.Namespace) -> int:
    """Status 0 if all is proved, 1 if something is missing or damaged."""
    settings, disk = project_settings(args), Disk()
    as_recorded: set[_Place] = set()
    problems = 0
    for folder in chosen_runs(settings, args.runs):
        problems += _prove_and_print(folder, settings.generated_dir, as_recorded, disk)
    for path in unfinished_folders(settings.runs_dir):
        _print(f"{path.name}: a run that was killed before its first reply; it holds nothing, delete it", _Proof())
    titles = _prove_titles(settings.generated_dir, _questions(settings, disk), as_recorded, disk)
    _print(f"title files: {titles.files}, with {plural(titles.answers, 'answer')}", titles)
    problems += len(titles.problems)
    say("\nProved." if not problems else f"\nNot proved: {problems} missing or damaged, see each NO above")
    return ExitStatus.FAILURES if problems else ExitStatus.OK


def _prove_and_print(folder: RunFolder, titles: Path, as_recorded: set[_Place], disk: Disk) -> int:
    running = is_running(folder)
    try:
        recorded = read_run(folder, disk)
        proof = _prove_run(recorded, titles, disk, running=running)
    except InputError as error:
        _print(f"run {folder.run_id}", _Proof(problems=[str(error)]))
        return 1
    as_recorded |= proof.as_recorded
    name = run_name(folder.run_id, recorded.header)
    _print(f"run {name}{', still running' if running else ''}: {accounting_line(proof.total)}", proof)
    return len(proof.problems)


def _print(headline: str, proof: _Proof) -> None:
    say(f"{'NO' if proof.problems else 'ok':<3} {visible(headline)}")
    if isinstance(proof, _RunProof) and proof.fates:
        fates = ", ".join(f"{count} {fate}" for fate, count in proof.fates.items())
        say(f"    answers kept: {proof.fates.total()} = {fates}")
    _print_lines("NO: ", proof.problems)
    _print_lines("", proof.notes)


def _print_lines(label: str, lines: Sequence[str]) -> None:
    for line in lines:
        say(f"    {label}{visible(line)}")


def _questions(settings: Settings, disk: Disk) -> Mapping[str, Question]:
    """The questions of all runs: a title file may have answers from other runs than those that are proved."""
    questions: dict[str, Question] = {}
    for folder in list_runs(settings.runs_dir):
        try:
            questions |= recorded_questions(folder, disk)
        except InputError:
            # The proof of that run names it; here its answers only have no schema.
            continue
    return questions


def _prove_run(run: RunOnDisk, titles: Path, disk: Disk, *, running: bool) -> _RunProof:
    """Compare a run's journal with its plan, its summary and the title files in *titles*."""
    proof = _RunProof(total=_total(run))
    _check_lines(run, proof, running=running)
    _check_replies(run, proof)
    _check_summary(run, proof, disk)
    _check_answers(run, proof, titles, disk, running=running)
    unfinished = proof.total.not_run + proof.total.error
    if unfinished and not running:
        proof.notes.append(f"{unfinished} not run or an error: {resume_command(run.folder, run.header)} asks again")
    return proof


def _prove_titles(
    titles: Path, questions: Mapping[str, Question], as_recorded: set[_Place], disk: Disk
) -> _TitlesProof:
    """Compare every title file with its own name and with the schemas that its answers were judged by.

    An answer that is *as_recorded* may break the schema: its eval had a rule of its own.
    """
    proof, schemas = _TitlesProof(), _Schemas(questions)
    unknown = 0
    for file in title_files(titles, disk):
        proof.files += 1
        if isinstance(file, UnusableFile):
            proof.problems.append(f"{file.path}: {file.reason}")
            continue
        proof.problems += _entry_problems(file, schemas, as_recorded)
        prompt_hashes = [prompt_hash for _, prompt_hash, _ in file.entries()]
        proof.answers += len(prompt_hashes)
        unknown += sum(prompt_hash not in questions for prompt_hash in prompt_hashes)
    if unknown:
        proof.notes.append(f"{unknown} from runs that are not here any more: parsed, but without a schema to check")
    return proof


def _entry_problems(file: TitleFile, schemas: _Schemas, as_recorded: set[_Place]) -> Iterator[str]:
    for model, prompt_hash in file.unusable_entries():
        yield f"{file.path}: the entry of {model}, {prompt_hash} is no answer"
    for model, prompt_hash, entry in file.entries():
        if (file.title_id, model, prompt_hash) not in as_recorded:
            broken = schemas.violation(prompt_hash, entry["response"])
            if broken:
                yield f"{file.path}: {model}, {prompt_hash}: breaks its schema: {broken}"


def _total(run: RunOnDisk) -> Tally:
    records = run.records(with_exchanges=False)
    return total_tally(tally_of(row, items, records) for row, items in items_by_row(records).items())


def _check_lines(run: RunOnDisk, proof: _RunProof, *, running: bool) -> None:
    for damaged in run.damaged:
        words = f"{run.folder.journal}: line {damaged.line_number}: {damaged.reason}"
        # No process has relied on a line that a kill cut short, and a line that is there twice loses nothing.
        harmless = damaged.reason in {CUT_SHORT, SAME_AGAIN}
        if harmless and not running:
            proof.notes.append(words)
        elif not harmless:
            proof.problems.append(words)


def _check_replies(run: RunOnDisk, proof: _RunProof) -> None:
    for item, result in run.results.items():
        if result.outcome in {"passed", "failed"} and result.case not in run.replied:
            proof.problems.append(f"{run.folder.journal}: {item} has {result.outcome}, but its reply is not there")


def _check_summary(run: RunOnDisk, proof: _RunProof, disk: Disk) -> None:
    """A summary may be older than the journal, but may not count more than the journal does."""
    if not run.folder.summary.exists():
        return
    try:
        counts = run.folder.read_json(run.folder.summary, disk)["total"]
        finished = sum(int(counts.get(box, 0)) for box in ("passed", "failed", "skipped", NOT_NEEDED))
        planned = int(counts["planned"])
    except (InputError, KeyError, TypeError, ValueError):
        proof.problems.append(f"{run.folder.summary}: damaged; plotbot report {run.folder.run_id} writes it again")
        return
    total = proof.total
    known = total.passed + total.failed + total.skipped + total.not_needed
    if finished > known or planned > total.planned:
        words = f"it counts {finished} finished of {planned} planned, the journal {known} of {total.planned}"
        proof.problems.append(f"{run.folder.summary}: {words}")
    elif finished < known:
        proof.notes.append(
            f"summary.json is older than the journal; plotbot report {run.folder.run_id} writes it again"
        )


def _check_answers(run: RunOnDisk, proof: _RunProof, titles: Path, disk: Disk, *, running: bool) -> None:
    unreadable: dict[str, str] = {}
    for answer in kept_answers(run, unreadable):
        case = run.cases[answer.case]
        file = read_title_file(titles, case.title.id, disk)
        fate = _fate(answer, file, folded=case.id in run.folded, running=running)
        if fate is _Fate.PRESENT:
            proof.as_recorded.add((case.title.id, case.model, case.prompt_hash))
        _add_fate(run, proof, case, fate, f"plotbot fold {run.folder.run_id} puts it into its title file")
    for case_id, reason in unreadable.items():
        lost = run.cases.get(case_id)
        file = None if lost is None else read_title_file(titles, lost.title.id, disk)
        _add_fate(run, proof, lost, _fate_without_reply(lost, file, folded=case_id in run.folded), reason)


def _add_fate(run: RunOnDisk, proof: _RunProof, case: Case | None, fate: _Fate, words: str) -> None:
    proof.fates[fate] += 1
    if fate is _Fate.MISSING:
        title = "an unknown title" if case is None else f"title {case.title.id!r:.80} of {case.model}"
        proof.problems.append(f"{run.folder.path}: the answer about {title} is not in its title file: {words}")


def _fate(answer: Answer, file: TitleFile | UnusableFile | None, *, folded: bool, running: bool) -> _Fate:
    if isinstance(file, UnusableFile):
        return _Fate.DAMAGED
    entry = None if file is None else file.entry(answer.model, answer.prompt_hash)
    if entry is not None and _origin(entry) == (answer.meta["run"], answer.case):
        return _Fate.PRESENT if entry["response"] == answer.response else _Fate.CHANGED
    if entry is not None and age(entry.get("meta")) > age(answer.meta):
        return _Fate.SUPERSEDED
    if folded:
        return _Fate.REMOVED
    return _Fate.WAITING if running else _Fate.MISSING


def _fate_without_reply(case: Case | None, file: TitleFile | UnusableFile | None, *, folded: bool) -> _Fate:
    """The fate of an answer that the journal does not give back: only its title file can tell."""
    if isinstance(file, UnusableFile):
        return _Fate.DAMAGED
    if case is not None and file is not None and file.entry(case.model, case.prompt_hash) is not None:
        return _Fate.PRESENT
    return _Fate.REMOVED if folded else _Fate.MISSING


def _origin(entry: Mapping[str, Any]) -> tuple[object, object]:
    meta = entry.get("meta", {})
    return meta.get("run"), meta.get("case")
