"""`plotbot titles FILE…`: collects headlines from feeds and lists into the index that runs sample from."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from plotbot.commands.output import say
from plotbot.commands.shared import add_settings_arguments, project_settings
from plotbot.errors import ExitStatus, InputError, KeepError
from plotbot.keep.filesystem import Disk, describe, write_atomically
from plotbot.measure.duplicates import Alike, alike
from plotbot.plan.feeds import read_feed
from plotbot.plan.titles import made_id, read_titles
from plotbot.records import Title
from plotbot.safe import one_line, plural, visible

HELP = "collect headlines from RSS and Atom files and from lists into the titles index"
_FEEDS = frozenset({".xml", ".rss", ".atom", ".rdf"})
_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="a feed (.xml, .rss, .atom) or a list (.json, .jsonl, .csv, .txt)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="INDEX",
        help="the index, a .json file, which keeps what it has; default: TITLES_PATH",
    )
    add_settings_arguments(parser, ("TITLES_PATH",))


def run(args: argparse.Namespace) -> int:
    """Add the headlines of the files to the index. Those that are there already are named and left out."""
    settings = project_settings(args)
    output = settings.titles_path if args.output is None else Path.cwd() / args.output
    if output.suffix.lower() != ".json":
        raise InputError(f"{output}: an index is written as JSON: name a .json file with --output")
    index = {title.id: title for title in read_titles(output)} if output.exists() else {}
    before = len(index)
    came = [title for file in args.files for title in _read(Path.cwd() / file)]
    # Two titles may be equal, so they are told apart by identity.
    new = {id(title): title for title in came}
    same, near = _pairs([*index.values(), *came])
    left_out = [pair for pair in same if new.pop(id(pair.second), None)]
    for title in new.values():
        own = _own_id(title, index)
        index[own] = Title(own, title.text, title.fields)
    _write(output, index)
    say(f"{output}: {plural(len(index), 'title')}, {len(index) - before} of them new")
    _say("left out, there already", left_out)
    _say("in the index twice", [pair for pair in same if pair not in left_out])
    _say("nearly like another, kept: remove one of two that are one story", near)
    return ExitStatus.OK


def _read(path: Path) -> Iterator[Title]:
    if path.suffix.lower() not in _FEEDS:
        yield from read_titles(path)
        return
    for entry in read_feed(path):
        text = entry.pop("title")
        yield Title(made_id(text), text, entry)


def _pairs(titles: Sequence[Title]) -> tuple[list[Alike], list[Alike]]:
    pairs = list(alike(titles))
    return [pair for pair in pairs if pair.same], [pair for pair in pairs if not pair.same]


def _own_id(title: Title, index: Mapping[str, Title]) -> str:
    """The title's id, or another one where the index has that for another headline."""
    own, attempt = title.id, 0
    while own in index:
        attempt += 1
        own = made_id(title.text, attempt)
    return own


def _write(path: Path, index: Mapping[str, Title]) -> None:
    entries: dict[str, Any] = {one.id: {"title": one.text, **one.fields} for one in index.values()}
    lines = ",\n".join(
        f"  {json.dumps(name, ensure_ascii=False)}: {json.dumps(entry, ensure_ascii=False)}"
        for name, entry in entries.items()
    )
    disk = Disk()
    try:
        disk.make_folder(path.parent)
        write_atomically(path, f"{{\n{lines}\n}}\n".encode(), disk)
    except OSError as error:
        raise KeepError(describe(error, path)) from error


def _say(what: str, pairs: Sequence[Alike]) -> None:
    if pairs:
        say(f"{len(pairs)} {what}:")
    for pair in pairs[:_SHOWN]:
        same = "" if pair.same else f", {pair.share:.0%} of the words"
        say(f"  {_named(pair.second)} (as {_named(pair.first)}{same})")
    if len(pairs) > _SHOWN:
        say(f"  and {len(pairs) - _SHOWN} more")


def _named(title: Title) -> str:
    return f"{visible(title.id)} {one_line(title.text, 60)}"
