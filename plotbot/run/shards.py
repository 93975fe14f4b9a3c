"""The runs of shards (`--shard 1/3` and so on): which belong together, and the plan that they are the parts of.

A part knows its own titles, not their places in the draw. A title's turn in the draw follows from the seed and its id
alone (`plotbot.plan.sample.rank`), so the whole plan can be put in order without the index that it was drawn from. The
turns also tell whether the parts are of one draw: part N of M has every M-th title, from the N-th on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, TypeVar

from plotbot.ask.servers.model_patterns import is_pattern
from plotbot.errors import InputError, PlotbotError
from plotbot.fingerprint import Fingerprint
from plotbot.keep.run_reading import RunOnDisk
from plotbot.plan.plan import with_unique_slugs
from plotbot.plan.sample import rank
from plotbot.records import Case, PlannedItem
from plotbot.safe import digest, one_line
from plotbot.settings import Settings
from plotbot.settings.keys import Key, keys_deciding
from plotbot.settings.values import plain

Name = TypeVar("Name")


@dataclass(frozen=True, slots=True)
class Shard:
    """A run with `--shard number/of`. `plan` holds, by name, what all parts of a plan must have in common."""

    run: RunOnDisk
    number: int
    of: int
    seed: int
    plan: Mapping[str, Any]
    fingerprints: Mapping[str, Fingerprint]
    servers: Sequence[Mapping[str, Any]]

    @property
    def name(self) -> str:
        return self.run.folder.run_id

    @property
    def label(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def part(self) -> Part:
        return Part(self.name, self.number, self.run.cases, self.run.items)


def as_shard(run: RunOnDisk, settings: Settings) -> Shard:
    """Read a run as a shard; of today's *settings* only the root is used.

    Raises `InputError` if the run was no shard, or its plan is damaged.
    """
    name, header = run.folder.run_id, run.header
    if "merged" in header:
        raise InputError(f"run {name} is merged already: name the runs that it was merged from")
    try:
        values = {key.field: value for key, value in _compared(header)}
        then = settings.with_values(f"run {name}", **values)
        if then.shard is None:
            raise InputError(f"run {name} was no part of a plan: it ran without --shard")
        return Shard(
            run, *then.shard, then.sample_seed, _plan(run, then.shard[1]), _fingerprints(run), list(header["servers"])
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{run.folder.plan}: its header is damaged ({one_line(repr(error), 80)})") from error


def refuse_unrelated(shards: Sequence[Shard], warn: Callable[[str], None]) -> None:
    """Raise `InputError`, naming each key, if the runs are not different parts of one plan; warn of other servers.

    A field of a model's fingerprint that one of two runs does not know is not compared.
    """
    first = shards[0]
    for number, one in enumerate(shards[1:], start=1):
        if differences := [*_other_plan(first, one), *_other_model(first, one, Fingerprint.MODEL)]:
            raise InputError(f"runs {first.name} and {one.name} are no parts of one plan: {'; '.join(differences)}")
        twin = next((other for other in shards[:number] if other.number == one.number), None)
        if twin is not None:
            raise InputError(f"runs {twin.name} and {one.name} are the same part, {one.label}: leave one of them out")
        for difference in (*_other_version(first, one), *_other_model(first, one, Fingerprint.SERVER)):
            warn(f"runs {first.name} and {one.name}: {difference}; they are merged all the same")


def _compared(header: Mapping[str, Any]) -> Iterator[tuple[Key, Any]]:
    """The keys that all parts have in common, with the run's values.

    A key that the run's version did not have yet has its default. The paths of the eval files are left out: their
    contents are compared.
    """
    then = header["settings"]
    for key in keys_deciding("plan", "seed", "request", "verdict", "gate"):
        yield key, then[key.name] if key.decides == "seed" else then.get(key.name, plain(key, key.default))


def _plan(run: RunOnDisk, parts: int) -> dict[str, Any]:
    header = run.header
    evals = [(one["files"], list(one["hashes"])) for one in header["evals"]]
    questions = [run.questions[one] for _, hashes in evals for one in hashes]
    return {
        "SHARD's number of parts": parts,
        **{key.name: value for key, value in _compared(header) if key.name != "SHARD"},
        "--embedded": bool(header.get("embedded")),
        "MODEL": _models(header),
        "the files of the evals": [{role: _portable(file) for role, file in files.items()} for files, _ in evals],
        "the variants": [list(one.get("variants", [])) for one in header["evals"]],
        "the prompt": [digest(question.prompt) for question in questions],
        "the schema": [digest(json.dumps(question.schema)) for question in questions],
        "the prompt hash": [question.hash for question in questions],
    }


def _models(header: Mapping[str, Any]) -> list[str]:
    """The models. Those that `all` or a pattern meant are in the order in which they were loaded, which may differ."""
    models = [str(model) for model in header["models"]]
    return sorted(models) if any(map(is_pattern, header["settings"].get("MODEL") or ())) else models


def _portable(file: str | list[str]) -> str | list[str]:
    """A path that can be compared between machines: one outside of the project is reduced to its file name."""
    if isinstance(file, list):
        return [str(_portable(one)) for one in file]
    elsewhere = PurePosixPath(file).is_absolute() or PureWindowsPath(file).is_absolute()
    return PureWindowsPath(file).name if elsewhere else file


def _fingerprints(run: RunOnDisk) -> dict[str, Fingerprint]:
    """The fingerprints of the header, completed from each model's first answer, which was given once it was loaded.

    The header takes precedence: with several hosts it describes the first, while an answer may come from any.
    """
    known = {str(model): dict(told) for model, told in run.header.get("fingerprints", {}).items()}
    seen: set[str] = set()
    for case_id in sorted(run.replied, key=run.offsets.__getitem__):
        model = run.cases[case_id].model
        if model not in seen:
            seen.add(model)
            known[model] = {**_answered_by(run, case_id), **known.get(model, {})}
    return {model: Fingerprint.from_json(told) for model, told in known.items()}


def _answered_by(run: RunOnDisk, case_id: str) -> Mapping[str, Any]:
    try:
        exchange = run.exchange(case_id)
    except PlotbotError as error:
        raise InputError(str(error)) from error
    return {} if exchange is None else exchange.fingerprint.to_json()


def _other_plan(first: Shard, one: Shard) -> Iterator[str]:
    named = [key for key, value in first.plan.items() if one.plan[key] != value]
    for key in named:
        # A changed prompt, schema or format changes the hash too; alone it means another version's wording.
        if key != "the prompt hash" or not {"the prompt", "the schema", "RESPONSE_FORMAT"} & set(named):
            yield _difference(key, first.plan[key], one.plan[key])


def _other_model(first: Shard, one: Shard, fields: Sequence[str]) -> Iterator[str]:
    for model, told in first.fingerprints.items():
        other = one.fingerprints.get(model, Fingerprint())
        for field in told.differing(other, fields):
            yield _difference(f"{one_line(model, 80)}: {field}", getattr(told, field), getattr(other, field))


def _other_version(first: Shard, one: Shard) -> Iterator[str]:
    ours, theirs = (shard.run.header.get("plotbot") for shard in (first, one))
    if ours != theirs:
        yield _difference("plotbot", ours, theirs)


def _difference(what: str, ours: object, theirs: object) -> str:
    return f"{what} is {_shown(ours)} in one, {_shown(theirs)} in the other"


def _shown(value: object) -> str:
    if value is None or value == []:
        return "not set"
    return one_line(", ".join(map(str, value)) if isinstance(value, list) else str(value), 80)


@dataclass(frozen=True, slots=True)
class Part:
    """What the run *name* planned as part *number* (from 1) of a plan: cases and items, in its order."""

    name: str
    number: int
    cases: Mapping[str, Case]
    items: tuple[PlannedItem, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """The whole plan, in the order of a run without `--shard`.

    `names` gives an item's name in the whole by its name in its part and its case's id. They differ where two cases of
    different parts have the same slug: only the whole has to tell them apart.
    """

    cases: tuple[Case, ...]
    items: tuple[PlannedItem, ...]
    names: Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class _Placed:
    """An item, with the parts of its name before and after its case's slug; `head` identifies its test."""

    part: Part
    item: PlannedItem
    case: Case
    head: str
    tail: str

    @property
    def sample(self) -> tuple[str, ...]:
        """The test, model, prompt hash and variant that titles were drawn for together."""
        return self.head, self.case.model, self.case.prompt_hash, self.case.variant


def join(parts: Sequence[Part], *, models: Sequence[str], questions: Iterable[str], seed: int) -> Joined:
    """Join parts of one plan, of which some may be missing. *questions* are prompt hashes, in the plan's order.

    Raises `InputError` if the titles of the parts are not of one draw.
    """
    parts = sorted(parts, key=lambda part: part.number)
    placed = [one for part in parts for one in _placed(part)]
    _refuse_shared(placed)
    _refuse_other_draws(placed, [part.number for part in parts], seed)
    tests, variants = _turns(one.head for one in placed), _turns((one.head, one.case.variant) for one in placed)
    order = _Order(tests, _turns(models), _turns(questions), variants, seed)
    in_plan = sorted(placed, key=order.in_plan)
    named = _named(in_plan)
    cases = {one.case.id: named[one.head, one.case.id] for one in reversed(in_plan)}
    names = {(one.item.item, one.case.id): _name(one, named) for one in placed}
    return Joined(
        cases=tuple(cases[case_id] for case_id in dict.fromkeys(one.case.id for one in in_plan)),
        items=tuple(
            replace(one.item, item=names[one.item.item, one.case.id]) for one in sorted(placed, key=order.in_pytest)
        ),
        names=names,
    )


def _placed(part: Part) -> Iterator[_Placed]:
    for item in part.items:
        case = part.cases.get(item.case)
        if case is None:
            raise InputError(f"run {part.name}: damaged: its plan lacks the case of {one_line(item.item, 120)}")
        head, found, tail = item.item.rpartition(case.slug)
        # An item without its case's slug in its name is treated as a test of its own.
        yield _Placed(part, item, case, head, tail) if found else _Placed(part, item, case, item.item, "")


@dataclass(frozen=True, slots=True)
class _Order:
    """The positions of tests (by the heads of their items), models, questions and a test's variants.

    The seed orders titles.
    """

    tests: Mapping[str, int]
    models: Mapping[str, int]
    questions: Mapping[str, int]
    variants: Mapping[tuple[str, str], int]
    seed: int

    def in_plan(self, one: _Placed) -> tuple[Any, ...]:
        case = one.case
        return self.tests[one.head], self._model(case), *self._within_model(one), case.repeat

    def in_pytest(self, one: _Placed) -> tuple[Any, ...]:
        """Items of one title keep their order: a test may have parameters of its own."""
        return self._model(one.case), self.tests[one.head], *self._within_model(one)

    def _model(self, case: Case) -> int:
        return self.models.get(case.model, len(self.models))

    def _within_model(self, one: _Placed) -> tuple[int, int, tuple[bytes, str]]:
        question = self.questions.get(one.case.prompt_hash, len(self.questions))
        return question, self.variants[one.head, one.case.variant], rank(self.seed, one.case.title.id)


def _turns(names: Iterable[Name]) -> dict[Name, int]:
    return {name: number for number, name in enumerate(dict.fromkeys(names))}


def _named(placed: Sequence[_Placed]) -> dict[tuple[str, str], Case]:
    """By test and case id, the case with its slug among all cases of that test."""
    by_test: dict[str, dict[str, Case]] = {}
    for one in placed:
        by_test.setdefault(one.head, {})[one.case.id] = one.case
    return {
        (head, case.id): case for head, cases in by_test.items() for case in with_unique_slugs(list(cases.values()))
    }


def _name(one: _Placed, named: Mapping[tuple[str, str], Case]) -> str:
    is_named_after_it = one.item.item != one.head
    return f"{one.head}{named[one.head, one.case.id].slug}{one.tail}" if is_named_after_it else one.item.item


def _refuse_shared(placed: Iterable[_Placed]) -> None:
    """Raise `InputError` if two parts share a title id or a case. The title's words may differ, its id may not."""
    owners: dict[tuple[str, ...], _Placed] = {}
    for one in placed:
        for key in ((*one.sample, one.case.title.id), (one.case.id,)):
            owner = owners.setdefault(key, one)
            if owner.part is not one.part:
                raise _not_one_draw(one, f"is in run {owner.part.name} too")


def _refuse_other_draws(placed: Iterable[_Placed], numbers: Sequence[int], seed: int) -> None:
    samples: dict[tuple[str, ...], dict[str, _Placed]] = {}
    for one in placed:
        samples.setdefault(one.sample, {})[one.case.title.id] = one
    for titles in samples.values():
        drawn = sorted(titles.values(), key=lambda one: rank(seed, one.case.title.id))
        for one, number in zip(drawn, cycle(numbers), strict=False):
            if one.part.number != number:
                raise _not_one_draw(one, f"stands where part {number} should have one")


def _not_one_draw(one: _Placed, why: str) -> InputError:
    title = one_line(one.case.title.id, 60)
    return InputError(
        f"run {one.part.name} does not belong to the others: its title {title} {why}. Parts of one run draw from the "
        "same titles, with no case deselected"
    )
