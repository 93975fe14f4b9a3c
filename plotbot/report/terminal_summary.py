"""The summary at the end of a run, for a terminal of up to 80 columns."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from plotbot.measure.gate import GateResult
from plotbot.measure.hosts import HostMetrics
from plotbot.measure.metrics import ModelMetrics
from plotbot.measure.pairing import Rival
from plotbot.measure.tally import total_tally
from plotbot.report import formatting
from plotbot.report.advice import RESUME, next_step
from plotbot.report.formatting import as_text
from plotbot.report.hosts import ascii_name, aside_sentence, failed_attempts, mixed_sentence, short
from plotbot.report.rivals import rival_sentences
from plotbot.report.terminal_lines import WIDEST, fitted, terminal_width, wrapped
from plotbot.safe import one_line, visible

_NAME_LIMIT = 200
_HOST_LIMIT = 40
_NARROWEST_NAME = 8
_MIXED = "*"
"""Marks the pass rate of hosts that served different models, and the line that says so."""
_WORTH_A_LINE = 0.05
"""Seconds of queueing; the network time of a server on this machine is less."""
Row = ModelMetrics | HostMetrics


class Column(NamedTuple):
    """A column of the table: its header in two lines, and what it shows of a model, or of one of a model's hosts."""

    above: str
    header: str
    cell: Callable[[Row], str]


def _rate(row: Row) -> str:
    rate = formatting.rate_with_interval(row.pass_rate, row.interval)
    return f"{_MIXED}{rate}" if isinstance(row, ModelMetrics) and row.mixed else rate


_UNNEEDED = Column("not", "needed", lambda row: str(row.tally.not_needed))
COLUMNS = (
    Column("", "plan", lambda row: str(row.tally.planned)),
    Column("", "pass", lambda row: str(row.tally.passed)),
    Column("", "fail", lambda row: str(row.tally.failed)),
    Column("", "error", lambda row: str(row.tally.error)),
    Column("", "skip", lambda row: str(row.tally.skipped)),
    Column("not", "run", lambda row: str(row.tally.not_run)),
    _UNNEEDED,
    Column("pass rate", "[95 %]", _rate),
    Column("median", "s", lambda row: formatting.seconds(row.seconds_median)),
    Column("", "tok/s", lambda row: formatting.tokens_per_second(row.speed)),
)


def summary_lines(
    metrics: Sequence[ModelMetrics],
    gates: Sequence[GateResult] = (),
    paths: Mapping[str, str] | None = None,
    rivals: Sequence[Rival] = (),
    resume: str = RESUME,
) -> list[str]:
    """The whole summary, line by line, without colours: table, categories, gates, paths, the next step.

    *paths* are the files that were written, by label (`{"report": "reports/index.html"}`). So that they can be copied,
    their lines are wrapped only where the terminal is narrower than 80 columns, and between paths. Everything else fits
    the terminal, or 80 columns of it. *rivals* are the rows with their verdicts. *resume* is the command that goes on
    with the run.
    """
    if not metrics:
        return ["no case was planned"]
    lines = [*table_lines(metrics), ""]
    lines += detail_lines(metrics, gates)
    for sentence in rival_sentences(rivals):
        lines += _wrapped("", as_text(sentence, lambda name: one_line(name, _NAME_LIMIT)))
    lines += [f"{label}: {visible(path)}" for label, path in (paths or {}).items()]
    step = next_step(metrics, gates, resume)
    lines += [] if step is None else _wrapped("next: ", step)
    return fitted("\n".join(lines))


def table_lines(metrics: Sequence[ModelMetrics]) -> list[str]:
    """The table: two lines of headers, a row for each model and variant, and below it one for each of several hosts."""
    heads = [("", *(one.above for one in COLUMNS)), ("model", *(one.header for one in COLUMNS))]
    before = [None, *(one.model for one in metrics)]
    rows = [*heads, *(cells for one, model in zip(metrics, before, strict=False) for cells in _rows(one, model))]
    if not any(one.tally.not_needed for one in metrics):
        place = 1 + COLUMNS.index(_UNNEEDED)
        rows = [(*row[:place], *row[place + 1 :]) for row in rows]
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[1:]]
    room = terminal_width() - sum(widths) - len(widths)
    if room < _NARROWEST_NAME and terminal_width() < WIDEST:
        return [line for row in rows[2:] for line in _in_words(row, rows[0], rows[1])]
    names = [_shortened(row[0], max(room, _NARROWEST_NAME)) for row in rows]
    name_width = max(map(_columns, names))
    return [_line(name, name_width, row[1:], widths) for name, row in zip(names, rows, strict=True)]


def _in_words(row: Sequence[str], above: Sequence[str], headers: Sequence[str]) -> list[str]:
    """A row where the terminal is too narrow for the table: its name, and below it each figure with its header."""
    named = zip(row[1:], above[1:], headers[1:], strict=True)
    figures = [f"{f'{over} {head}'.strip()} {cell}" for cell, over, head in named if cell]
    return [_shortened(row[0], terminal_width()), *_wrapped("  ", ", ".join(figures))]


def detail_lines(metrics: Sequence[ModelMetrics], gates: Sequence[GateResult]) -> list[str]:
    """For each row what fails and how often, and its gate; then the sum over all rows if there are several.

    Nothing is told of a variant of which the table tells all.
    """
    by_row = {gate.row: gate for gate in gates}
    lines = [line for one in metrics for line in _model_lines(one, by_row.get(one.tally.row))]
    if len(metrics) > 1:
        several = "all variants" if len({one.model for one in metrics}) == 1 else "all models"
        lines += _wrapped(f"{several}: ", formatting.accounting_line(total_tally(one.tally for one in metrics)))
    return lines


def _rows(metrics: ModelMetrics, before: str | None) -> Iterator[tuple[str, ...]]:
    """The rows of a model; of one in several variants its name once, then theirs. *before* is the last row's model."""
    indent = ""
    if metrics.variant:
        if metrics.model != before:
            yield (one_line(metrics.model, _NAME_LIMIT), *("" for _ in COLUMNS))
        indent = "  "
    yield _cells(f"{indent}{one_line(metrics.variant or metrics.model, _NAME_LIMIT)}", metrics)
    for host in metrics.hosts.by_host if metrics.hosts else ():
        yield _cells(f"{indent}  {ascii_name(host.host, _NAME_LIMIT)}", host)


def _cells(name: str, row: Row) -> tuple[str, ...]:
    return (name, *(column.cell(row) for column in COLUMNS))


def _line(name: str, name_width: int, cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = name + " " * (name_width - _columns(name))
    numbers = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    return " ".join([padded, *numbers]).rstrip()


def _model_lines(metrics: ModelMetrics, gate: GateResult | None) -> list[str]:
    lines: list[str] = []
    for label, counts in (("failures", metrics.failures), ("errors", metrics.errors)):
        if counts:
            lines += _wrapped(f"  {label}: ", formatting.category_counts(counts))
    lines += [line for words in formatting.repeats_words(metrics) for line in _wrapped("  repeats: ", words)]
    for by, words in formatting.group_words(metrics.groups):
        lines += _wrapped(f"  by {one_line(by, 30)}: ", words)
    if metrics.server_time is not None and metrics.server_time.queueing >= _WORTH_A_LINE:
        time = metrics.server_time
        lines.append(
            f"  seconds: {formatting.seconds(time.working)} at work, {formatting.seconds(time.queueing)} queueing"
        )
    if metrics.tolerated:
        lines.append(f"  tolerated: {metrics.tolerated} of the passed")
    if metrics.reused:
        lines.append(f"  reused: {metrics.reused:,}, on record in earlier runs")
    if metrics.extra_attempts:
        lines.append(f"  attempts beyond the first: {metrics.extra_attempts}")
    lines += _host_lines(metrics)
    lines += _gate_lines(metrics, gate)
    if metrics.variant and not lines:
        # A run may have dozens of variants, and the table has their accounts.
        return []
    name = _shortened(one_line(metrics.label, _NAME_LIMIT), terminal_width())
    return [name, *_wrapped("  ", formatting.accounting_line(metrics.tally)), *lines, ""]


def _gate_lines(metrics: ModelMetrics, gate: GateResult | None) -> Iterator[str]:
    if gate is not None:
        yield from _wrapped("  gate: ", formatting.gate_words(gate))
    if metrics.challenge is not None:
        told = as_text(formatting.challenge_sentence(metrics.challenge), lambda name: one_line(name, _NAME_LIMIT))
        yield from _wrapped("  stop when worse: ", told)


def _host_lines(metrics: ModelMetrics) -> Iterator[str]:
    """The failed attempts of each host, and how the hosts differ."""
    for host in metrics.hosts.by_host if metrics.hosts else ():
        if host.failed_attempts:
            where = ascii_name(short(host.host), _HOST_LIMIT)
            yield from _wrapped(f"  attempts failed at {where}: ", failed_attempts(host.failed_attempts))
    for label, sentence in ((f"{_MIXED} mixed: ", mixed_sentence(metrics)), ("", aside_sentence(metrics))):
        if sentence is not None:
            yield from _wrapped(f"  {label}", as_text(sentence, lambda name: ascii_name(short(name), _HOST_LIMIT)))


def _wrapped(label: str, text: str) -> list[str]:
    return wrapped(label, visible(text))


def _shortened(name: str, room: int) -> str:
    """Both ends of a name: its maker is at the beginning, its quantisation at the end."""
    if _columns(name) <= room:
        return name
    tail = _fitting(name[::-1], (room - 1) // 2)[::-1]
    return _fitting(name, room - 1 - _columns(tail)) + "…" + tail


def _fitting(text: str, room: int) -> str:
    used = 0
    for position, character in enumerate(text):
        used += _columns(character)
        if used > room:
            return text[:position]
    return text


def _columns(text: str) -> int:
    """The width of a text in terminal columns: two for a wide letter, none for a combining accent."""
    return sum(
        0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )
