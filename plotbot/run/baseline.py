"""Baseline files: a run's verdicts as JSON for git, sorted, with one line for each title; and a run compared with one.

A comparison informs; it never sets the exit status.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plotbot.errors import InputError
from plotbot.measure.comparison import compare_sheets
from plotbot.measure.verdict_sheet import SheetPart, TitleVerdicts, VerdictSheet, verdict_sheet
from plotbot.records import Question, RunRecords
from plotbot.report.comparison import comparison_lines
from plotbot.safe import one_line, read_regular

VERSION = 1
_PART_FIELDS = ("eval", "model", "response_format", "asked", "prompt", "schema")


@dataclass(frozen=True, slots=True)
class Baseline:
    """The verdicts of an earlier run, and the file that holds them."""

    path: Path
    sheet: VerdictSheet

    def lines(self, records: RunRecords, questions: Mapping[str, Question]) -> list[str]:
        """The comparison of a run with the baseline, in words."""
        now = verdict_sheet(records, questions)
        comparisons = compare_sheets(self.sheet, now)
        return comparison_lines(f"baseline {self.path.name} (run {self.sheet.run})", f"run {now.name}", comparisons)


def baseline_text(sheet: VerdictSheet) -> str:
    """The content of a baseline file, in ASCII. Equal sheets give equal bytes."""
    parts = ",\n".join(_part_text(part) for part in sheet.parts)
    head = f'"baseline_version": {VERSION},\n"run": {_json(sheet.run)},\n"params": {_json(sheet.params)}'
    return f'{{\n{head},\n"parts": [\n{parts}\n]\n}}\n'


def parse_baseline(text: str, where: str) -> VerdictSheet:
    """The sheet that a baseline file holds. Raises `InputError`, whose message begins with *where*, for other text."""
    try:
        data = json.loads(text)
        version = data["baseline_version"]
        if version == VERSION:
            return VerdictSheet(str(data["run"]), dict(data["params"]), tuple(_part(part) for part in data["parts"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = one_line(f"{type(error).__name__}: {error}", 80)
        raise InputError(f"{where}: no baseline ({what}); write one with `plotbot baseline RUN`") from None
    raise InputError(f"{where}: a baseline of version {one_line(repr(version), 20)}; this plotbot reads {VERSION}")


def read_baseline(path: Path) -> Baseline:
    """The baseline in a file. Raises `InputError` if the file is missing or cannot be read."""
    try:
        return Baseline(path, parse_baseline(read_regular(path).decode("utf-8-sig"), str(path)))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no baseline here; write one with `plotbot baseline RUN`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the baseline cannot be read: {error}") from None


def _part_text(part: SheetPart) -> str:
    fields = [f"{_json(name)}: {_json(getattr(part, name))}" for name in _PART_FIELDS]
    if part.variant:
        fields += [f'"variant": {_json(part.variant)}', f'"variant_params": {_json(dict(part.params))}']
    fields.append(f'"fingerprint": {_json(part.fingerprint)}')
    titles = [f"{_json(title)}: {_json(_title_json(found))}" for title, found in part.titles.items()]
    inside = ",\n".join(titles)
    return f'{{{", ".join(fields)},\n"titles": {{\n{inside}\n}}}}'


def _title_json(title: TitleVerdicts) -> dict[str, Any]:
    return {"headline": title.headline, "verdicts": list(title.verdicts)}


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _part(data: Mapping[str, Any]) -> SheetPart:
    return SheetPart(
        **{name: str(data[name]) for name in _PART_FIELDS},
        fingerprint=dict(data["fingerprint"]),
        titles={
            str(title): TitleVerdicts(str(found["headline"]), tuple(map(str, found["verdicts"])))
            for title, found in sorted(data["titles"].items())
        },
        variant=str(data.get("variant", "")),
        params=dict(data.get("variant_params", {})),
    )
