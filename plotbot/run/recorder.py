"""What a run writes down of itself: the plan, the journal, and from both the records that reports are made of.

The run folder comes with the first exchange: a session that asks nothing leaves nothing behind.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from plotbot.errors import KeepError
from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import Journal
from plotbot.keep.journal_reading import read_line_at, read_lines_at
from plotbot.keep.run_folder import RunFolder, plan_json
from plotbot.keep.run_reading import RunOnDisk
from plotbot.records import Case, Exchange, ItemResult, PlannedItem, Question, RunRecords

CLOSE_SECONDS = 3.0
HELD_CHARACTERS = 2_000_000
"""So much text stays in memory for the reports; what is beyond is read back. A reply has about a thousand."""


class RunPlan(Protocol):
    """What a recorder needs of a plan, a new one or an earlier run's."""

    models: tuple[str, ...]
    questions: dict[str, Question]
    cases: dict[str, Case]


class Recorder:
    """One run's recorder. Exchanges come from the asking threads, results from pytest's own."""

    def __init__(self, folder: RunFolder, plan: RunPlan, disk: Disk) -> None:
        self.folder = folder
        self.header: dict[str, Any] = {}
        self.items: tuple[PlannedItem, ...] = ()
        self.unfolded: dict[str, str] = {}
        self._folded: set[str] = set()
        self._plan = plan
        self._disk = disk
        self._journal: Journal | None = None
        self._opening = threading.Lock()
        self._results: dict[str, ItemResult] = {}
        self._exchanges: dict[str, Exchange] = {}
        self._places: dict[str, int] = {}
        self._in_memory: dict[str, Exchange] = {}
        self._room = HELD_CHARACTERS

    @property
    def cases(self) -> Mapping[str, Case]:
        return self._plan.cases

    @property
    def questions(self) -> Mapping[str, Question]:
        return self._plan.questions

    @property
    def opened(self) -> bool:
        """Whether there is a run on disk: whether anything has been asked."""
        return self._journal is not None

    def take_up(self, run: RunOnDisk, items: Sequence[PlannedItem]) -> None:
        """Go on with a run's own journal. Raises `InputError` where that run still runs."""
        self._journal = Journal.open(self.folder.journal, self._disk)
        # It spoke of an end that was none.
        self.folder.summary.unlink(missing_ok=True)
        known = {item.item for item in run.items}
        self.look_into(run, (*run.items, *(item for item in items if item.item not in known)))
        self._results.update(run.results)
        self._folded.update(run.folded)

    def look_into(self, run: RunOnDisk, items: Sequence[PlannedItem]) -> None:
        """Know what a run was asked and answered, without a word of one's own to it."""
        self.header = dict(run.header)
        self.items = tuple(items)
        self._exchanges.update(run.records().exchanges)
        self._places.update(run.offsets)

    def keep(self, exchange: Exchange) -> Future[int]:
        """Make an exchange durable; the future gives its place in the journal. Raises `KeepError`."""
        self._exchanges[exchange.case] = exchange.without_text()
        place = self._open().append("exchange", exchange.to_json())
        place.add_done_callback(partial(self._remember, exchange))
        return place

    def recall(self, offset: int) -> Exchange:
        """Read a kept exchange back."""
        return Exchange.from_json(read_line_at(self._open().path, offset).data)

    def note(self, result: ItemResult) -> None:
        """Write down what became of an item; a later word about the same item counts."""
        self._results[result.item] = result
        if self._journal is not None:
            written = self._journal.append("verdict", result.to_json(), durable=False)
            # It is shown next, and what is shown must outlive this process.
            with suppress(TimeoutError):
                written.exception(CLOSE_SECONDS)

    def case_of(self, item: str) -> str | None:
        """The case of a planned item; None for a test that is no eval."""
        return next((planned.case for planned in self.items if planned.item == item), None)

    def measured(self, case_id: str) -> Exchange | None:
        """A case's exchange without its texts: how long it took and what it cost."""
        return self._exchanges.get(case_id)

    def exchange_of(self, case_id: str) -> Exchange | None:
        """A case's durable exchange with its texts; None where there is none, or the journal cannot be read."""
        place = self._places.get(case_id)
        if place is None or case_id in self._in_memory:
            return self._in_memory.get(case_id)
        with suppress(KeepError):
            return Exchange.from_json(read_line_at(self.folder.journal, place).data)
        return None

    def folded(self, case_ids: Sequence[str]) -> None:
        self._folded.update(case_ids)
        if self._journal is not None and case_ids:
            self._journal.append("folded", {"cases": list(case_ids)}, durable=False)

    @property
    def held(self) -> list[str]:
        """Cases whose answers nobody has spoken of since an eval kept them: a killed worker takes its queue with it."""
        kept = {result.case for result in self._results.values() if result.kept}
        return sorted(kept - self._folded - self.unfolded.keys())

    def exchanges(self) -> Iterator[Exchange]:
        """Each case's durable exchange with its texts, in the journal's order, one at a time.

        Raises `KeepError` where the journal cannot be read.
        """
        cases = sorted(self._places, key=lambda case: self._places[case])
        elsewhere = [self._places[case] for case in cases if case not in self._in_memory]
        lines = read_lines_at(self.folder.journal, elsewhere, self._disk)
        return (self._in_memory.get(case) or Exchange.from_json(next(lines).data) for case in cases)

    def records(self) -> RunRecords:
        return RunRecords(
            run=self.folder.run_id,
            header=self.header,
            cases=self.cases,
            items=self.items,
            exchanges=self._exchanges,
            results=self._results,
        )

    def close(self) -> None:
        """Write out what is queued. Raises `KeepError` where the disk takes too long over it."""
        if self._journal is not None:
            self._journal.close(CLOSE_SECONDS)

    def _remember(self, exchange: Exchange, place: Future[int]) -> None:
        """Of a line that the disk refused there is nothing to read back."""
        if place.exception() is not None:
            return
        self._places[exchange.case] = place.result()
        self._in_memory.pop(exchange.case, None)
        if self._room > 0:
            self._in_memory[exchange.case] = exchange
            self._room -= exchange.size

    def _open(self) -> Journal:
        with self._opening:
            if self._journal is None:
                self._journal = self._begin()
            return self._journal

    def _begin(self) -> Journal:
        """Write the plan, then open the journal, so that a journal always has its plan."""
        self.folder.create(self._disk)
        plan = plan_json(self.folder.run_id, self.header, self.questions.values(), self.cases.values(), self.items)
        self.folder.write_json(self.folder.plan, plan, self._disk)
        journal = Journal.open(self.folder.journal, self._disk)
        for result in self._results.values():
            journal.append("verdict", result.to_json(), durable=False)
        return journal
