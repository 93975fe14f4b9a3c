"""`plotbot audit [RUN]`: how much the stories of a run, or of the dataset, repeat each other and their prompt."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from plotbot.commands.output import complain, say
from plotbot.commands.shared import add_settings_arguments, complain_of_damage, project_settings
from plotbot.errors import ExitStatus, InputError, KeepError
from plotbot.judge.story_checks import strings_in
from plotbot.keep.filesystem import Disk, describe, write_atomically
from plotbot.keep.pretty_json import spread
from plotbot.keep.run_finding import find_run
from plotbot.keep.run_folder import list_runs
from plotbot.keep.run_reading import RunOnDisk, read_run, recorded_questions
from plotbot.keep.title_reading import UnusableFile, title_files
from plotbot.measure.audit import Audit, Story, audit
from plotbot.measure.duplicates import normalized
from plotbot.measure.tally import ModelVariant
from plotbot.plan.titles import read_titles
from plotbot.records import Question, Title
from plotbot.report.audit import audit_json, audit_lines
from plotbot.run.artifacts import measure_recorded, write_own_page
from plotbot.run.recovery import kept_answers
from plotbot.safe import visible
from plotbot.settings import Settings
from plotbot.settings.keys import RUN_HELP

HELP = "count copies, sentences that come again, fields that hardly vary and copies of the prompt among the answers"
DATASET = "dataset"
_CHOICES = frozenset({"enum", "const"})
"""Keywords of a schema whose texts an answer must repeat."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run_name",
        nargs="?",
        default=DATASET,
        metavar="RUN",
        help=f"{RUN_HELP}; default: {DATASET}, the title files",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="where to write it as JSON; default: audit.json in a run's folder"
    )
    add_settings_arguments(parser, ("GENERATED_DIR", "REPORT_DIR", "RUNS_DIR", "TITLES_PATH"))


def run(args: argparse.Namespace) -> int:
    """Status 1 if a file could not be used: it is named on stderr, and the others are audited."""
    settings, unusable = project_settings(args), list[str]()
    if args.run_name == DATASET:
        found = _of_dataset(settings, unusable)
        _show(found, DATASET, args.output)
    else:
        recorded = read_run(find_run(args.run_name, settings, Path.cwd(), complain), Disk())
        complain_of_damage(recorded)
        found = _of_run(recorded, unusable)
        _show(found, recorded.folder.run_id, args.output or recorded.folder.audit)
        if args.output is None:
            page = write_own_page(measure_recorded(recorded)[0], settings.report_dir, Disk())
            say(f"in the run's page, too: {visible(str(page))}")
    for reason in unusable:
        complain(reason)
    return ExitStatus.FAILURES if unusable else ExitStatus.OK


def _show(found: Audit, subject: str, output: Path | None) -> None:
    say("\n".join(audit_lines(found)))
    if output is not None:
        _write(output, audit_json(found, subject))
        say(f"every copy by name: {visible(str(output))}")


def _of_run(recorded: RunOnDisk, unusable: list[str]) -> Audit:
    unreadable: dict[str, str] = {}
    stories = [
        story
        for answer in kept_answers(recorded, unreadable)
        for story in _stories(
            ModelVariant(answer.model, answer.meta.get("variant", "")).label,
            answer.title,
            answer.prompt_hash,
            answer.response,
            answer.case,
        )
    ]
    unusable += [f"{recorded.folder.path}: the answer to case {case}: {why}" for case, why in unreadable.items()]
    titles = {case.title.id: case.title for case in recorded.cases.values()}
    return audit(stories, list(titles.values()), _prompts(recorded.questions.values()))


def _of_dataset(settings: Settings, unusable: list[str]) -> Audit:
    stories: list[Story] = []
    titles = list(read_titles(settings.titles_path)) if settings.titles_path.exists() else []
    for file in title_files(settings.generated_dir, Disk()):
        if isinstance(file, UnusableFile):
            unusable.append(f"{file.path}: {file.reason}")
            continue
        title = Title(file.title_id, str(file.document.get("title", "")))
        for model, prompt_hash, entry in file.entries():
            case = str(entry.get("meta", {}).get("case", ""))
            stories += _stories(model, title, prompt_hash, entry["response"], case)
    return audit(stories, titles, _prompts(_questions(settings)))


def _questions(settings: Settings) -> Iterator[Question]:
    """The questions of all runs that can be read: title files hold only their hashes."""
    for folder in list_runs(settings.runs_dir):
        try:
            yield from recorded_questions(folder, Disk()).values()
        except InputError as error:
            complain(str(error))


def _stories(model: str, title: Title, prompt_hash: str, response: Any, case: str) -> Iterator[Story]:
    headline = normalized(title.text)
    for entry in response if isinstance(response, list) else [response]:
        texts = tuple(text for _, _, text in strings_in(entry) if normalized(text) != headline)
        fields = entry.items() if isinstance(entry, Mapping) else [("answer", entry)]
        values = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields}
        told = {name: value for name, value in values.items() if normalized(value) != headline}
        yield Story(model, title, prompt_hash, texts, told, case)


def _prompts(questions: Iterable[Question]) -> dict[str, str]:
    """By prompt hash: all that a question says, without the values that its schema makes an answer choose from."""
    return {one.hash: "\n".join((one.prompt, one.template, *_schema_texts(one.schema))) for one in questions}


def _schema_texts(schema: Any) -> Iterator[str]:
    """The texts of a schema, whose depth its reader has capped."""
    if isinstance(schema, str):
        yield schema
    elif isinstance(schema, list):
        for part in schema:
            yield from _schema_texts(part)
    elif isinstance(schema, Mapping):
        for name, part in schema.items():
            if name not in _CHOICES:
                yield from _schema_texts(part)


def _write(path: Path, data: Any) -> None:
    try:
        write_atomically(path, spread(data, ascii_only=True).encode("ascii"), Disk())
    except OSError as error:
        raise KeepError(describe(error, path)) from error
