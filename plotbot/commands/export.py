"""`plotbot export`: write the answers in the title files as JSON Lines, each with its origin."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from plotbot.commands.shared import add_settings_arguments, complain, project_settings
from plotbot.errors import KeepError
from plotbot.keep.filesystem import Disk, describe, write_atomically
from plotbot.keep.title_reading import TitleFile, UnusableFile, title_files
from plotbot.records import ExitStatus
from plotbot.safe import visible

HELP = "write the dataset as JSON Lines, one answer a line with where it came from"
_PROVENANCE = ("run", "case", "at", "fingerprint", "params")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="where to write, whole or not at all; default: stdout"
    )
    add_settings_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Status 1 if a title file could not be used: it is named on stderr, and the others are exported."""
    settings = project_settings(args)
    unusable: list[str] = []
    lines = _lines(settings.generated_dir, unusable)
    if args.output is None:
        for line in lines:
            print(line)
    else:
        _write(args.output, lines)
    for reason in unusable:
        complain(reason)
    return ExitStatus.FAILURES if unusable else ExitStatus.OK


def _lines(folder: Path, unusable: list[str]) -> Iterator[str]:
    """The lines, by title file, model and prompt hash. ASCII escapes can express lone surrogates in any encoding."""
    for file in title_files(folder, Disk()):
        if isinstance(file, UnusableFile):
            unusable.append(f"{file.path}: {file.reason}")
            continue
        unusable += [f"{file.path}: no answer where one of {model} should be" for model, _ in file.unusable_entries()]
        for model, prompt_hash, entry in file.entries():
            yield json.dumps(_row(file, model, prompt_hash, entry))


def _row(file: TitleFile, model: str, prompt_hash: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    meta = entry.get("meta", {})
    return {
        "title_id": file.title_id,
        "title": file.document.get("title"),
        "model": model,
        "prompt_hash": prompt_hash,
        **{name: meta.get(name) for name in _PROVENANCE},
        "response": entry["response"],
    }


def _write(path: Path, lines: Iterator[str]) -> None:
    written = list(lines)
    data = "".join(f"{line}\n" for line in written).encode("ascii")
    try:
        write_atomically(path, data, Disk())
    except OSError as error:
        raise KeepError(describe(error, path)) from error
    print(f"{len(written)} answers in {visible(str(path))}")
