"""The sequential gate of a running session: which cases may be asked yet, and what is not needed once it is decided."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from plotbot.categories import OK
from plotbot.errors import UsageProblem
from plotbot.measure.sequential import SEQUENTIAL
from plotbot.measure.stopping import SequentialTest, sequential_tests
from plotbot.measure.tally import ModelVariant, row_of
from plotbot.records import NOT_NEEDED, Case, ItemResult, PlannedItem
from plotbot.settings import Settings


@dataclass(frozen=True, slots=True)
class Stop:
    """A decided test: the items beyond it, with their results as they are to be noted."""

    why: str
    results: Sequence[ItemResult]


class EarlyStop:
    """The tests of a session's rows. Results come from pytest's thread; any thread may ask `may_ask`.

    Requests go at most slots - 1 cases beyond the next look: that is what is in flight when its last verdict comes.
    Where *recorded* results of the run have decided a test before, no case beyond that stop is asked until the verdicts
    of this session have passed it undecided.
    """

    def __init__(
        self,
        settings: Settings,
        items: Sequence[PlannedItem],
        cases: Mapping[str, Case],
        *,
        slots: int,
        recorded: Mapping[str, ItemResult],
        runs_again: frozenset[str],
    ) -> None:
        planned = {planned.item: planned for planned in items}
        of_row: dict[ModelVariant, list[str]] = {}
        for item, one in planned.items():
            of_row.setdefault(row_of(cases[one.case]), []).append(item)
        _refuse(settings, of_row, planned, cases)
        self._planned = planned
        self._slots = slots
        self._tests = sequential_tests(of_row, settings.min_pass_rate, settings.gate_every)
        self._by_item = {item: test for test in self._tests.values() for item in test.items}
        self._position = {
            planned[item].case: (test, position)
            for test in self._tests.values()
            for position, item in enumerate(test.items)
        }
        self._earlier = self._earlier_stops(settings, of_row, recorded)
        self._results = dict(recorded)
        self._unneeded: dict[str, str] = {}
        self._lock = threading.Lock()
        for item, result in recorded.items():
            if item in self._by_item and item not in runs_again:
                self._by_item[item].feed(item, result.outcome)

    @property
    def titles(self) -> dict[str, int]:
        """The planned titles of each test, by its row's label."""
        return {row.label: test.design.titles for row, test in self._tests.items()}

    def may_ask(self, case: Case) -> bool:
        """Whether a case may be asked now."""
        test, position = self._position.get(case.id, (None, 0))
        if test is None:
            return True
        if test.stop is not None:
            return position < test.stop
        earlier = self._earlier.get(test.row)
        if earlier is not None and test.reached <= earlier:
            return position < earlier
        return position < test.reached + self._slots - 1

    def taken(self, result: ItemResult) -> ItemResult:
        """The result as it is to be noted: that of an item which is not needed says so, whatever its answer is like."""
        why = self._unneeded.get(result.item)
        return result if why is None else _not_needed(result, why)

    def feed(self, result: ItemResult) -> Stop | None:
        """Take a noted result. Return what is not needed if that has just been decided."""
        with self._lock:
            self._results[result.item] = result
            test = self._by_item.get(result.item)
            if test is None:
                return None
            before = test.stop
            test.feed(result.item, result.outcome)
            return None if test.stop in {None, before} else self._stopped(test)

    def decided(self) -> Iterator[Stop]:
        """What is not needed by the recorded results alone."""
        for test in self._tests.values():
            if test.stop is not None:
                yield self._stopped(test)

    def _stopped(self, test: SequentialTest) -> Stop:
        gate = test.result()
        decided = "decided" if gate.waits else f"decided, {gate.verdict},"
        why = f"not needed: the sequential gate was {decided} after {gate.titles} of {gate.planned} titles"
        beyond = test.items[test.stop :]
        self._unneeded.update(dict.fromkeys(beyond, why))
        return Stop(why, [_not_needed(self._results.get(item) or self._blank(item), why) for item in beyond])

    def _blank(self, item: str) -> ItemResult:
        return ItemResult(self._planned[item].case, item, NOT_NEEDED, OK)

    def _earlier_stops(
        self, settings: Settings, of_row: Mapping[ModelVariant, Sequence[str]], recorded: Mapping[str, ItemResult]
    ) -> dict[ModelVariant, int]:
        tests = sequential_tests(of_row, settings.min_pass_rate, settings.gate_every) if recorded else {}
        for test in tests.values():
            for item in test.items:
                if item in recorded:
                    test.feed(item, recorded[item].outcome)
        return {row: test.stop for row, test in tests.items() if test.stop is not None}


def is_sequential(settings: Settings) -> bool:
    return settings.gate == SEQUENTIAL


def _not_needed(result: ItemResult, why: str) -> ItemResult:
    """The same item as not needed. An answer that its eval has kept stays kept, with the verdict that it had."""
    bare = ItemResult(result.case, result.item, NOT_NEEDED, OK, why, seconds=result.seconds, phase=result.phase)
    return replace(bare, kept=True, verdict=result.verdict or result.category) if result.kept else bare


def _refuse(
    settings: Settings,
    of_row: Mapping[ModelVariant, Sequence[str]],
    planned: Mapping[str, PlannedItem],
    cases: Mapping[str, Case],
) -> None:
    """Raise `UsageProblem` for what a sequential gate cannot be of."""
    origin = f"GATE=sequential ({settings.origins['GATE']})"
    if settings.shard is not None:
        raise UsageProblem(
            f"{origin} and SHARD ({settings.origins['SHARD']}) do not go together: a part of the plan cannot tell when "
            "the whole is decided. Run the plan in one piece, or gate the merged parts with --gate interval."
        )
    if not settings.min_pass_rate:
        raise UsageProblem(f"{origin} needs a threshold to decide about: give one with --min-pass-rate 0.9")
    for row, items in of_row.items():
        titles = [cases[planned[item].case].title.id for item in items]
        if len(set(titles)) < len(titles):
            raise UsageProblem(
                f"{origin} needs one answer for each title, and {row.label} has several (REPEATS, or two evals of the "
                "same titles): they are not independent, and the test counts titles. Ask each once, or use "
                "--gate interval, which knows about repeats."
            )
