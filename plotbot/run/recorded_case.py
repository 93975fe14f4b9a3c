"""One case of a recorded run as text: what was asked, what was said, and what was held against it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from plotbot.ask.transport.prompts import Conversations
from plotbot.keep.run_reading import RunOnDisk
from plotbot.measure.tally import row_of
from plotbot.records import Case, Exchange, ItemResult, PlannedItem
from plotbot.report.explanation import explanation_lines
from plotbot.safe import one_line, plural, visible

_LONGEST_NAME = 200


def case_lines(run: RunOnDisk, wanted: str) -> list[str]:
    """The lines of every case whose id, slug or title id is *wanted*; empty if there is none.

    Control characters are made visible. Raises `KeepError` if the journal cannot be read.
    """
    found = cases_named(run.cases.values(), run.items, wanted)
    items = {case.id: [item.item for item in run.items if item.case == case.id] for case in found}
    return [visible(line) for case in found for line in _lines(run, case, items[case.id])]


def cases_named(cases: Iterable[Case], items: Iterable[PlannedItem], wanted: str) -> list[Case]:
    """The cases whose id, slug or title id is *wanted*, or that an item of this name asks."""
    # A page numbers the items of one case from the second on: `id.2`.
    names = {wanted, wanted.partition(".")[0]}
    names |= {item.case for item in items if wanted in {item.item, item.item.rpartition("::")[2]}}
    return [case for case in cases if names & {case.id, case.slug, case.title.id}]


def _lines(run: RunOnDisk, case: Case, items: list[str]) -> Iterator[str]:
    yield f"case {case.id} of run {run.folder.run_id}: {one_line(case.slug, _LONGEST_NAME)}"
    yield f"model: {one_line(row_of(case).label, _LONGEST_NAME)}"
    yield f"title: {one_line(case.title.text, _LONGEST_NAME)}"
    for item in items:
        yield from _verdict(item, run.results.get(item))
    for message in Conversations(run.questions).of(case):
        yield from _part(message["role"], message["content"])
    exchange = run.exchange(case.id)
    if exchange is not None:
        yield from _answer(exchange)
    yield ""


def _verdict(item: str, result: ItemResult | None) -> Iterator[str]:
    if result is None:
        yield f"{item}: not run"
        return
    yield f"{item}: {result.outcome}, {result.category}"
    yield from (f"  {line}" for line in explanation_lines(result))


def _answer(exchange: Exchange) -> Iterator[str]:
    took = f"{exchange.seconds:.2f} s, {plural(len(exchange.attempts), 'attempt')}"
    if exchange.fault is not None:
        yield from _part(f"no reply ({took})", exchange.fault.message)
        yield from _part("body", exchange.raw.decode("utf-8", "backslashreplace"))
    if exchange.reply is not None:
        yield from _part("reasoning", exchange.reply.reasoning)
        yield from _part(f"reply ({took})", exchange.reply.content or "(empty)")


def _part(label: str, text: str) -> Iterator[str]:
    if text:
        yield f"--- {label}"
        yield text
