"""`plotbot export`: write answers as JSON Lines or CSV, each with its origin.

By default it writes the dataset: the answers in the title files, the latest one for each model and prompt hash. With
`--all` it writes every answer that an eval has kept, from the journals: also those that a later repeat or run replaced.
A merged run and one with `--reuse` have answers of other runs; `--all` writes each answer once.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from plotbot.commands.output import complain
from plotbot.commands.shared import add_settings_arguments, project_settings, readable
from plotbot.errors import ExitStatus, InputError, KeepError
from plotbot.keep.filesystem import Disk, describe, write_atomically
from plotbot.keep.run_finding import find_run
from plotbot.keep.run_folder import RunFolder, list_runs
from plotbot.keep.run_reading import RunOnDisk, read_run
from plotbot.keep.title_reading import UnusableFile, title_files
from plotbot.measure.tally import eval_of
from plotbot.run.recovery import kept_answers
from plotbot.safe import digest, plural, visible
from plotbot.settings import Settings
from plotbot.settings.keys import RUN_HELP

HELP = "write the answers, one a line with where it came from, as JSON Lines or CSV"
COLUMNS = (
    "title_id", "title", "fields", "model", "prompt_hash", "variant", "response_format", "repeat", "eval", "run",
    "case", "at", "fingerprint", "params", "response",
)  # fmt: skip
_OF_ANSWER = ("title_id", "title", "model", "prompt_hash", "at", "response")
"""What no two answers have in common: a copy has the time of the request."""
# A spreadsheet runs a cell that begins with one of these as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Row = dict[str, Any]
Encode = Callable[[Iterable[Row]], Iterator[str]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="where to write, whole or not at all; default: stdout"
    )
    parser.add_argument("--all", action="store_true", help="every kept answer of every run, not only the latest ones")
    parser.add_argument("--format", choices=tuple(_FORMATS), default="jsonl", help="default: jsonl")
    parser.add_argument("--model", action="append", metavar="NAME", help="only this model's answers; may be repeated")
    parser.add_argument("--run", dest="run_name", metavar="RUN", help=f"only this run's answers: {RUN_HELP}")
    parser.add_argument("--eval", metavar="NAME", help="only answers of evals whose node id contains this text")
    parser.add_argument("--prompt-hash", metavar="HASH", help="only answers whose prompt hash begins so")
    add_settings_arguments(parser, ("GENERATED_DIR", "RUNS_DIR"), own_options=("--model",))


def run(args: argparse.Namespace) -> int:
    """Status 1 if a file could not be used: it is named on stderr, and the others are exported.

    Raises `InputError` for an unknown run, and for a model, an eval or a prompt hash that no answer has.
    """
    settings = project_settings(args)
    unusable: list[str] = []
    only_run = None if args.run_name is None else find_run(args.run_name, settings, Path.cwd(), complain)
    if args.all:
        rows = _from_journals([only_run] if only_run else list_runs(settings.runs_dir), unusable)
    else:
        rows = _from_title_files(settings, unusable)
    chosen = _chosen(rows, args, only_run)
    _write(args.output, _once(chosen) if args.all else chosen, _FORMATS[args.format])
    for reason in unusable:
        complain(reason)
    return ExitStatus.FAILURES if unusable else ExitStatus.OK


def _chosen(rows: Iterator[Row], args: argparse.Namespace, run: RunFolder | None) -> Iterator[Row]:
    """The rows that all options allow. Raises `InputError` at the end for an option that names what no row has."""
    wanted = {name.strip() for names in args.model or () for name in names.split(",")}
    seen: dict[str, set[str]] = {"model": set(), "eval": set(), "prompt_hash": set()}
    for row in rows:
        for name, values in seen.items():
            values.add(row[name] or "")
        if (
            (not wanted or row["model"] in wanted)
            and (run is None or row["run"] == run.run_id)
            and (args.eval is None or args.eval in (row["eval"] or ""))
            and row["prompt_hash"].startswith(args.prompt_hash or "")
        ):
            yield row
    _refuse_unknown("--model", wanted - seen["model"], seen["model"])
    if args.eval is not None and not any(args.eval in name for name in seen["eval"]):
        _refuse_unknown("--eval", {args.eval}, seen["eval"])
    if not any(name.startswith(args.prompt_hash or "") for name in seen["prompt_hash"]):
        _refuse_unknown("--prompt-hash", {args.prompt_hash}, seen["prompt_hash"])


def _once(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows without those of answers that another run has copied, from its shards or with `--reuse`."""
    seen: set[str] = set()
    for row in rows:
        answer = digest(json.dumps([row[name] for name in _OF_ANSWER]), 32)
        if answer not in seen:
            seen.add(answer)
            yield row


def _refuse_unknown(option: str, missing: set[str], known: set[str]) -> None:
    """Raise `InputError` for values that no answer has, if there are answers at all."""
    if missing and known:
        named, others = ", ".join(sorted(missing)), ", ".join(sorted(filter(None, known)))
        raise InputError(f"{option} {visible(named)}: there is no answer of it, but of {visible(others)}")


def _from_title_files(settings: Settings, unusable: list[str]) -> Iterator[Row]:
    """The dataset, by title file, model and prompt hash. What only a run's folder tells is None where that is gone."""
    disk = Disk()
    folders = {folder.run_id: folder for folder in list_runs(settings.runs_dir)}

    @cache
    def origins(run_id: object) -> Mapping[str, Row]:
        try:
            return _origins(read_run(folders[str(run_id)], disk))
        except (KeyError, InputError):
            return {}

    for file in title_files(settings.generated_dir, disk):
        if isinstance(file, UnusableFile):
            unusable.append(f"{file.path}: {file.reason}")
            continue
        unusable += [f"{file.path}: no answer where one of {model} should be" for model, _ in file.unusable_entries()]
        for model, prompt_hash, entry in file.entries():
            meta = entry.get("meta", {})
            told = origins(meta.get("run")).get(str(meta.get("case")), {})
            origin = {"fields": file.document.get("fields", {}), **told}
            yield _row(file.title_id, file.document.get("title"), model, prompt_hash, meta, entry["response"], origin)


def _from_journals(folders: Iterable[RunFolder], unusable: list[str]) -> Iterator[Row]:
    """Every answer that an eval has kept, run by run."""
    for run in readable(tuple(folders), Disk(), unusable):
        origins, unreadable = _origins(run), dict[str, str]()
        for answer in kept_answers(run, unreadable):
            title = answer.title
            origin = {"fields": title.fields, **origins.get(answer.case, {})}
            yield _row(title.id, title.text, answer.model, answer.prompt_hash, answer.meta, answer.response, origin)
        unusable += [f"{run.folder.path}: the answer to case {case}: {why}" for case, why in unreadable.items()]


def _origins(run: RunOnDisk) -> dict[str, Row]:
    """By case id: what a run's plan and journal tell of a kept answer beside its meta.

    Several evals of the same files share a case, and each may have kept its answer.
    """
    evals: dict[str, set[str]] = {}
    for result in run.results.values():
        if result.kept and result.case in run.cases:
            evals.setdefault(result.case, set()).add(eval_of(result.item, run.cases[result.case]))
    return {
        case_id: {
            "eval": ", ".join(sorted(names)),
            "response_format": run.cases[case_id].response_format,
            "repeat": run.cases[case_id].repeat,
        }
        for case_id, names in evals.items()
    }


def _row(
    title_id: str, title: Any, model: str, prompt_hash: str, meta: Mapping[str, Any], response: Any, origin: Row
) -> Row:
    told = {**meta, **origin, "title_id": title_id, "title": title, "model": model, "prompt_hash": prompt_hash}
    return {name: told.get(name) for name in COLUMNS} | {"response": response}


def _as_json_lines(rows: Iterable[Row]) -> Iterator[str]:
    """ASCII escapes can express lone surrogates in any encoding."""
    return (json.dumps(row) for row in rows)


def _as_csv(rows: Iterable[Row]) -> Iterator[str]:
    """A header, then a line for each row. Values that are no text are JSON; a text that a spreadsheet would run as a
    formula gets an apostrophe before it, as OWASP advises against CSV injection.
    """
    yield _csv_line(COLUMNS)
    for row in rows:
        yield _csv_line([_cell(row[name]) for name in COLUMNS])


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def _cell(value: object) -> str:
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


_FORMATS: Mapping[str, Encode] = {"jsonl": _as_json_lines, "csv": _as_csv}


def _write(path: Path | None, rows: Iterator[Row], encode: Encode) -> None:
    if path is None:
        for line in encode(rows):
            print(line)
        return
    written = list(rows)
    data = "".join(f"{line}\n" for line in encode(written)).encode("utf-8", "backslashreplace")
    try:
        write_atomically(path, data, Disk())
    except OSError as error:
        raise KeepError(describe(error, path)) from error
    print(f"{plural(len(written), 'answer')} in {visible(str(path))}")
