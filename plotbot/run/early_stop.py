"""The sequential gate of a running session: which cases may be asked yet, and what is not needed once it is decided."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any

from plotbot.categories import OK
from plotbot.errors import UsageProblem
from plotbot.measure.betting import Bets
from plotbot.measure.comparison import likest_parts
from plotbot.measure.sequential import SEQUENTIAL
from plotbot.measure.stopping import CHALLENGES, RowTests, sequential_tests
from plotbot.measure.tally import ModelVariant, eval_of, items_by_row, row_of
from plotbot.measure.verdict_sheet import VerdictSheet, is_rated, passes, verdict_sheet
from plotbot.records import NOT_NEEDED, Case, ItemResult, PlannedItem, Question, RunRecords
from plotbot.safe import digest, one_line, plural
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
    of this session have passed it undecided. *challenges* say what rows are compared with (`CHALLENGES` of a header).
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
        challenges: Mapping[str, Any],
    ) -> None:
        self._planned = {planned.item: planned for planned in items}
        of_row: dict[ModelVariant, list[PlannedItem]] = {}
        for one in self._planned.values():
            of_row.setdefault(row_of(cases[one.case]), []).append(one)
        _refuse(settings, of_row, cases, compares=bool(challenges))
        self._slots = slots
        make = partial(
            sequential_tests, of_row, cases, settings.min_pass_rate, settings.gate_every, {CHALLENGES: challenges}
        )
        self._tests = make()
        self._heeding: dict[str, list[RowTests]] = {}
        for tests in self._tests.values():
            for name in tests.names:
                self._heeding.setdefault(name, []).append(tests)
        self._position = {
            self._planned[item].case: (tests, position)
            for tests in self._tests.values()
            for position, item in enumerate(tests.items)
        }
        self._earlier = _stops_of(make(), recorded)
        self._results = dict(recorded)
        self._unneeded: dict[str, str] = {}
        self._lock = threading.Lock()
        for item in self._heeding.keys() & self._planned.keys() - runs_again:
            # What has no verdict, and gets none in this session, may turn out either way later: like an error.
            outcome = recorded[item].outcome if item in recorded else "error"
            for tests in self._heeding[item]:
                if item in recorded or item not in tests.items:
                    tests.feed(item, outcome)

    @property
    def titles(self) -> dict[str, int]:
        """The planned titles of each gate's test, by its row's label."""
        gates = ((row, tests.gate) for row, tests in self._tests.items())
        return {row.label: gate.rule.looks[-1] for row, gate in gates if gate is not None}

    @property
    def described(self) -> list[str]:
        """How it decides, as far as that is not plain, in sentences."""
        rows = self._tests.items()
        shares = [row.label for row, tests in rows if tests.gate and isinstance(tests.gate.rule, Bets)]
        told = (
            [f"sequential gate: a title counts once, by its share of good answers ({_few(shares)})"] if shares else []
        )
        for row, tests in rows:
            if tests.challenge is not None:
                than = one_line(tests.challenge.than, 80)
                told.append(f"{one_line(row.label, 80)} is stopped where it is worse than {than} on the same titles")
        return told

    def may_ask(self, case: Case) -> bool:
        """Whether a case may be asked now."""
        tests, position = self._position.get(case.id, (None, 0))
        if tests is None:
            return True
        stop, reached = tests.stop, tests.reached
        if stop is not None:
            return position < stop
        earlier = self._earlier.get(tests.row)
        if earlier is not None and reached <= earlier:
            return position < earlier
        return position < reached + self._slots - 1

    def taken(self, result: ItemResult) -> ItemResult:
        """The result as it is to be noted: that of an item which is not needed says so, whatever its answer is like."""
        why = self._unneeded.get(result.item)
        return result if why is None else _not_needed(result, why)

    def feed(self, result: ItemResult) -> list[Stop]:
        """Take a noted result. Return what is not needed as far as that has just been decided."""
        stops: list[Stop] = []
        with self._lock:
            self._results[result.item] = result
            waiting = [result]
            while waiting:
                one = waiting.pop()
                for tests in self._heeding.get(one.item, ()):
                    before = tests.stop
                    tests.feed(one.item, one.outcome)
                    if tests.stop not in {None, before}:
                        stops.append(self._stopped(tests))
                        # What a row does without, its challengers cannot be compared with.
                        waiting += stops[-1].results
        return stops

    def decided(self) -> Iterator[Stop]:
        """What is not needed by the recorded results alone."""
        for tests in self._tests.values():
            if tests.stop is not None:
                yield self._stopped(tests)

    def _stopped(self, tests: RowTests) -> Stop:
        why = f"not needed: {_decision(tests)}"
        beyond = tests.items[tests.stop :]
        self._unneeded.update(dict.fromkeys(beyond, why))
        return Stop(why, [_not_needed(self._results.get(item) or self._blank(item), why) for item in beyond])

    def _blank(self, item: str) -> ItemResult:
        return ItemResult(self._planned[item].case, item, NOT_NEEDED, OK)


def challenges_of(
    records: RunRecords, questions: Mapping[str, Question], baseline: VerdictSheet | None, name: str
) -> dict[str, dict[str, Any]]:
    """What each row of a planned run is compared with, for the run's header: a *baseline*, or the run's first row.

    Raises `UsageProblem` if there is nothing to compare with.
    """
    rows = list(items_by_row(records))
    if baseline is not None:
        return _against(baseline, verdict_sheet(records, questions), records, name)
    if len(rows) < 2:
        raise UsageProblem(
            "--stop-when-worse has nothing to compare with: ask two models or two variants (the first is what the "
            "others are compared with), or name a baseline with --baseline FILE"
        )
    return {row.label: {"than": rows[0].label, "row": rows[0].label} for row in rows[1:]}


def _against(
    baseline: VerdictSheet, planned: VerdictSheet, records: RunRecords, name: str
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    parts = {(part.eval, part.model, part.variant, part.asked): then for then, part in likest_parts(baseline, planned)}
    for one in records.items:
        case = records.cases[one.case]
        then = parts.get((eval_of(one.item, case), case.model, case.variant, case.prompt_hash))
        told = None if then is None else then.titles.get(case.title.id)
        if told is None or told.headline != digest(case.title.text) or len(told.verdicts) < case.repeat:
            continue
        word = told.verdicts[case.repeat - 1]
        if is_rated(word):
            row = found.setdefault(row_of(case).label, {"than": name, "passed": {}})
            row["passed"][one.case] = passes(word)
    if not found:
        raise UsageProblem(f"--stop-when-worse: {name} and this run have no rated title in common")
    return found


def _stops_of(tests: Mapping[ModelVariant, RowTests], recorded: Mapping[str, ItemResult]) -> dict[ModelVariant, int]:
    """Where the recorded results alone have stopped each row that they have stopped."""
    for of_row in tests.values():
        of_row.feed_recorded(recorded)
    return {row: of_row.stop for row, of_row in tests.items() if of_row.stop is not None}


def _decision(tests: RowTests) -> str:
    if tests.gate is not None and tests.gate.stop == tests.stop:
        gate = tests.gate.result()
        decided = "decided" if gate.waits else f"decided, {gate.verdict},"
        return f"the sequential gate was {decided} after {gate.titles} of {plural(gate.planned or 0, 'title')}"
    assert tests.challenge is not None, "a row without a gate was stopped by its challenge"
    told = tests.challenge.result()
    return f"worse than {one_line(told.than, 80)} after {told.titles} of {plural(told.planned, 'common title')}"


def _few(labels: Sequence[str]) -> str:
    named = [one_line(label, 80) for label in labels[:3]]
    return ", ".join(named) + (f" and {len(labels) - 3} more" if len(labels) > 3 else "")


def is_sequential(settings: Settings) -> bool:
    return settings.gate == SEQUENTIAL


def _not_needed(result: ItemResult, why: str) -> ItemResult:
    """The same item as not needed. An answer that its eval has kept stays kept, with the verdict that it had."""
    bare = ItemResult(result.case, result.item, NOT_NEEDED, OK, why, seconds=result.seconds, phase=result.phase)
    return replace(bare, kept=True, verdict=result.verdict or result.category) if result.kept else bare


def _refuse(
    settings: Settings,
    of_row: Mapping[ModelVariant, Sequence[PlannedItem]],
    cases: Mapping[str, Case],
    *,
    compares: bool,
) -> None:
    """Raise `UsageProblem` for what a sequential gate cannot be of."""
    origin = f"GATE=sequential ({settings.origins['GATE']})"
    if settings.shard is not None:
        raise UsageProblem(
            f"{origin} and SHARD ({settings.origins['SHARD']}) do not go together: a part of the plan cannot tell when "
            "the whole is decided. Run the plan in one piece, or gate the merged parts with --gate interval."
        )
    if not settings.min_pass_rate and not compares:
        raise UsageProblem(
            f"{origin} needs a threshold to decide about: give one with --min-pass-rate 0.9, or --stop-when-worse"
        )
    for row, items in of_row.items():
        titles = [title for title, _ in groupby(cases[one.case].title.id for one in items)]
        if len(set(titles)) < len(titles):
            raise UsageProblem(
                f"{origin} counts titles, and two evals of {row.label} ask the same ones: the second would have to "
                "wait for the first. Run one eval at a time, or use --gate interval."
            )
