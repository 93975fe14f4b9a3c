"""The matrix: titles × columns, with an entry for every planned item.

A column is what a reader compares: a model, with its run, prompt and response format if these differ.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from plotbot.measure.gate import GateResult
from plotbot.measure.judged import JudgedMetrics
from plotbot.measure.metrics import ModelMetrics
from plotbot.measure.tally import BOXES, ModelVariant, row_of
from plotbot.records import NOT_NEEDED, Case, Exchange, ItemResult, PlannedItem, RunRecords, Violation
from plotbot.report.failure_kinds import field_of
from plotbot.safe import digest, one_line

NOT_RUN = "not_run"
Conversation = Callable[[Case], Sequence[Mapping[str, str]]]
"""Gives the messages (`role`, `content`) of a case; none if they are unknown."""
Place = tuple[str, str]
"""A field, without the indices of entries and elements, and the schema keyword that it breaks."""
Value = TypeVar("Value", bound=Hashable)
_LONGEST = 60
_LONGEST_FIELDS = 300
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class PageRun:
    """One run to show.

    `metrics` are those of `records`. `exchanges` hold the texts and are read once, one at a time, so that a journal can
    be streamed; the last one of a case counts. The exchanges inside `records` are not read. `audit` is what
    `plotbot audit` found, as `audit_json` has it; None where it was not asked.
    """

    records: RunRecords
    metrics: Sequence[ModelMetrics]
    exchanges: Iterable[Exchange]
    conversation: Conversation
    gates: Sequence[GateResult] = ()
    judged: JudgedMetrics | None = None
    audit: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the matrix; `contender` is the number of its model, variant and run."""

    contender: int
    response_format: str
    prompt_hash: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One planned item. `key` addresses it in links; `title` and `column` are indices into the matrix's lists."""

    key: str
    run: int
    planned: PlannedItem
    case: Case | None
    result: ItemResult | None
    title: int
    column: int
    places: tuple[Place, ...]

    @property
    def outcome(self) -> str:
        """`passed`, `failed`, `skipped`, `error`, `not_run` or `not_needed`."""
        if self.result is None:
            return NOT_RUN
        # As in the tally: an outcome that a later version wrote counts neither for nor against the model.
        return self.result.outcome if self.result.outcome in BOXES else "error"

    @property
    def category(self) -> str:
        """The verdict's category, or the outcome of an item without a verdict."""
        no_verdict = self.result is None or self.outcome in {"skipped", NOT_NEEDED}
        return self.outcome if self.result is None or no_verdict else self.result.category


@dataclass(frozen=True, slots=True)
class Matrix:
    """All entries in plan order.

    `titles` are (id, text, further fields in one line); `contenders` are (number of the run, model and variant).
    """

    contenders: Sequence[tuple[int, ModelVariant]]
    titles: Sequence[tuple[str, str, str]]
    columns: Sequence[Column]
    entries: Sequence[Entry]


def build_matrix(runs: Sequence[PageRun]) -> Matrix:
    """The matrix of the planned items of all runs, each item once."""
    building = _Building(runs)
    for number, page in enumerate(runs):
        for planned in {planned.item: planned for planned in page.records.items}.values():
            building.add(number, page, planned)
    return building.matrix()


def places_of(violations: Iterable[Violation]) -> tuple[Place, ...]:
    """The cells of the heat map of violations that an answer counts in, each once, in order."""
    return tuple(
        dict.fromkeys((field_of(violation), one_line(violation.keyword, _LONGEST)) for violation in violations)
    )


def fields_line(fields: Mapping[str, Any]) -> str:
    """A title's further fields on one line: `expected: 4 · source: mine`. Texts as they are, other values as JSON."""
    words = (f"{name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in fields.items())
    return one_line(" · ".join(words), _LONGEST_FIELDS)


class _Numbered(Generic[Value]):
    """Values, each once, numbered in the order in which they come."""

    def __init__(self, values: Iterable[Value] = ()) -> None:
        self._numbers: dict[Value, int] = {}
        for value in values:
            self.number(value)

    def number(self, value: Value) -> int:
        return self._numbers.setdefault(value, len(self._numbers))

    def values(self) -> tuple[Value, ...]:
        return tuple(self._numbers)


class _Building:
    def __init__(self, runs: Sequence[PageRun]) -> None:
        models = ((number, one.tally.row) for number, page in enumerate(runs) for one in page.metrics)
        self._contenders = _Numbered(models)
        self._titles = _Numbered[tuple[str, str]]()
        self._fields: dict[tuple[str, str], str] = {}
        self._columns = _Numbered[Column]()
        self._keys: Counter[str] = Counter()
        self._entries: list[Entry] = []

    def add(self, run: int, page: PageRun, planned: PlannedItem) -> None:
        case, result = page.records.cases.get(planned.case), page.records.results.get(planned.item)
        contender = self._contenders.number((run, row_of(case)))
        column = Column(contender, case.response_format, case.prompt_hash) if case else Column(contender, "", "")
        # A damaged plan may lack a case. Its item is known, and is shown instead of the headline.
        title = (case.title.id, case.title.text) if case else ("", planned.item)
        if case is not None and case.title.fields and title not in self._fields:
            self._fields[title] = fields_line(case.title.fields)
        self._entries.append(
            Entry(
                key=self._key(planned.case),
                run=run,
                planned=planned,
                case=case,
                result=result,
                title=self._titles.number(title),
                column=self._columns.number(column),
                places=places_of(result.violations) if result else (),
            )
        )

    def matrix(self) -> Matrix:
        titles = tuple((*title, self._fields.get(title, "")) for title in self._titles.values())
        return Matrix(self._contenders.values(), titles, self._columns.values(), tuple(self._entries))

    def _key(self, case: str) -> str:
        """The case's id, with a number from its second item or run on."""
        plain = case if _PLAIN_KEY.fullmatch(case) else digest(case, 16)
        self._keys[plain] += 1
        return plain if self._keys[plain] == 1 else f"{plain}.{self._keys[plain]}"
