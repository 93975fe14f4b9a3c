"""`plotbot verify`: prove on disk that every good answer is where it belongs, and name what is missing or damaged."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from plotbot.commands.proof import Place, Proof, RunProof, TitlesProof, prove_run, prove_titles
from plotbot.commands.shared import add_run_arguments, chosen_runs, project_settings
from plotbot.errors import InputError
from plotbot.judge import kept_values
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder, list_runs
from plotbot.keep.run_reading import is_running, read_run, recorded_questions
from plotbot.records import ExitStatus, Question
from plotbot.report.formatting import accounting_line
from plotbot.safe import visible
from plotbot.settings import Settings

HELP = "prove on disk that no answer is lost and nothing is damaged"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, otherwise="all of them")


def run(args: argparse.Namespace) -> int:
    """Status 0 when all is proved, 1 when something is missing or damaged."""
    settings, disk = project_settings(args), Disk()
    as_recorded: set[Place] = set()
    problems = 0
    for folder in chosen_runs(settings, args.runs):
        problems += _prove_run(folder, settings, as_recorded, disk)
    titles = prove_titles(settings.generated_dir, _questions(settings, disk), as_recorded, disk)
    _tell(f"title files: {titles.files}, with {titles.answers} answers", titles)
    problems += len(titles.problems)
    print("\nProved." if not problems else f"\nNot proved: {problems} missing or damaged, see each NO above")
    return ExitStatus.FAILURES if problems else ExitStatus.OK


def _prove_run(folder: RunFolder, settings: Settings, as_recorded: set[Place], disk: Disk) -> int:
    running = is_running(folder)
    try:
        proof = prove_run(read_run(folder, disk), settings.generated_dir, kept_values(), disk, running=running)
    except InputError as error:
        _tell(f"run {folder.run_id}", Proof(problems=[str(error)]))
        return 1
    as_recorded |= proof.as_recorded
    _tell(f"run {folder.run_id}{', still running' if running else ''}: {accounting_line(proof.total)}", proof)
    return len(proof.problems)


def _tell(headline: str, proof: RunProof | TitlesProof | Proof) -> None:
    print(f"{'NO' if proof.problems else 'ok':<3} {visible(headline)}")
    if isinstance(proof, RunProof) and proof.fates:
        fates = ", ".join(f"{count} {fate}" for fate, count in proof.fates.items())
        print(f"    answers kept: {proof.fates.total()} = {fates}")
    _list("NO: ", proof.problems)
    _list("", proof.notes)


def _list(label: str, lines: Sequence[str]) -> None:
    for line in lines:
        print(f"    {label}{visible(line)}")


def _questions(settings: Settings, disk: Disk) -> Mapping[str, Question]:
    """What all runs asked: an answer may be from another run than those that are proved."""
    questions: dict[str, Question] = {}
    for folder in list_runs(settings.runs_dir):
        try:
            questions |= recorded_questions(folder, disk)
        except InputError:
            # Named where that run is proved; here it only leaves its answers without a schema.
            continue
    return questions
