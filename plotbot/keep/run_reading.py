"""A run read back from its files, whether it runs, has ended or died: the readable is used, the rest is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from plotbot.errors import InputError
from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import LOCK_NAME
from plotbot.keep.journal_reading import Damaged, JournalLine, read_line_at, stream_journal
from plotbot.keep.locks import take_lock
from plotbot.keep.run_folder import RunFolder
from plotbot.records import Case, Exchange, ItemResult, PlannedItem, Question, RunRecords
from plotbot.safe import one_line

# What reading a record raises when a hand or a disk has changed it but left it JSON.
_UNFIT = (KeyError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True, slots=True)
class RunOnDisk:
    """A run as `plan.json` and the journal tell it.

    `results` are by item: the last line about an item counts. `offsets` say by case at which byte of the journal its
    latest exchange stands; one with a reply is never superseded by one with a fault. `replied` are the ids of cases
    that have a reply, `folded` of those
    whose answers were put into their title files. `damaged` are the journal's lines that could not be used.
    """

    folder: RunFolder
    header: Mapping[str, Any]
    questions: Mapping[str, Question]
    cases: Mapping[str, Case]
    items: tuple[PlannedItem, ...]
    results: Mapping[str, ItemResult]
    offsets: Mapping[str, int]
    replied: frozenset[str]
    folded: frozenset[str]
    damaged: tuple[Damaged, ...]
    disk: Disk = field(repr=False, compare=False)

    def exchange(self, case_id: str) -> Exchange | None:
        """A case's latest exchange, texts and all; None where it has none. Raises `KeepError` if it cannot be read."""
        offset = self.offsets.get(case_id)
        return None if offset is None else self._exchange_at(offset)

    def exchanges(self) -> Iterator[Exchange]:
        """Each case's latest exchange in the journal's order, one at a time. Raises `KeepError` as `exchange` does."""
        for offset in sorted(self.offsets.values()):
            yield self._exchange_at(offset)

    def records(self, *, with_exchanges: bool = True) -> RunRecords:
        """What reports are made of; exchanges without their texts, or none at all, which spares reading them again."""
        exchanges = self.exchanges() if with_exchanges else ()
        return RunRecords(
            run=self.folder.run_id,
            header=self.header,
            cases=self.cases,
            items=self.items,
            exchanges={exchange.case: exchange.without_text() for exchange in exchanges},
            results=self.results,
        )

    def _exchange_at(self, offset: int) -> Exchange:
        return Exchange.from_json(read_line_at(self.folder.journal, offset, self.disk).data)


@dataclass(frozen=True, slots=True)
class _Plan:
    header: Mapping[str, Any]
    questions: Mapping[str, Question]
    cases: Mapping[str, Case]
    items: tuple[PlannedItem, ...]


@dataclass(slots=True)
class _Told:
    """What the journal has told so far."""

    cases: Mapping[str, Case]
    results: dict[str, ItemResult] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)
    replied: dict[str, int] = field(default_factory=dict)
    folded: set[str] = field(default_factory=set)
    damaged: list[Damaged] = field(default_factory=list)

    def take(self, line: JournalLine) -> None:
        """Raises one of `_UNFIT` for a record that is not what its kind says. Later versions' kinds are passed over."""
        if line.kind == "exchange":
            self._take_exchange(Exchange.from_json(line.data), line.offset)
        elif line.kind == "verdict":
            result = ItemResult.from_json(line.data)
            self.results[result.item] = result
        elif line.kind == "folded":
            self.folded.update(line.data["cases"])

    def _take_exchange(self, exchange: Exchange, offset: int) -> None:
        if exchange.case not in self.cases:
            raise ValueError(f"its case {exchange.case!r:.40} is not in the plan")
        if exchange.reply is not None or exchange.case not in self.replied:
            self.offsets[exchange.case] = offset
        if exchange.reply is not None:
            self.replied[exchange.case] = offset


def read_run(folder: RunFolder, disk: Disk) -> RunOnDisk:
    """Read a run back. A journal may be damaged, or missing where the run died before its first line.

    Raises `InputError` where the plan is missing or damaged, or the journal cannot be opened; names the file and what
    to do.
    """
    plan = _read_plan(folder, disk)
    told = _Told(plan.cases)
    if folder.journal.exists():
        _read_journal(folder, told, disk)
    return RunOnDisk(
        folder=folder,
        header=plan.header,
        questions=plan.questions,
        cases=plan.cases,
        items=plan.items,
        results=told.results,
        offsets=told.offsets,
        replied=frozenset(told.replied),
        folded=frozenset(told.folded),
        damaged=tuple(told.damaged),
        disk=disk,
    )


def recorded_questions(folder: RunFolder, disk: Disk) -> Mapping[str, Question]:
    """What a run asked, by prompt hash; its journal is not read. Raises `InputError` as `read_run` does."""
    return _read_plan(folder, disk).questions


def is_running(folder: RunFolder) -> bool:
    """Whether a process has the run's journal open for writing just now."""
    path = folder.journal.with_name(LOCK_NAME)
    if not path.exists():
        return False
    try:
        lock = take_lock(path, Disk())
    except OSError:
        # Where even its lock cannot be opened, nobody of this user writes the journal.
        return False
    if lock is not None:
        lock.release()
    return lock is None


def _read_plan(folder: RunFolder, disk: Disk) -> _Plan:
    data = folder.read_json(folder.plan, disk)
    try:
        return _Plan(
            header=dict(data["header"]),
            questions={question["hash"]: Question(**question) for question in data["questions"]},
            cases={case["id"]: Case.from_json(case) for case in data["cases"]},
            items=tuple(PlannedItem(str(item), str(case)) for item, case in data["items"]),
        )
    except _UNFIT as error:
        reason = one_line(f"{type(error).__name__}: {error}", 80)
        raise InputError(
            f"{folder.plan}: damaged, not a plan of plotbot's ({reason}); choose another run with `plotbot runs`"
        ) from error


def _read_journal(folder: RunFolder, told: _Told, disk: Disk) -> None:
    skipped: list[Damaged] = []
    for count, line in enumerate(stream_journal(folder.journal, skipped, disk), start=1):
        try:
            told.take(line)
        except _UNFIT as error:
            reason = one_line(f"not {line.kind} as it should be: {type(error).__name__}: {error}", 160)
            # Every line before this one was either told or skipped.
            told.damaged.append(Damaged(count + len(skipped), line.offset, reason))
    told.damaged = sorted((*told.damaged, *skipped), key=lambda damaged: damaged.line_number)
