"""The recorder writes a run's plan and journal and holds the records that reports are made of.

It creates the run folder with the first exchange, so a session that asks nothing leaves nothing behind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from plotbot.ask.servers.pin import ServedOtherwise
from plotbot.errors import DiskError, KeepError, PlotbotError
from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import Journal
from plotbot.keep.journal_reading import read_line_at, read_lines_at
from plotbot.keep.run_folder import RunFolder, plan_json
from plotbot.keep.run_reading import RunOnDisk
from plotbot.records import WORDS, Case, Exchange, Fault, ItemResult, PlannedItem, Question, RunRecords
from plotbot.safe import without_folders
from plotbot.sharing import shared

CLOSE_SECONDS = 3.0
"""How long a write to the journal is waited for when an item reports, and at the end of the run."""
HELD_BYTES = 8_000_000
"""Bytes of exchanges that stay in memory for the reports; others are read back. One takes about 4,000."""


class RunPlan(Protocol):
    """What a recorder needs of a plan, a new one or an earlier run's."""

    models: tuple[str, ...]
    questions: dict[str, Question]
    cases: dict[str, Case]


class Recorder:
    """One run's recorder. Exchanges come from the threads that ask, results from pytest's thread.

    `unfolded` gives for each case whose answer could not be folded the reason, `disk_refused` says that the disk was
    the reason for one of them. `fault` is set, and *on_fault* called on any thread, once the journal cannot be written.
    What evals and faults say of files names them relative to the project's *root*: reports of it are shared.
    """

    def __init__(
        self,
        folder: RunFolder,
        plan: RunPlan,
        disk: Disk,
        on_fault: Callable[[DiskError], None] = lambda _: None,
        root: Path = Path(),
    ) -> None:
        self.folder = folder
        self._root = root
        self.header: dict[str, Any] = {}
        self.items: tuple[PlannedItem, ...] = ()
        self.unfolded: dict[str, str] = {}
        self.disk_refused = False
        self._wrong_models: dict[str, set[str]] = {}
        self._answered_now: set[str] = set()
        self.fault: DiskError | None = None
        self._on_fault = on_fault
        self._folded: set[str] = set()
        self._folded_before: frozenset[str] = frozenset()
        self._plan = plan
        self._disk = disk
        self._journal: Journal | None = None
        self._opening = threading.Lock()
        self._closed = False
        self._results: dict[str, ItemResult] = {}
        self._exchanges: dict[str, Exchange] = {}
        self._offsets: dict[str, int] = {}
        self._handed_out: dict[str, Exchange] = {}
        self._in_memory: dict[str, Exchange] = {}
        self._room = HELD_BYTES

    @property
    def cases(self) -> Mapping[str, Case]:
        return self._plan.cases

    @property
    def questions(self) -> Mapping[str, Question]:
        return self._plan.questions

    @property
    def opened(self) -> bool:
        """Whether the run is on disk: something has been asked."""
        return self._journal is not None

    def resume(self, run: RunOnDisk) -> None:
        """Continue the journal of *run*. Raises `InputError` if that run still runs."""
        self._journal = Journal.open(self.folder.journal, self._disk)
        # It describes an end that the run has not come to.
        self.folder.summary.unlink(missing_ok=True)
        self.load(run, run.items)
        self._results.update(run.results)
        self._wrong_models.update((why, set(cases)) for why, cases in run.wrong_models.items())
        self._folded.update(run.folded - run.suspect)
        self._folded_before = frozenset(self._folded)

    def load(self, run: RunOnDisk, items: Sequence[PlannedItem]) -> None:
        """Take over header and exchanges of *run*, without opening its journal for writing."""
        self.header = dict(run.header)
        self.items = tuple(items)
        self._exchanges.update(run.records().exchanges)
        self._offsets.update(run.offsets)

    def keep(self, exchange: Exchange) -> Future[int]:
        """Write an exchange; the future gives its offset in the journal once it is durable. Raises `KeepError`."""
        exchange = _exchange_with(exchange, self._shared)
        written = self._open().append("exchange", exchange.to_json())
        if exchange.reply is not None and any(exchange.case in cases for cases in self._wrong_models.values()):
            # Before a test gets the reply and says something new of it.
            self._forget_suspect(exchange.case)
        self._exchanges[exchange.case] = exchange.without_text()
        written.add_done_callback(partial(self._remember, exchange))
        return written

    def recall(self, offset: int) -> Exchange:
        """Read an exchange back from its offset in the journal. Raises `KeepError` if it cannot be read."""
        return Exchange.from_json(read_line_at(self.folder.journal, offset, self._disk).data)

    def note(self, result: ItemResult) -> ItemResult:
        """Write an item's result and return it as written; a later one of the same item replaces it.

        A result that the journal does not take is not counted: its item can be run again.
        """
        result = _result_with(result, self._shared)
        if self.fault is not None:
            return result
        if self._journal is not None:
            written = self._journal.append("verdict", result.to_json(), durable=False)
            # It is shown next, and what has been shown must not be lost if this process is killed.
            with suppress(TimeoutError):
                if (error := written.exception(CLOSE_SECONDS)) is not None:
                    self._fail(error)
                    return result
        self._results[result.item] = result
        return result

    @property
    def wrong_models(self) -> list[str]:
        """How other models than the pinned ones were served, until all that they may have answered was asked again."""
        return [why for why, cases in self._wrong_models.items() if cases]

    @property
    def suspect(self) -> list[Case]:
        """The cases that another model than the pinned one may have answered, and that were not asked again since."""
        return [self.cases[case] for case in sorted(set[str]().union(*self._wrong_models.values()))]

    def note_wrong_models(self, found: Sequence[ServedOtherwise]) -> None:
        """Write which answers of this session another model than the pinned one may have given: none counts as kept."""
        for one in found:
            cases = [case for case in self._answered_now if one.may_have_answered(self._exchanges[case])]
            if cases and self._journal is not None:
                why = without_folders(one.why, self._root)
                self._wrong_models.setdefault(why, set()).update(cases)
                self._journal.append("wrong_model", {"why": why, "cases": sorted(cases)})
        suspect = {case.id for case in self.suspect}
        self._folded -= suspect
        for item, result in self._results.items():
            if result.kept and result.case in suspect:
                self._results[item] = replace(result, kept=False)

    def note_all(self, results: Sequence[ItemResult]) -> None:
        """Write the results of many items, waiting once."""
        for result in results[:-1]:
            self._results[result.item] = result
            if self._journal is not None:
                self._journal.append("verdict", result.to_json(), durable=False)
        for result in results[-1:]:
            self.note(result)

    def case_of(self, item: str) -> str | None:
        """The case id of a planned item; None for the item of any other test."""
        return next((planned.case for planned in self.items if planned.item == item), None)

    def hand_out(self, exchange: Exchange) -> None:
        """Hold an exchange that a test gets now, until `forget_text`: its report comes soon and may show the reply."""
        self._handed_out[exchange.case] = exchange

    def forget_text(self, case_id: str) -> None:
        """The test has reported: what reports still need of its exchange is read back."""
        self._handed_out.pop(case_id, None)

    def measured(self, case_id: str) -> Exchange | None:
        """A case's exchange without its texts; None if there is none."""
        return self._exchanges.get(case_id)

    def exchange_of(self, case_id: str) -> Exchange | None:
        """A case's durable exchange with its texts; None if there is none, or the journal cannot be read."""
        offset = self._offsets.get(case_id)
        if case_id in self._handed_out:
            return self._handed_out[case_id]
        if offset is None or case_id in self._in_memory:
            return self._in_memory.get(case_id)
        with suppress(KeepError):
            return self.recall(offset)
        return None

    def note_folded(self, case_ids: Sequence[str]) -> None:
        """Write which cases' answers are in their title files."""
        self._folded.update(case_ids)
        if self._journal is not None and case_ids:
            self._journal.append("folded", {"cases": list(case_ids)}, durable=False)

    def note_unfolded(self, reasons: Mapping[str, str], *, disk_refused: bool = False) -> None:
        """Note which cases' answers could not be folded, and why; *disk_refused* says that it was the disk."""
        self.unfolded.update(reasons)
        self.disk_refused = self.disk_refused or disk_refused

    @property
    def folded(self) -> frozenset[str]:
        """Ids of the cases whose answers were folded in this session."""
        return frozenset(self._folded - self._folded_before)

    @property
    def held(self) -> list[str]:
        """Ids of the cases whose answers an eval kept and no worker reported folded or unfolded: it was killed."""
        kept = {result.case for result in self._results.values() if result.kept}
        return sorted(kept - self._folded - self.unfolded.keys())

    def exchanges(self) -> Iterator[Exchange]:
        """Each case's durable exchange with its texts, in the journal's order, one at a time.

        Raises `KeepError` if the journal cannot be read.
        """
        cases = sorted(self._offsets, key=lambda case: self._offsets[case])
        on_disk = [self._offsets[case] for case in cases if case not in self._in_memory]
        lines = read_lines_at(self.folder.journal, on_disk, self._disk)
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
        """Write what is queued and close the journal. Raises `KeepError` after `CLOSE_SECONDS`.

        A run that is not on disk yet stays so, whatever answer comes late.
        """
        with self._opening:
            self._closed = True
        if self._journal is not None:
            self._journal.close(CLOSE_SECONDS)

    def _shared(self, text: str) -> str:
        return without_folders(text, self._root)

    def _remember(self, exchange: Exchange, written: Future[int]) -> None:
        if (error := written.exception()) is not None:
            # There is no line to read back.
            self._exchanges.pop(exchange.case, None)
            self._fail(error)
            return
        self._offsets[exchange.case] = written.result()
        if exchange.reply is not None:
            self._answered_now.add(exchange.case)
            for cases in self._wrong_models.values():
                cases.discard(exchange.case)
        self._in_memory.pop(exchange.case, None)
        if self._room > 0:
            self._in_memory[exchange.case] = exchange
            self._room -= exchange.size

    def _forget_suspect(self, case: str) -> None:
        """A suspect case is asked again: what was said of the other model's reply is not about this one."""
        for item, result in list(self._results.items()):
            if result.case == case:
                self._results.pop(item, None)

    def _open(self) -> Journal:
        with self._opening:
            if self._journal is None:
                if self._closed:
                    raise KeepError(f"{self.folder.path}: the run has ended")
                try:
                    self._journal = self._begin()
                except PlotbotError as error:
                    refused = DiskError(str(error))
                    self._fail(refused)
                    raise refused from error
            return self._journal

    def _fail(self, error: BaseException) -> None:
        if self.fault is None:
            self.fault = error if isinstance(error, DiskError) else DiskError(str(error))
            self._on_fault(self.fault)

    def _begin(self) -> Journal:
        """Create the folder with the plan, then open the journal: a journal always has its plan."""
        plan = plan_json(self.folder.run_id, self.header, self.questions.values(), self.cases.values(), self.items)
        self.folder.create(plan, self._disk)
        journal = Journal.open(self.folder.journal, self._disk)
        for result in self._results.values():
            journal.append("verdict", result.to_json(), durable=False)
        return journal


def _result_with(result: ItemResult, change: Callable[[str], str]) -> ItemResult:
    """A result with what its eval says, its message and its findings, changed, and `shared` as far as it goes."""
    if not result.message and not result.findings:
        return result
    findings = tuple(replace(finding, message=change(finding.message)) for finding in result.findings)
    own = replace(result, message=change(result.message), findings=findings)
    return replace(own, **{name: shared(getattr(own, name)) for name in (*WORDS, "violations", "findings")})


def _exchange_with(exchange: Exchange, change: Callable[[str], str]) -> Exchange:
    """An exchange with the sentences of its faults changed."""
    if exchange.fault is None and all(attempt.fault is None for attempt in exchange.attempts):
        return exchange
    attempts = tuple(replace(one, fault=_changed(one.fault, change)) for one in exchange.attempts)
    return replace(exchange, attempts=attempts, fault=_changed(exchange.fault, change))


def _changed(fault: Fault | None, change: Callable[[str], str]) -> Fault | None:
    return None if fault is None else replace(fault, message=change(fault.message))
