"""Runs that claim to be parts of one plan: what each was told, and whether they belong together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from plotbot.ask.servers.pin import MODEL_FIELDS
from plotbot.errors import InputError, PlotbotError
from plotbot.keep.run_reading import RunOnDisk
from plotbot.safe import digest, one_line
from plotbot.settings import Settings
from plotbot.settings.keys import Key, keys_deciding

_SERVER_FIELDS = ("server", "server_version")

Fingerprints = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Shard:
    """A run with `--shard number/of`. `plan` is, by name, what all parts of a plan have in common."""

    run: RunOnDisk
    number: int
    of: int
    seed: int
    plan: Mapping[str, Any]
    fingerprints: Fingerprints
    servers: Sequence[Mapping[str, Any]]

    @property
    def name(self) -> str:
        return self.run.folder.run_id

    @property
    def part(self) -> str:
        return f"{self.number}/{self.of}"


def as_shard(run: RunOnDisk, settings: Settings) -> Shard:
    """What a run says of itself; *settings* are today's and lend it a root only.

    Raises `InputError` where it was no shard, or its plan is damaged.
    """
    name, header = run.folder.run_id, run.header
    if "merged" in header:
        raise InputError(f"run {name} is merged already: name the runs that it was merged from")
    try:
        values = {key.field: header["settings"][key.name] for key in _compared_keys()}
        then = settings.with_values(f"run {name}", **values)
        if then.shard is None:
            raise InputError(f"run {name} was no part of a plan: it ran without --shard")
        return Shard(
            run, *then.shard, then.sample_seed, _plan(run, then.shard[1]), _fingerprints(run), list(header["servers"])
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{run.folder.plan}: its header is damaged ({one_line(repr(error), 80)})") from error


def refuse_strangers(shards: Sequence[Shard], warn: Callable[[str], None]) -> None:
    """Raise `InputError`, key by key, where runs are not different parts of one plan; warn of other servers.

    Of a model's fingerprint, a field that one of two runs was not told proves nothing and is passed over.
    """
    first = shards[0]
    for number, one in enumerate(shards[1:], start=1):
        if differences := [*_other_plan(first, one), *_other_model(first, one, MODEL_FIELDS)]:
            raise InputError(f"runs {first.name} and {one.name} are no parts of one plan: {'; '.join(differences)}")
        twin = next((other for other in shards[:number] if other.number == one.number), None)
        if twin is not None:
            raise InputError(f"runs {twin.name} and {one.name} are the same part, {one.part}: leave one of them out")
        for difference in (*_other_version(first, one), *_other_model(first, one, _SERVER_FIELDS)):
            warn(f"runs {first.name} and {one.name}: {difference}; they are merged all the same")


def _compared_keys() -> tuple[Key, ...]:
    """The paths of the eval files are left out: their contents are compared."""
    return keys_deciding("plan", "seed", "request", "verdict", "gate")


def _plan(run: RunOnDisk, parts: int) -> dict[str, Any]:
    header = run.header
    evals = [(one["files"], list(one["hashes"])) for one in header["evals"]]
    questions = [run.questions[one] for _, hashes in evals for one in hashes]
    return {
        "SHARD's number of parts": parts,
        **{key.name: header["settings"][key.name] for key in _compared_keys() if key.name != "SHARD"},
        "--embedded": bool(header.get("embedded")),
        "MODEL": [str(model) for model in header["models"]],
        "the files of the evals": [{role: _portable(file) for role, file in files.items()} for files, _ in evals],
        "the prompt": [digest(question.prompt) for question in questions],
        "the schema": [digest(json.dumps(question.schema)) for question in questions],
        "the prompt hash": [question.hash for question in questions],
    }


def _portable(file: str) -> str:
    """A file as any machine may have it: below the project as it is, elsewhere by its name alone."""
    elsewhere = PurePosixPath(file).is_absolute() or PureWindowsPath(file).is_absolute()
    return PureWindowsPath(file).name if elsewhere else file


def _fingerprints(run: RunOnDisk) -> dict[str, dict[str, Any]]:
    """As the header has them, and what only an answer knows, which has seen its model loaded.

    The header has the last word: of several hosts it tells the first, an answer may be any one's.
    """
    known = {str(model): dict(told) for model, told in run.header.get("fingerprints", {}).items()}
    seen: set[str] = set()
    for case_id in sorted(run.replied, key=run.offsets.__getitem__):
        model = run.cases[case_id].model
        if model not in seen:
            seen.add(model)
            known[model] = {**_answered_by(run, case_id), **known.get(model, {})}
    return known


def _answered_by(run: RunOnDisk, case_id: str) -> Mapping[str, Any]:
    try:
        exchange = run.exchange(case_id)
    except PlotbotError as error:
        raise InputError(str(error)) from error
    return {} if exchange is None else exchange.fingerprint


def _other_plan(first: Shard, one: Shard) -> Iterator[str]:
    named = [key for key, value in first.plan.items() if one.plan[key] != value]
    for key in named:
        # It follows from what is named already, unless another plotbot has worded the question.
        if key != "the prompt hash" or not {"the prompt", "the schema", "RESPONSE_FORMAT"} & set(named):
            yield _difference(key, first.plan[key], one.plan[key])


def _other_model(first: Shard, one: Shard, fields: Sequence[str]) -> Iterator[str]:
    for model, told in first.fingerprints.items():
        other = one.fingerprints.get(model, {})
        for field in (field for field in fields if field in told and field in other):
            if told[field] != other[field]:
                yield _difference(f"{one_line(model, 80)}: {field}", told[field], other[field])


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
