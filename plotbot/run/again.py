"""`--like RUN`: a new run over the titles, seeds, models and settings of an earlier one; and what moved since then.

What is set today, in no weaker place than then, is what may be otherwise. Files are read as they are now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from plotbot.errors import InputError, PlotbotError
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder, list_runs, short_id
from plotbot.keep.run_reading import RunOnDisk, read_run
from plotbot.measure.comparison import Comparison, compare_sheets
from plotbot.measure.verdict_sheet import VerdictSheet, verdict_sheet
from plotbot.plan.plan import Sample
from plotbot.records import Title, run_name
from plotbot.report.comparison import since_lines
from plotbot.safe import one_line
from plotbot.settings import Settings
from plotbot.settings.keys import BY_NAME, KEYS, Key

LIKE = "like"
"""The field of a run's header that names the run which it is like."""
_MOST_SEARCHED = 30
"""How many earlier runs are looked at for the same titles: their plans are read, which takes a moment each."""
_LONGEST_VALUE = 60
_MODEL, _EMBEDDED_MODEL = BY_NAME["MODEL"], BY_NAME["EMBEDDED_MODEL"]
_DRAWN_BY = ("TEST_SAMPLE_SIZE", "SAMPLE_SEED", "SHARD")


@dataclass(frozen=True, slots=True)
class Likeness:
    """The settings of a run like an earlier one, its titles by their file, and a sentence about what is otherwise."""

    settings: Settings
    samples: Mapping[str, Sample]
    embedded: bool
    told: str


def like_run(settings: Settings, run: RunOnDisk) -> Likeness:
    """What a run like *run* asks with. Raises `SettingsError` for a recorded value that can no longer be used."""
    then, today = _settings_of(run), settings.to_json()["values"]
    origins = run.header.get("origins", {})
    mine = {key: then[key.name] for key in KEYS if _carries_over(key, then, settings, origins)}
    set_today = [key for key in KEYS if (key.decides or key in {_MODEL, _EMBEDDED_MODEL}) and key not in mine]
    otherwise = [
        f"{key.name} {_shown(then[key.name])} -> {_shown(today[key.name])}"
        for key in set_today
        if key.name in then and then[key.name] != today[key.name]
    ]
    name = run_name(run.folder.run_id, run.header)
    made = settings.with_values(
        f"run {run.folder.run_id}", origins, **{key.field: value for key, value in mine.items()}
    )
    return Likeness(
        made,
        _samples(run) if _draws_the_same(then, made) else {},
        bool(run.header.get("embedded")),
        f"like run {name}" + (f", but for {'; '.join(otherwise)}" if otherwise else ""),
    )


def moved_since(
    sheet: VerdictSheet, folder: RunFolder, runs_dir: Path, disk: Disk, like: str | None = None
) -> list[str]:
    """What has moved since the newest earlier run of the same evals on the same titles: a line for each row.

    A run that is like a run named *like* is compared with that one, if they have titles in common. Half of the titles
    are enough. Empty if there is no such run among the last few.
    """
    runs = list_runs(runs_dir)
    earlier = [run for run in reversed(runs) if run.run_id < folder.run_id or run.run_id == like]
    for run in sorted(earlier, key=lambda run: run.run_id != like)[:_MOST_SEARCHED]:
        if compared := _compared(sheet, run, disk):
            before, found = compared
            id_and_note = before.name.replace(before.run, short_id(before.run, runs), 1)
            return since_lines(id_and_note, found)
    return []


def _settings_of(run: RunOnDisk) -> dict[str, Any]:
    settings = run.header.get("settings")
    if not isinstance(settings, Mapping):
        raise InputError(f"{run.folder.plan}: damaged, it has no settings; choose another run with `plotbot runs`")
    return {**settings, "MODEL": list(run.header.get("models", ()))}


def _carries_over(key: Key, then: Mapping[str, Any], settings: Settings, origins: Mapping[str, str]) -> bool:
    if key.name not in then or not settings.left_open(key, origins):
        return False
    if key.decides == "files":
        paths = then[key.name] if isinstance(then[key.name], list) else [then[key.name]]
        return all(path and (settings.root / path).is_file() for path in paths)
    return key.decides is not None or key in {_MODEL, _EMBEDDED_MODEL}


def _shown(value: Any) -> str:
    told = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return one_line("not set" if value is None else told, _LONGEST_VALUE)


def _draws_the_same(then: Mapping[str, Any], settings: Settings) -> bool:
    """Whether the titles are a sample, and the one that the run had: all titles are those of the file as it is now."""
    now = settings.to_json()["values"]
    return settings.test_sample_size > 0 and all(then.get(name) == now[name] for name in _DRAWN_BY)


def _samples(run: RunOnDisk) -> dict[str, Sample]:
    """The titles of each file, in the run's order."""
    files: dict[str, dict[str, Title]] = {}
    for recorded in run.header.get("evals", ()):
        titles = files.setdefault(str(recorded["files"]["titles"]), {})
        hashes = set(recorded["hashes"])
        titles.update((case.title.id, case.title) for case in run.cases.values() if case.prompt_hash in hashes)
    return {path: tuple(titles.values()) for path, titles in files.items()}


def _compared(sheet: VerdictSheet, folder: RunFolder, disk: Disk) -> tuple[VerdictSheet, Sequence[Comparison]] | None:
    try:
        if not _shares_titles(sheet, folder, disk):
            return None
        run = read_run(folder, disk)
    except PlotbotError:
        # A run that cannot be read is named where it is asked for.
        return None
    evals = {part.eval for part in sheet.parts}
    before = verdict_sheet(run.records(), run.questions)
    before = replace(before, parts=tuple(part for part in before.parts if part.eval in evals))
    found = [one for one in compare_sheets(before, sheet) if _is_about_the_same(one)]
    return (before, found) if found else None


def _shares_titles(sheet: VerdictSheet, folder: RunFolder, disk: Disk) -> bool:
    """Whether the run planned half of the titles, which its plan tells without its journal."""
    mine = {(title, sheet.headlines.get(title, "")) for part in sheet.parts for title in part.titles}
    return 2 * len(mine & set(_headlines(folder.read_json(folder.plan, disk)))) >= len(mine) > 0


def _headlines(plan: Any) -> Iterator[tuple[str, str]]:
    for case in plan.get("cases", ()) if isinstance(plan, dict) else ():
        title = case.get("title") if isinstance(case, dict) else None
        if isinstance(title, dict):
            yield str(title.get("id")), str(title.get("text"))


def _is_about_the_same(comparison: Comparison) -> bool:
    return 2 * comparison.paired.titles >= len(comparison.after.titles)
