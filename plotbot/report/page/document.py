"""The page as one HTML document: its data, its style and scripts, and a policy that allows nothing else."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from plotbot.measure.gate import GateLook, GateResult
from plotbot.measure.groups import GroupMetrics
from plotbot.measure.hosts import HostMetrics
from plotbot.measure.metrics import ModelMetrics
from plotbot.measure.pairing import Rival, rivals_of
from plotbot.measure.repeats import Repeats
from plotbot.measure.speed import speed_of
from plotbot.measure.tally import BOXES, ModelVariant, total_tally
from plotbot.measure.verdict_sheet import verdict_sheet
from plotbot.records import Exchange
from plotbot.report import formatting
from plotbot.report.audit import audit_page
from plotbot.report.formatting import LONGEST_NAME
from plotbot.report.hosts import aside_sentence
from plotbot.report.judged import judged_page
from plotbot.report.page import conclusions
from plotbot.report.page.conclusions import Contender
from plotbot.report.page.matrix import Entry, Matrix, PageRun, build_matrix
from plotbot.report.page.payloads import Chunks, Texts, packed, payload
from plotbot.report.page.sealed import inert, sealed_page
from plotbot.safe import plural

SCRIPTS = (
    "dom", "data", "query", "sorting", "diff", "texts", "address", "overview", "charts", "speed", "groups", "gates",
    "hosts", "judged", "violations", "filters", "search", "controls", "matrix", "cells", "marks", "case", "answer",
    "views", "course", "take", "keys", "audit", "start",
)  # fmt: skip
_LONGEST_TITLE, _LONGEST_FACT = 300, 20_000
_MOST_GROUPS = 200
# Characters of an index that are not packed: a browser reads them at once.
_PLAIN_INDEX = 2_000_000
_ABSOLUTE = re.compile(r"(/|~|[A-Za-z]:[/\\]|\\\\)[^\n]*[/\\][^\n]+\Z")


Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class TableColumn(Generic[Row]):
    """A column of a table. `overview.js` shows its values by *kind*: rate, interval, count, figure, faults or text."""

    label: str
    kind: str
    value: Callable[[Row], Any]


def _count_column(box: str) -> TableColumn[Contender]:
    return TableColumn(box.replace("_", " "), "count", lambda one: one.metrics.tally.counts[box])


_UNNEEDED = "not needed"
_RATE, _INTERVAL = "pass rate", "95 % interval"
_MODEL_COLUMNS: Sequence[TableColumn[Contender]] = (
    TableColumn(_RATE, "rate", lambda one: formatting.percent(one.metrics.pass_rate)),
    TableColumn(_INTERVAL, "interval", lambda _: None),
    *map(_count_column, ("planned", *BOXES)),
    TableColumn("gate", "text", lambda one: one.gate.verdict if one.gate else formatting.NONE),
)
_REPEAT_COLUMNS: Sequence[TableColumn[Repeats]] = (
    TableColumn("answers to a title (k)", "figure", lambda one: f"{one.most:,}"),
    TableColumn("pass@k", "figure", lambda one: formatting.percent(one.pass_at[one.most])),
    TableColumn("pass^k", "figure", lambda one: formatting.percent(one.pass_all[one.most])),
    TableColumn("flip rate", "figure", lambda one: formatting.percent(one.flip_rate)),
    TableColumn("worth", "figure", lambda one: f"{one.effective:,.0f}"),
)
_GROUP_COLUMNS: Sequence[TableColumn[GroupMetrics]] = (
    TableColumn("by", "text", lambda one: one.by),
    TableColumn(_RATE, "rate", lambda one: formatting.percent(one.pass_rate)),
    TableColumn(_INTERVAL, "interval", lambda _: None),
    TableColumn("passed", "figure", lambda one: f"{one.tally.passed:,}"),
    TableColumn("failed", "figure", lambda one: f"{one.tally.failed:,}"),
    TableColumn(
        "against the rest",
        "text",
        lambda one: f"worse beyond chance, {formatting.p_value(one.p)}" if one.worse and one.p is not None else "",
    ),
)
_HOST_COLUMNS: Sequence[TableColumn[HostMetrics]] = (
    TableColumn(_RATE, "rate", lambda one: formatting.percent(one.pass_rate)),
    TableColumn(_INTERVAL, "interval", lambda _: None),
    TableColumn("answered", "figure", lambda one: f"{one.answered:,} ({formatting.percent(one.share)})"),
    TableColumn("passed", "figure", lambda one: f"{one.tally.passed:,}"),
    TableColumn("failed", "figure", lambda one: f"{one.tally.failed:,}"),
    TableColumn("median s", "figure", lambda one: formatting.seconds(one.seconds_median)),
    TableColumn("95 % within s", "figure", lambda one: formatting.seconds(one.seconds_p95)),
    TableColumn("tokens/s", "figure", lambda one: formatting.tokens_per_second(one.speed)),
    TableColumn("failed attempts", "faults", lambda one: list(one.failed_attempts.items())),
)


@dataclass(frozen=True, slots=True)
class PageData:
    """What the scripts read: the index at once, chunks and texts, which are packed, when a case is opened.

    `models` are those of the index's contenders, by their whole names.
    """

    index: dict[str, Any]
    chunks: Sequence[str]
    texts: str
    models: Sequence[str]


def write_page(runs: Sequence[PageRun], made_at: str) -> bytes:
    """The page that compares the models of *runs*, as the bytes of its file.

    *made_at* is the only time that the page states, shown as given. The same input gives the same bytes.
    """
    return page_of(page_data(runs, made_at))


def page_of(data: PageData, history: str = "", model_pages: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """The page with its data, as the bytes of its file.

    *history* is the address of the page of all runs, *model_pages* are those of the models that have a page, by model.
    """
    slots = {
        "index": _index({**data.index, "model_pages": [model_pages.get(model, "") for model in data.models]}),
        "texts": data.texts,
        "history": f' · <a href="{html.escape(history)}">all runs</a>' if history else "",
        "chunks": "\n".join(
            f'<script type="application/octet-stream" id="chunk-{number}">{chunk}</script>'
            for number, chunk in enumerate(data.chunks)
        ),
    }
    return sealed_page("page.html", ("page.css", "gates.css"), SCRIPTS, slots)


def page_data(runs: Sequence[PageRun], made_at: str) -> PageData:
    """The page's data, before it is put into a document."""
    matrix = build_matrix(runs)
    packing = _Packing(runs, matrix)
    for number, run in enumerate(runs):
        for exchange in run.exchanges:
            packing.take(number, exchange)
    packing.take_the_rest()
    chunks, starts = packing.chunks.finish()
    contenders = _contenders(runs, matrix)
    shown = {"gate": any(run.gates for run in runs), _UNNEEDED: any(one.metrics.tally.not_needed for one in contenders)}
    model_columns = [one for one in _MODEL_COLUMNS if shown.get(one.label, True)]
    index = {
        "made_at": made_at,
        "runs": [_run(run) for run in runs],
        "words": _words(matrix, contenders, packing, _rivals(runs) if len(contenders) > 1 else []),
        "model_columns": _heads(model_columns),
        "repeat_columns": _heads(_REPEAT_COLUMNS),
        "host_columns": _heads(_HOST_COLUMNS),
        "group_columns": _heads(_GROUP_COLUMNS),
        "contenders": [_contender(one, model_columns) for one in contenders],
        "columns": [[one.contender, one.response_format, one.prompt_hash] for one in matrix.columns],
        "judged": [
            judged_page(run.judged, [one.tally.row for one in run.metrics]) for run in runs if run.judged is not None
        ],
        "audits": [audit_page(run.audit) for run in runs if run.audit is not None],
        "titles": _titles(matrix),
        "starts": starts,
        **_entries(matrix, packing),
    }
    return PageData(index, chunks, packing.texts.packed(), [one.metrics.model for one in contenders])


class _Packing:
    """Packs exchanges with their items, one at a time, and remembers the few numbers that tables show."""

    def __init__(self, runs: Sequence[PageRun], matrix: Matrix) -> None:
        self.texts = Texts()
        self.places: dict[str, int] = {}
        self.left_out: set[str] = set()
        self.seconds: dict[str, float] = {}
        self.speeds: dict[str, float] = {}
        self.asked_at: dict[str, str] = {}
        self._runs = runs
        self._items: dict[tuple[int, str], list[Entry]] = {}
        for entry in matrix.entries:
            self._items.setdefault((entry.run, entry.planned.case), []).append(entry)
        self.chunks = Chunks(len(self._items))

    def take(self, run: int, exchange: Exchange) -> None:
        """Pack a planned case with its exchange; a later exchange of the case replaces an earlier one."""
        entries = self._items.get((run, exchange.case))
        if not entries:
            return
        self._put(entries, exchange)
        if exchange.reply is None:
            return
        self.asked_at.update((entry.key, exchange.at) for entry in entries)
        speed = speed_of(exchange)
        for entry in entries:
            self.seconds[entry.key] = exchange.seconds
            if speed is not None:
                self.speeds[entry.key] = speed.tokens_per_second

    def take_the_rest(self) -> None:
        """Pack the cases that were never asked, for their prompts and verdicts."""
        for entries in self._items.values():
            if entries[0].key not in self.places and entries[0].key not in self.left_out:
                self._put(entries, None)

    def _put(self, entries: Sequence[Entry], exchange: Exchange | None) -> None:
        conversation = self._runs[entries[0].run].conversation
        passed = all(entry.outcome == "passed" for entry in entries)
        limit = self.chunks.room(passed=passed)
        if limit is None:
            self.left_out.update(entry.key for entry in entries)
            return
        number = self.chunks.add(payload(entries, exchange, conversation, self.texts, limit), passed=passed)
        self.places.update((entry.key, number) for entry in entries)


def _contenders(runs: Sequence[PageRun], matrix: Matrix) -> list[Contender]:
    several = len(runs) > 1
    found: dict[tuple[int, ModelVariant], tuple[ModelMetrics, GateResult | None]] = {}
    for number, run in enumerate(runs):
        gates = {gate.row: gate for gate in run.gates}
        found.update(((number, one.tally.row), (one, gates.get(one.tally.row))) for one in run.metrics)
    # In the order of the matrix, whose columns name contenders by number.
    return [Contender(*found[key], runs[key[0]].records.name if several else "") for key in matrix.contenders]


def _rivals(runs: Sequence[PageRun]) -> list[Rival]:
    several = len(runs) > 1
    sheets = [verdict_sheet(run.records, {}) for run in runs]
    return [rival for sheet in sheets for rival in rivals_of(sheet, sheet.name if several else "")]


def _titles(matrix: Matrix) -> list[list[str]]:
    """Each title's id and text, and its fields where it has any."""
    return [[part[:_LONGEST_TITLE] for part in (one if one[-1] else one[:-1])] for one in matrix.titles]


def _words(
    matrix: Matrix, contenders: Sequence[Contender], packing: _Packing, rivals: Sequence[Rival]
) -> dict[str, Any]:
    broken = Counter(place for entry in matrix.entries for place in entry.places)
    unjudged = sum(entry.result is None and entry.key in packing.seconds for entry in matrix.entries)
    return {
        "best": conclusions.which_is_best(contenders, rivals, _same_titles(matrix)),
        "fails": conclusions.what_fails_most(contenders, broken),
        "missing": conclusions.what_is_missing(contenders, unjudged),
        "mixed": conclusions.what_is_mixed(contenders),
        "gates": conclusions.gate_sentences(contenders),
        "left_out": _left_out(matrix, packing),
        "accounting": formatting.accounting_line(total_tally(one.metrics.tally for one in contenders)),
    }


def _same_titles(matrix: Matrix) -> bool:
    """Whether every contender with a rated title was rated on at least nine in ten of all rated titles."""
    rated: dict[int, set[int]] = {}
    for entry in matrix.entries:
        if entry.outcome in {"passed", "failed"}:
            rated.setdefault(matrix.columns[entry.column].contender, set()).add(entry.title)
    if not rated:
        return True
    return len(set.intersection(*rated.values())) >= 0.9 * len(set.union(*rated.values()))


def _run(run: PageRun) -> dict[str, Any]:
    header = run.records.header
    return {
        "name": run.records.name,
        "facts": [[str(name)[:_LONGEST_TITLE], _fact(value)] for name, value in header.items()],
    }


def _without_folders(value: object) -> object:
    """The value with the end of each absolute path only: a page is shared, and folders name people and machines."""
    if isinstance(value, Mapping):
        return {key: _without_folders(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_folders(one) for one in value]
    if isinstance(value, str) and _ABSOLUTE.match(value):
        return "…/" + "/".join([part for part in re.split(r"[/\\]", value) if part][-2:])
    return value


def _fact(value: object) -> str:
    shown = _without_folders(value)
    told = shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False, indent=1, default=str)
    return told[:_LONGEST_FACT]


def _heads(columns: Sequence[TableColumn[Row]]) -> list[tuple[str, str]]:
    return [(column.label, column.kind) for column in columns]


def _contender(one: Contender, columns: Sequence[TableColumn[Contender]]) -> dict[str, Any]:
    metrics = one.metrics
    return {
        "model": metrics.model[:LONGEST_NAME],
        "variant": metrics.variant[:LONGEST_NAME],
        "label": metrics.label[:LONGEST_NAME],
        "run": one.run[:LONGEST_NAME],
        **_rate(metrics),
        "mixed": metrics.mixed,
        "cells": [column.value(one) for column in columns],
        "failures": dict(metrics.failures),
        "errors": dict(metrics.errors),
        "seconds": [formatting.seconds(metrics.seconds_median), formatting.seconds(metrics.seconds_p95)],
        "speed": None if metrics.speed is None else [metrics.speed.tokens_per_second, metrics.speed.source],
        "gate": None if one.gate is None else [one.gate.verdict, one.gate.threshold],
        "course": None if one.gate is None else _course(one.gate),
        "repeats": [column.value(metrics.repeats) for column in _REPEAT_COLUMNS] if metrics.repeats else None,
        "groups": [_group(group) for group in metrics.groups[:_MOST_GROUPS]],
        "hosts": [_host(host) for host in metrics.hosts.by_host] if metrics.hosts else [],
        "asides": aside_sentence(metrics) or [],
    }


def _course(gate: GateResult) -> dict[str, Any] | None:
    """The looks of a gate, in numbers for the chart and in words for the table behind it; None without any look."""
    if not gate.course:
        return None
    heads = (
        ["after titles", "share of good answers", "95 % interval, from", "to"]
        if gate.shares
        else ["after titles", "pass rate", "FAIL at or below", "PASS at or above"]
    )
    return {
        "planned": gate.planned,
        "zone": not gate.shares,
        "looks": [[look.titles, look.rate, look.low, look.high] for look in gate.course],
        "heads": heads,
        "rows": [_look_words(look) for look in gate.course],
    }


def _look_words(look: GateLook) -> list[str]:
    return [
        f"{look.titles:,}",
        formatting.percent(look.rate),
        *(formatting.NONE if end is None else formatting.percent(end) for end in (look.low, look.high)),
    ]


def _group(group: GroupMetrics) -> dict[str, Any]:
    return {
        "group": group.group[:LONGEST_NAME],
        "worse": group.worse,
        **_rate(group),
        "cells": [column.value(group) for column in _GROUP_COLUMNS],
    }


def _host(host: HostMetrics) -> dict[str, Any]:
    return {
        "host": host.host[:LONGEST_NAME],
        **_rate(host),
        "cells": [column.value(host) for column in _HOST_COLUMNS],
    }


def _rate(one: ModelMetrics | HostMetrics | GroupMetrics) -> dict[str, Any]:
    return {
        "rate": one.pass_rate,
        "interval": None if one.interval is None else [one.interval.low, one.interval.high],
        "interval_words": "" if one.interval is None else "–".join(conclusions.bounds(one.interval)),
    }


def _entries(matrix: Matrix, packing: _Packing) -> dict[str, Any]:
    """The entries as columns of numbers, which take a third of the size of an object for each entry."""
    categories = list(dict.fromkeys((entry.outcome, entry.category) for entry in matrix.entries))
    places = list(dict.fromkeys(place for entry in matrix.entries for place in entry.places))
    category_numbers = {category: number for number, category in enumerate(categories)}
    place_numbers = {place: number for number, place in enumerate(places)}
    return {
        "categories": categories,
        "places": places,
        "entries": {
            "key": [entry.key for entry in matrix.entries],
            "title": [entry.title for entry in matrix.entries],
            "column": [entry.column for entry in matrix.entries],
            "category": [category_numbers[entry.outcome, entry.category] for entry in matrix.entries],
            "place": [packing.places.get(entry.key) for entry in matrix.entries],
            "repeat": [entry.case.repeat if entry.case else 1 for entry in matrix.entries],
            "seconds": [_rounded(packing.seconds.get(entry.key), 3) for entry in matrix.entries],
            "speed": [_rounded(packing.speeds.get(entry.key), 1) for entry in matrix.entries],
            "broken": {
                number: [place_numbers[place] for place in entry.places]
                for number, entry in enumerate(matrix.entries)
                if entry.places
            },
            "replaced": _replaced(matrix, packing),
        },
    }


def _replaced(matrix: Matrix, packing: _Packing) -> dict[int, int]:
    """The kept entries whose answer is not in the dataset any more, each with the entry that took its place.

    A title file has the last good answer of a model and prompt: the latest, then of the later run and case.
    """
    order = [(packing.asked_at.get(one.key, ""), one.run, one.planned.case) for one in matrix.entries]
    last: dict[tuple[int, str, str], int] = {}
    kept: dict[int, tuple[int, str, str]] = {}
    for number, entry in enumerate(matrix.entries):
        if entry.case is None or entry.result is None or not entry.result.kept:
            continue
        place = kept[number] = (entry.title, entry.case.model, entry.case.prompt_hash)
        if place not in last or order[number] > order[last[place]]:
            last[place] = number
    pairs = ((number, last[place]) for number, place in kept.items())
    return {one: by for one, by in pairs if matrix.entries[one].planned.case != matrix.entries[by].planned.case}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _left_out(matrix: Matrix, packing: _Packing) -> str:
    """A sentence about the cases whose texts the page has no room for; empty if there are none."""
    if not packing.left_out:
        return ""
    held, left = len(matrix.entries) - len(packing.left_out), len(packing.left_out)
    failed = sum(entry.outcome != "passed" for entry in matrix.entries if entry.key in packing.left_out)
    which = f"{failed:,} of them did not pass" if failed else "all of them passed"
    return (
        f"The texts of {plural(held, 'case')} are in this page. Those of {left:,} are not ({which}); "
        "plotbot report RUN --case ID shows them"
    )


def _index(index: dict[str, Any]) -> str:
    """The element of the index: JSON, or packed where that is large."""
    text = inert(index)
    if len(text) <= _PLAIN_INDEX:
        return f'<script type="application/json" id="index">{text}</script>'
    return f'<script type="application/octet-stream" id="index">{packed(text)}</script>'
