"""A scenario from a JSON file: its shape is scenario.schema.json, its meaning the dataclasses in scenario.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry

from plotbot.errors import InputError
from plotbot.mock.scenario import Latency, ModelSpec, Rule, Scenario
from plotbot.safe import one_line

_MESSAGE_LIMIT = 200


def load_scenario(path: Path) -> Scenario:
    """The scenario in a file. Raises InputError, which names the file and the key."""
    try:
        data = json.loads(path.read_text("utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise InputError(f"{path}: the scenario cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: the scenario is not JSON in UTF-8: {error}") from None
    _check(path, data)
    return Scenario(**{
        **data,
        **_latency(data),
        "models": tuple(ModelSpec(**{**model, **_latency(model)}) for model in data.get("models", _DEFAULT_MODELS)),
        "rules": tuple(_rule(path, number, rule) for number, rule in enumerate(data.get("rules", []))),
    })  # fmt: skip


_DEFAULT_MODELS = ({"key": Scenario().models[0].key},)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _check(path: Path, data: object) -> None:
    schema = json.loads(files("plotbot.mock").joinpath("scenario.schema.json").read_text("utf-8"))
    error = best_match(Draft202012Validator(schema, registry=Registry()).iter_errors(data))
    if error is not None:
        raise InputError(f"{path}: {error.json_path}: {one_line(error.message, _MESSAGE_LIMIT)}")


def _latency(data: Mapping[str, Any]) -> dict[str, Latency]:
    latency = data.get("latency")
    if latency is None:
        return {}
    return {"latency": Latency(**latency) if isinstance(latency, dict) else Latency(latency)}


def _rule(path: Path, number: int, data: Mapping[str, Any]) -> Rule:
    nth = data.get("nth", ())
    strange = set(data.get("swap", {})) - {field.name for field in fields(ModelSpec)}
    if strange:
        raise InputError(f"{path}: $.rules[{number}].swap: a model has no field {min(strange)!r}")
    try:
        return Rule(**{**data, "nth": (nth,) if isinstance(nth, int) else tuple(nth)})
    except ValueError as error:
        raise InputError(f"{path}: $.rules[{number}].{one_line(str(error), _MESSAGE_LIMIT)}") from None
