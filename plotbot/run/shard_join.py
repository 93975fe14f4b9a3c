"""The parts of a plan (`--shard 1/3` and so on) put together again: what one run of all of it would have planned.

A part knows its own titles, not where they stood in the draw. But their turns in it follow from the seed and their ids
alone (`plotbot.plan.sample.turn`), so the whole can be put in order without the index that it was drawn from. The same
turns tell whether the parts are of one draw: part N of M has every M-th title, from the N-th on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from plotbot.errors import InputError
from plotbot.plan.plan import named_together
from plotbot.plan.sample import turn
from plotbot.records import Case, PlannedItem
from plotbot.safe import one_line


@dataclass(frozen=True, slots=True)
class Part:
    """What the run called *name* planned as part *number* (from 1) of a plan, cases and items in its order."""

    name: str
    number: int
    cases: Mapping[str, Case]
    items: tuple[PlannedItem, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """The whole, in the order of a run without parts.

    `names` gives an item's name by the one that its part has for it and its case's id: two cases whose slugs are alike
    are told apart in the whole, but not where they are in different parts.
    """

    cases: tuple[Case, ...]
    items: tuple[PlannedItem, ...]
    names: Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class _Placed:
    """An item, and its name before and behind its case's slug; what is before it tells its test."""

    part: Part
    item: PlannedItem
    case: Case
    head: str
    tail: str

    @property
    def sample(self) -> tuple[str, str, str]:
        """What titles were drawn for."""
        return self.head, self.case.model, self.case.prompt_hash


def join(parts: Sequence[Part], *, models: Sequence[str], questions: Iterable[str], seed: int) -> Joined:
    """Put parts of one plan together; some may be missing. *questions* are prompt hashes, in the plan's order.

    Raises `InputError` where the titles of the parts are not of one draw.
    """
    parts = sorted(parts, key=lambda part: part.number)
    placed = [one for part in parts for one in _placed(part)]
    _refuse_shared(placed)
    _refuse_other_draws(placed, [part.number for part in parts], seed)
    order = _Order(_turns(one.head for one in placed), _turns(models), _turns(questions), seed)
    in_plan = sorted(placed, key=order.in_plan)
    named = _named(in_plan)
    cases = {one.case.id: named[one.head, one.case.id] for one in reversed(in_plan)}
    names = {(one.item.item, one.case.id): _name(one, named) for one in placed}
    return Joined(
        cases=tuple(cases[case_id] for case_id in dict.fromkeys(one.case.id for one in in_plan)),
        items=tuple(
            PlannedItem(names[one.item.item, one.case.id], one.case.id) for one in sorted(placed, key=order.in_pytest)
        ),
        names=names,
    )


def _placed(part: Part) -> Iterator[_Placed]:
    for item in part.items:
        case = part.cases.get(item.case)
        if case is None:
            raise InputError(f"run {part.name}: damaged: its plan lacks the case of {one_line(item.item, 120)}")
        head, found, tail = item.item.rpartition(case.slug)
        # An item that is not named after its case stands for a test of its own.
        yield _Placed(part, item, case, head, tail) if found else _Placed(part, item, case, item.item, "")


@dataclass(frozen=True, slots=True)
class _Order:
    """The turns of tests, by the heads of their items, of models, of questions, and of titles."""

    tests: Mapping[str, int]
    models: Mapping[str, int]
    questions: Mapping[str, int]
    seed: int

    def in_plan(self, one: _Placed) -> tuple[Any, ...]:
        case = one.case
        return self.tests[one.head], self._model(case), *self._within_model(case), case.repeat

    def in_pytest(self, one: _Placed) -> tuple[Any, ...]:
        """Items of one title stay as they were: a test may have parameters of its own."""
        return self._model(one.case), self.tests[one.head], *self._within_model(one.case)

    def _model(self, case: Case) -> int:
        return self.models.get(case.model, len(self.models))

    def _within_model(self, case: Case) -> tuple[int, tuple[bytes, str]]:
        question = self.questions.get(case.prompt_hash, len(self.questions))
        return question, turn(self.seed, case.title.id)


def _turns(names: Iterable[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(dict.fromkeys(names))}


def _named(placed: Sequence[_Placed]) -> dict[tuple[str, str], Case]:
    """By test and case id: the case with the slug that it has among all cases of that test."""
    by_test: dict[str, dict[str, Case]] = {}
    for one in placed:
        by_test.setdefault(one.head, {})[one.case.id] = one.case
    return {(head, case.id): case for head, cases in by_test.items() for case in named_together(list(cases.values()))}


def _name(one: _Placed, named: Mapping[tuple[str, str], Case]) -> str:
    is_named_after_it = one.item.item != one.head
    return f"{one.head}{named[one.head, one.case.id].slug}{one.tail}" if is_named_after_it else one.item.item


def _refuse_shared(placed: Iterable[_Placed]) -> None:
    """A title, or a case, belongs to one part. A title may have other words elsewhere: then only its id is the same."""
    owners: dict[tuple[str, ...], _Placed] = {}
    for one in placed:
        for key in ((*one.sample, one.case.title.id), (one.case.id,)):
            owner = owners.setdefault(key, one)
            if owner.part is not one.part:
                raise _not_one_draw(one, f"is in run {owner.part.name} too")


def _refuse_other_draws(placed: Iterable[_Placed], numbers: Sequence[int], seed: int) -> None:
    samples: dict[tuple[str, str, str], dict[str, _Placed]] = {}
    for one in placed:
        samples.setdefault(one.sample, {})[one.case.title.id] = one
    for titles in samples.values():
        drawn = sorted(titles.values(), key=lambda one: turn(seed, one.case.title.id))
        for one, number in zip(drawn, cycle(numbers), strict=False):
            if one.part.number != number:
                raise _not_one_draw(one, f"stands where part {number} should have one")


def _not_one_draw(one: _Placed, why: str) -> InputError:
    title = one_line(one.case.title.id, 60)
    return InputError(
        f"run {one.part.name} does not belong to the others: its title {title} {why}. Parts of one run draw from the "
        "same titles, with no case deselected"
    )
