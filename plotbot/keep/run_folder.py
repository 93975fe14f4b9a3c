"""A run's own folder: its id, the files in it, and which runs there are."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plotbot.errors import InputError, KeepError
from plotbot.keep.filesystem import Disk, describe, write_atomically
from plotbot.keep.locks import take_lock
from plotbot.keep.pretty_json import spread
from plotbot.records import Case, PlannedItem, Question

_PROBE_BYTES = 4096
_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
_HIDDEN_SUFFIX = ".new"


def is_run_id(name: str) -> bool:
    """Whether a name has the form of a run id."""
    return _RUN_ID.fullmatch(name) is not None


def utc_now() -> datetime:
    return datetime.now(UTC)


def new_run_id(now: Callable[[], datetime] = utc_now) -> str:
    """A run id: a safe file name that sorts by its start in UTC.

    It ends in three hex digits that count 4096ths of the second and three random ones for runs that start together.
    """
    began = now()
    return f"{began:%Y%m%d-%H%M%S}-{began.microsecond * 4096 // 1_000_000:03x}{secrets.randbelow(4096):03x}"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run. Nothing is on disk before `create`."""

    path: Path

    @property
    def run_id(self) -> str:
        return self.path.name

    @property
    def plan(self) -> Path:
        return self.path / "plan.json"

    @property
    def journal(self) -> Path:
        return self.path / "journal.jsonl"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def page(self) -> Path:
        return self.path / "index.html"

    @property
    def judged(self) -> Path:
        return self.path / "judged.json"

    @property
    def audit(self) -> Path:
        return self.path / "audit.json"

    @property
    def hidden(self) -> RunFolder:
        """The folder under a name that no run has, in which its first files are written."""
        return RunFolder(self.path.with_name(f".{self.run_id}{_HIDDEN_SUFFIX}"))

    def create(self, plan: Mapping[str, Any], disk: Disk, fill: Callable[[RunFolder], None] | None = None) -> None:
        """Create the folder with its plan.json, and what *fill* writes into the folder that it gets, durably.

        The folder appears whole or not at all: it is written under its `hidden` name and renamed. Raises `InputError`
        or `KeepError`, or what *fill* raises, and then leaves nothing.
        """
        hidden, mine = self.hidden, not self.path.exists()
        try:
            _make(hidden.path, self.path, disk)
            hidden.write_json(hidden.plan, plan, disk)
            if fill is not None:
                fill(hidden)
            _rename(hidden.path, self.path, disk)
        except BaseException:
            for path in (hidden.path, self.path) if mine else (hidden.path,):
                shutil.rmtree(path, ignore_errors=True)
            raise

    def write_json(self, path: Path, data: Any, disk: Disk) -> None:
        """Write one of the files above atomically and durably. Raises `KeepError` that names the file."""
        try:
            write_atomically(path, spread(data, ascii_only=True).encode("ascii"), disk)
        except OSError as error:
            raise KeepError(describe(error, path)) from error

    def header(self, disk: Disk) -> Mapping[str, Any]:
        """What the run says of itself, from the smaller of the two files that have it. Raises `InputError`."""
        for path in (self.summary, self.plan):
            if path.exists() or path == self.plan:
                data = self.read_json(path, disk)
                header = data.get("header") if isinstance(data, dict) else None
                if isinstance(header, dict):
                    return header
        raise InputError(f"{self.plan}: damaged, it has no header; choose another run with `plotbot runs`")

    def read_json(self, path: Path, disk: Disk) -> Any:
        """Read one of the files above. Raises `InputError` if it is missing or damaged."""
        try:
            return json.loads(disk.read(path))
        except OSError as error:
            raise InputError(f"{describe(error, path)}; choose another run with `plotbot runs`") from error
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: damaged, no JSON ({error}); choose another run with `plotbot runs`") from error


def plan_json(
    run_id: str,
    header: Mapping[str, Any],
    questions: Iterable[Question],
    cases: Iterable[Case],
    items: Sequence[PlannedItem],
) -> dict[str, Any]:
    """The content of plan.json: what a run says of itself, what it asks, and its items with the cases they need.

    A title's further fields, which may be a whole answer, are there once: a case has their place in `fields`.
    """
    needed, fields = {item.case for item in items}, _FieldsOnce()
    planned = [
        fields.instead(case.to_json()) if case.title.fields else case.to_json() for case in cases if case.id in needed
    ]
    return {
        "run": run_id,
        "header": header,
        "questions": [question.to_json() for question in questions],
        **({"fields": fields.all} if fields.all else {}),
        "cases": planned,
        "items": [item.to_json() for item in items],
    }


class _FieldsOnce:
    """The fields of all titles of a plan, each once. One title may have others in each eval that asks about it."""

    def __init__(self) -> None:
        self.all: list[Mapping[str, Any]] = []
        self._places: dict[str, list[int]] = {}

    def instead(self, case: dict[str, Any]) -> dict[str, Any]:
        """The case, whose title has fields, with their place in `all` instead."""
        title = case["title"]
        places = self._places.setdefault(title["id"], [])
        place = next((place for place in places if self.all[place] == title["fields"]), len(self.all))
        if place == len(self.all):
            self.all.append(title["fields"])
            places.append(place)
        return {**case, "title": {**title, "fields": place}}


def list_runs(runs_dir: Path) -> tuple[RunFolder, ...]:
    """The runs in a folder, oldest first; none if the folder is missing."""
    if not runs_dir.is_dir():
        return ()
    return tuple(RunFolder(path) for path in sorted(runs_dir.iterdir()) if _is_run(path))


def unfinished_folders(runs_dir: Path) -> tuple[Path, ...]:
    """The folders of runs that were killed before they had asked anything: nothing in them is worth keeping."""
    if not runs_dir.is_dir():
        return ()
    hidden = (path for path in runs_dir.glob(f".*{_HIDDEN_SUFFIX}") if path.is_dir())
    empty = (path for path in runs_dir.iterdir() if _has_run_id(path) and not _is_run(path))
    return tuple(sorted((*hidden, *empty)))


def last_run(runs_dir: Path) -> RunFolder | None:
    """The newest run that did not judge the answers of another; None if there is none."""
    return next(subjects_runs(runs_dir), None)


def judged_run(run: RunFolder) -> str | None:
    """The id of the run whose answers a run asked about; None if it asked about headlines, or cannot be read."""
    try:
        return judged_in(run.header(Disk()))
    except InputError:
        return None


def judged_in(header: Mapping[str, Any]) -> str | None:
    """The same of a run with this header."""
    try:
        titles = [Path(one["files"]["titles"]) for one in header["evals"]]
    except (KeyError, TypeError):
        return None
    return next((path.name for path in titles if is_run_id(path.name)), None)


def short_id(run_id: str, runs: Iterable[RunFolder]) -> str:
    """The shortest beginning of a run's id, from day and minute on, that none of the other *runs* has."""
    others = [run.run_id for run in runs if run.run_id != run_id]
    lengths = range(len("20261128-2230"), len(run_id))
    unique = (length for length in lengths if not any(other.startswith(run_id[:length]) for other in others))
    return run_id[: next(unique, len(run_id))]


def check_writable(folder: Path, disk: Disk) -> None:
    """Try to create, to fill and to lock a file in *folder*, or in its nearest parent that exists, and remove it again.

    Raises `InputError` with the folder, the reason and what to do.
    """
    probe = _nearest_existing(folder) / f".plotbot-{secrets.token_hex(4)}.tmp"
    try:
        _write_probe(probe, disk)
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        lock = take_lock(probe, disk)
        if lock is not None:
            lock.release()
    except OSError as error:
        raise InputError(
            f"{describe(error, folder)}: files cannot be locked there; choose a folder on another file system"
        ) from error
    finally:
        disk.unlink(probe)


def subjects_runs(runs_dir: Path) -> Iterator[RunFolder]:
    """The runs that did not judge the answers of another, newest first."""
    return (run for run in reversed(list_runs(runs_dir)) if judged_run(run) is None)


def _write_probe(probe: Path, disk: Disk) -> None:
    fd = disk.create(probe)
    try:
        # A full disk still creates empty files.
        disk.write(fd, bytes(_PROBE_BYTES))
        disk.sync(fd)
    except OSError:
        disk.unlink(probe)
        raise
    finally:
        disk.close(fd)


def _nearest_existing(folder: Path) -> Path:
    return folder if folder.exists() or folder == folder.parent else _nearest_existing(folder.parent)


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(f"{describe(error, folder)}: nothing can be written there; allow it, or choose another folder")


def _is_run(path: Path) -> bool:
    """Whether the folder is a run's: one with neither plan nor journal was left by a kill before the first reply."""
    folder = RunFolder(path)
    return _has_run_id(path) and (folder.plan.exists() or folder.journal.exists())


def _has_run_id(path: Path) -> bool:
    return is_run_id(path.name) and path.is_dir()


def _make(path: Path, shown: Path, disk: Disk) -> None:
    try:
        disk.make_folder(path)
    except OSError as error:
        raise _unwritable(shown, error) from error


def _rename(source: Path, target: Path, disk: Disk) -> None:
    try:
        disk.replace(source, target)
        disk.sync_folder(target.parent)
    except OSError as error:
        raise KeepError(describe(error, target)) from error
