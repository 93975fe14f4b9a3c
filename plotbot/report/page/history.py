"""`reports/history.html`: every run with its rates, as lines over time, and what changed from one run to the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from plotbot.fingerprint import Fingerprint
from plotbot.measure.tally import ModelVariant
from plotbot.records import note_of
from plotbot.report import formatting
from plotbot.report.formatting import LONGEST_NAME
from plotbot.report.page.sealed import inert, sealed_page

SCRIPTS = ("dom", "history")
MOST_RUNS = 500
"""Of more runs the newest are shown, so that a browser opens the page at once."""
_UNKNOWN = "prompt or schema"
_SETTINGS_OF_TITLES = ("TEST_SAMPLE_SIZE", "SAMPLE_SEED", "SHARD")


@dataclass(frozen=True, slots=True)
class HistoryRun:
    """A run as its summary has it. `rows` are empty if it has none; `link` leads to its page, empty without one."""

    run: str
    header: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]] = ()
    link: str = ""


@dataclass(slots=True)
class _Series:
    """One row over all runs that had it: a model in one variant, of one set of evals."""

    evals: str
    label: str
    asked: dict[str, Any] | None = None
    points: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of one run: the line that it belongs to, what it was asked with, and its point without changes."""

    evals: str
    label: str
    asked: Mapping[str, Any]
    point: Mapping[str, Any]


def write_history(runs: Sequence[HistoryRun], made_at: str) -> bytes:
    """The page of all runs, which are given oldest first, as the bytes of its file."""
    shown = [(run, _rows(run)) for run in runs[-MOST_RUNS:]]
    series: dict[tuple[str, str], _Series] = {}
    for number, (_, rows) in enumerate(shown):
        for row in rows:
            _add(series.setdefault((row.evals, row.label), _Series(row.evals, row.label)), number, row)
    several = len({one.evals for one in series.values()}) > 1
    index = {
        "made_at": made_at,
        "left_out": len(runs) - len(shown),
        "runs": [_run(run, rows) for run, rows in shown],
        "series": [_drawn(one, several=several) for one in series.values()],
    }
    return sealed_page("history.html", ("page.css", "history.css"), SCRIPTS, {"index": inert(index)})


def _rows(run: HistoryRun) -> list[_Row]:
    """The rows of a run; none if its summary is not as plotbot writes it, because it was edited or damaged."""
    try:
        return [_row(run.header, row) for row in run.rows]
    except (KeyError, TypeError, ValueError, AttributeError):
        return []


def _row(header: Mapping[str, Any], row: Mapping[str, Any]) -> _Row:
    which = ModelVariant(str(row["model"]), str(row.get("variant", "")))
    rate, interval, tally = row["pass_rate"], row["interval"], row["tally"]
    point = {
        "rate": None if rate is None else float(rate),
        "interval": None if interval is None else [float(interval["low"]), float(interval["high"])],
        "shown": formatting.percent(rate),
        "passed": int(tally["passed"]),
        "rated": int(tally["passed"]) + int(tally["failed"]),
    }
    return _Row(_evals(header), which.label, _asked(header, which), point)


def _add(series: _Series, number: int, row: _Row) -> None:
    changes = [] if series.asked is None else list(_changes(series.asked, row.asked))
    series.asked = {**(series.asked or {}), **row.asked}
    series.points.append({"run": number, **row.point, "changes": changes})


def _run(run: HistoryRun, rows: Sequence[_Row]) -> dict[str, Any]:
    return {
        "id": run.run[:LONGEST_NAME],
        "started": str(run.header.get("started", ""))[:LONGEST_NAME],
        "note": note_of(run.header)[:LONGEST_NAME],
        "ended": bool(rows),
        "link": run.link,
    }


def _drawn(one: _Series, *, several: bool) -> dict[str, Any]:
    label = f"{one.label} · {one.evals}" if several and one.evals else one.label
    return {"label": label[: LONGEST_NAME * 2], "points": one.points}


def _evals(header: Mapping[str, Any]) -> str:
    """The titles files of a run's evals: rates of different evals make no line."""
    files = [one["files"] for one in _evals_of(header)]
    return ", ".join(sorted({f"{one.get('titles')} with {one.get('schema')}" for one in files}))


def _evals_of(header: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    evals: Sequence[Mapping[str, Any]] = header.get("evals", ())
    return evals


def _asked(header: Mapping[str, Any], row: ModelVariant) -> dict[str, Any]:
    """What the row was asked with and by whom, under the words that say what has changed."""
    settings, params = header.get("settings", {}), dict(header.get("params", {}))
    for variant in header.get("variants") or ():
        if variant.get("name") == row.variant:
            params |= {name: variant.get(name) for name in ("temperature", "reasoning_effort") if name in variant}
    fingerprint = Fingerprint.from_json(header.get("fingerprints", {}).get(row.model, {}))
    return {
        **_texts(header, row.variant),
        "parameters": params,
        "model": {name: getattr(fingerprint, name) for name in Fingerprint.MODEL},
        "engine": {name: getattr(fingerprint, name) for name in Fingerprint.SERVER},
        "titles": {name: settings.get(name) for name in _SETTINGS_OF_TITLES},
    }


def _texts(header: Mapping[str, Any], variant: str) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for one in _evals_of(header):
        names = list(one.get("variants") or [""])
        place, where = names.index(variant) if variant in names else 0, str(one.get("files"))
        for word, values in (("prompt", one.get("prompts")), ("schema", one.get("schemas")), (_UNKNOWN, one["hashes"])):
            if isinstance(values, Sequence) and place < len(values):
                found.setdefault(word, {})[where] = values[place]
    return found


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """The words for what differs; what one of the two does not tell proves nothing."""
    told = [word for word in after if word in before and _differs(before[word], after[word])]
    # The hash is over prompt, schema and wording, and says nothing new where these are told.
    known = {"prompt", "schema"} <= before.keys() & after.keys()
    yield from (word for word in told if not (known and word == _UNKNOWN))


def _differs(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    both = before.keys() & after.keys()
    return any(before[name] != after[name] for name in both if before[name] is not None and after[name] is not None)
