"""Reading a run back from its files, also while it runs or after a crash. Lines that cannot be read are reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from plotbot.errors import InputError
from plotbot.keep.filesystem import Disk, describe
from plotbot.keep.journal import LOCK_NAME
from plotbot.keep.journal_reading import Damaged, JournalLine, read_line_at, stream_journal
from plotbot.keep.locks import take_lock
from plotbot.keep.run_folder import RunFolder
from plotbot.records import FORMAT_NAMES, Case, Exchange, ItemResult, PlannedItem, Question, RunRecords
from plotbot.safe import one_line

# What reading a record raises if its JSON is valid but not what plotbot has written.
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True, slots=True)
class RunOnDisk:
    """A run as its plan.json and journal have it.

    `results` is by item: the last line about an item counts. `offsets` gives for each case the byte of the journal at
    which its latest exchange starts; an exchange with a fault never replaces one with a reply. `replied` holds the ids
    of the cases that have a reply, `folded` of those whose answers are in their title files. `damaged` lists the lines
    of the journal that could not be used.
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
    wrong_models: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By how another model than the pinned one was served: the cases that it may have answered and that were not asked
    again since."""

    @property
    def suspect(self) -> frozenset[str]:
        """Ids of the cases that another model than the pinned one may have answered."""
        return frozenset().union(*self.wrong_models.values())

    def exchange(self, case_id: str) -> Exchange | None:
        """A case's latest exchange with its texts; None if it has none. Raises `KeepError` if it cannot be read."""
        offset = self.offsets.get(case_id)
        return None if offset is None else self._exchange_at(offset)

    def exchanges(self) -> Iterator[Exchange]:
        """Each case's latest exchange, in the journal's order, read one at a time. Raises `KeepError` as above."""
        for offset in sorted(self.offsets.values()):
            yield self._exchange_at(offset)

    def records(self, *, with_exchanges: bool = True) -> RunRecords:
        """The records that reports are made of. Exchanges come without texts, or not at all, which saves time."""
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
class _Contents:
    """The content of the journal, as far as it has been read."""

    cases: Mapping[str, Case]
    results: dict[str, ItemResult] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)
    replied: set[str] = field(default_factory=set)
    folded: set[str] = field(default_factory=set)
    damaged: list[Damaged] = field(default_factory=list)
    wrong_models: dict[str, set[str]] = field(default_factory=dict)

    def take(self, line: JournalLine) -> None:
        """Add a record; later versions' kinds are ignored. Raises one of `_MALFORMED` if it does not fit its kind."""
        if line.kind == "exchange":
            self._take_exchange(Exchange.from_json(line.data), line.offset)
        elif line.kind == "verdict":
            result = ItemResult.from_json(line.data)
            self.results[result.item] = result
        elif line.kind == "folded":
            self.folded.update(line.data["cases"])
        elif line.kind == "wrong_model":
            suspect = [case for case in line.data["cases"] if case in self.cases]
            self.wrong_models.setdefault(str(line.data["why"]), set()).update(suspect)
            # Its answers were withdrawn from their title files.
            self.folded.difference_update(suspect)

    def _take_exchange(self, exchange: Exchange, offset: int) -> None:
        if exchange.case not in self.cases:
            raise ValueError(f"its case {exchange.case!r:.40} is not in the plan")
        if exchange.reply is not None or exchange.case not in self.replied:
            self.offsets[exchange.case] = offset
        if exchange.reply is not None:
            self.replied.add(exchange.case)
            if any(exchange.case in cases for cases in self.wrong_models.values()):
                self._forget_suspect(exchange.case)

    def _forget_suspect(self, case: str) -> None:
        """A suspect case was asked again: what was said of the other model's reply is not about this one."""
        for cases in self.wrong_models.values():
            cases.discard(case)
        self.results = {item: result for item, result in self.results.items() if result.case != case}


def _without_suspect(contents: _Contents) -> dict[str, ItemResult]:
    """The results; those on replies of another model than the pinned one do not say that the answer is kept."""
    suspect = set[str]().union(*contents.wrong_models.values())
    return {
        item: replace(result, kept=False) if result.case in suspect else result
        for item, result in contents.results.items()
    }


def read_run(folder: RunFolder, disk: Disk) -> RunOnDisk:
    """Read a run back. Its journal may be damaged, or missing if the run died before the first line.

    Raises `InputError`, with the file and what to do, if the plan or the journal cannot be used.
    """
    plan = _read_plan(folder, disk)
    contents = _Contents(plan.cases)
    if folder.journal.exists():
        _read_journal(folder, contents, disk)
    return RunOnDisk(
        folder=folder,
        header=plan.header,
        questions=plan.questions,
        cases=plan.cases,
        items=plan.items,
        results=_without_suspect(contents),
        offsets=contents.offsets,
        replied=frozenset(contents.replied),
        folded=frozenset(contents.folded),
        damaged=tuple(contents.damaged),
        disk=disk,
        wrong_models={why: frozenset(cases) for why, cases in contents.wrong_models.items() if cases},
    )


def recorded_questions(folder: RunFolder, disk: Disk) -> Mapping[str, Question]:
    """The questions of a run by prompt hash, without reading its journal. Raises `InputError` as `read_run` does."""
    return _read_plan(folder, disk).questions


def refuse_unusable(folder: RunFolder, disk: Disk) -> None:
    """Raise `InputError` where `read_run` does, without reading the journal."""
    _read_plan(folder, disk)
    if folder.journal.exists():
        try:
            disk.open_read(folder.journal).close()
        except OSError as error:
            raise InputError(describe(error, folder.journal)) from error


def is_running(folder: RunFolder) -> bool:
    """Whether a process has the run's journal open for writing."""
    path = folder.journal.with_name(LOCK_NAME)
    if not path.exists():
        return False
    try:
        lock = take_lock(path, Disk())
    except OSError:
        # If this user cannot even open the lock file, no process of this user writes the journal.
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
            cases={case.id: case for case in _cases(data["cases"], data.get("fields", ()))},
            items=tuple(PlannedItem(*map(str, item)) for item in data["items"]),
        )
    except _MALFORMED as error:
        reason = one_line(f"{type(error).__name__}: {error}", 80)
        raise InputError(
            f"{folder.plan}: damaged, not a plan of plotbot's ({reason}); choose another run with `plotbot runs`"
        ) from error


def _cases(data: Sequence[Mapping[str, Any]], fields: Sequence[Mapping[str, Any]]) -> list[Case]:
    """The cases of a plan. Before variants had names, only response formats could be several in one run."""
    cases = [Case.from_json(_with_fields(case, fields)) for case in data]
    if any(case.variant for case in cases) or len({case.response_format for case in cases}) < 2:
        return cases
    return [replace(case, variant=FORMAT_NAMES.get(case.response_format, case.response_format)) for case in cases]


def _with_fields(case: Mapping[str, Any], fields: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """A case with its title's fields, of which a plan of version 0.2 has the place. Raises one of `_MALFORMED`."""
    title = case["title"]
    place = title.get("fields")
    if not isinstance(place, int):
        return case
    if not 0 <= place < len(fields):
        raise ValueError(f"its fields have no place {place}")
    return {**case, "title": {**title, "fields": fields[place]}}


def _read_journal(folder: RunFolder, contents: _Contents, disk: Disk) -> None:
    skipped: list[Damaged] = []
    for count, line in enumerate(stream_journal(folder.journal, skipped, disk), start=1):
        try:
            contents.take(line)
        except _MALFORMED as error:
            reason = one_line(f"not {line.kind} as it should be: {type(error).__name__}: {error}", 160)
            # Every line before this one was either yielded or skipped.
            contents.damaged.append(Damaged(count + len(skipped), line.offset, reason))
    contents.damaged = sorted((*contents.damaged, *skipped), key=lambda damaged: damaged.line_number)
