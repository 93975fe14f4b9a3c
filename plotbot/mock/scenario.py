"""What a mock is told to be: its models, its timing and its rules, from Python or from a JSON file."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry

from plotbot.errors import InputError
from plotbot.mock.drafts import Asked
from plotbot.mock.faults import FAULTS
from plotbot.mock.wire import SHAPES
from plotbot.safe import one_line

UnknownModel = Literal["error400", "error404", "fallback"]
ErrorVersion = Literal["0.3", "0.4"]


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds that a prediction holds its slot: constant, or log-normal with this arithmetic mean where sigma > 0.

    A draw depends on the seed, the headline and the request's seed, not on the order of arrival: every client that is
    measured against the same scenario meets the same sum.
    """

    mean: float = 0.0
    sigma: float = 0.0
    seed: int = 0

    def draw(self, headline: str, request_seed: object) -> float:
        if self.sigma == 0:
            return self.mean
        key = f"{self.seed}:{request_seed}:{headline}".encode("utf-8", "surrogatepass")
        mu = math.log(self.mean) - self.sigma**2 / 2
        return random.Random(key).lognormvariate(mu, self.sigma)  # noqa: S311  a latency, not a secret


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A downloaded model. `context` and `parallel` are what it is loaded with; `loaded`: explicitly, before the start.

    `load_error` is LM Studio's reason why a load fails. `thinking` models think unless `reasoning_effort` is `none`.
    """

    key: str
    loaded: bool = True
    context: int = 32768
    max_context: int = 131072
    parallel: int = 4
    quantization: str = "Q4_K_M"
    bits_per_weight: int = 4
    format: str = "gguf"
    architecture: str = "llama"
    size_bytes: int = 2_500_000_000
    params: str = "4B"
    publisher: str = "lmstudio-community"
    load_seconds: float = 0.0
    load_error: str | None = None
    thinking: bool = False
    latency: Latency | None = None

    @property
    def variant(self) -> str:
        return f"{self.key}@{self.quantization.lower()}"


@dataclass(frozen=True, slots=True)
class Rule:
    """When to misbehave, and how. The first rule that matches a request decides; without one the mock behaves.

    When (all that are given must hold): `headline` (the whole message, where it ends in none) and `model` are searched
    as regular expressions; `route` likewise in `METHOD /path`, and without it only predictions are meant; `handshake`:
    False leaves the handshake alone, True means nothing else, None both; `nth` (from 1) and `every` count the requests
    for which the rest holds; `probability` draws with the scenario's seed.

    How: `reply` (with `reasoning`, `finish_reason`) or `status` with `body` and `headers` or `fault`; with any of them,
    or alone, `shape` (how the bytes travel; `seconds` between its pieces), `latency`, and `swap`, which changes the
    model's own fields from this request on.
    """

    headline: str | None = None
    model: str | None = None
    route: str | None = None
    handshake: bool | None = False
    nth: tuple[int, ...] = ()
    every: int | None = None
    probability: float | None = None
    reply: str | None = None
    reasoning: str = ""
    finish_reason: str = "stop"
    status: int | None = None
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str | None = None
    shape: str | None = None
    seconds: float | None = None
    latency: float | None = None
    swap: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ValueError, beginning with the key at fault."""
        self._check_actions()
        for key in ("headline", "model", "route"):
            try:
                re.compile(getattr(self, key) or "")
            except re.error as error:
                raise ValueError(f"{key}: not a regular expression: {error}") from None
        if any(count < 1 for count in (*self.nth, 1 if self.every is None else self.every)):
            raise ValueError("nth: requests are counted from 1, as `every` is")
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise ValueError(f"probability: {self.probability} is not between 0 and 1")

    def _check_actions(self) -> None:
        answers = [key for key in ("reply", "status", "fault") if getattr(self, key) is not None]
        if len(answers) > 1:
            raise ValueError(f"{answers[1]}: a rule answers in one way, and has {' and '.join(answers)}")
        if not answers and self.shape is None and self.latency is None and not self.swap:
            raise ValueError("fault: the rule says what to match but not what to do")
        if self.shape is not None and self.shape not in SHAPES:
            raise ValueError(f"shape: {self.shape!r} is none of {', '.join(SHAPES)}")
        if self.route is not None and (self.fault is not None or self.swap):
            raise ValueError("route: with it go status, reply, shape and latency; faults and swaps are a prediction's")
        if self.fault is not None and self.fault not in FAULTS:
            raise ValueError(f"fault: {self.fault!r} is none of {', '.join(FAULTS)}")
        if self.fault is not None and FAULTS[self.fault].act is None:
            raise ValueError(f"fault: {self.fault} needs streaming, which the mock does not do")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole mock.

    `jit`: a model is loaded by its first request; `auto_evict`: such a load unloads what was loaded so before, in mid
    answer too; `join_loads`: parallel first requests share one load, where LM Studio really loads copies `:2`
    (BT#1751); `ttl`: idle seconds after which a model loaded so goes; `unified_kv`: the slots share one context, and
    overflowing it fails every request in flight (BT#1757). `keep_alive` is in seconds; `seed` decides probabilities.
    """

    models: tuple[ModelSpec, ...] = (ModelSpec("mock-model"),)
    rules: tuple[Rule, ...] = ()
    latency: Latency = Latency()
    jit: bool = True
    auto_evict: bool = True
    join_loads: bool = False
    ttl: float = 3600.0
    unified_kv: bool = True
    unknown_model: UnknownModel = "error400"
    error_version: ErrorVersion = "0.4"
    separate_reasoning: bool = True
    token: str | None = None
    keep_alive: float = 5.0
    seed: int = 0


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


class Rulebook:
    """The rules in order, with how many requests each has counted."""

    def __init__(self, scenario: Scenario) -> None:
        self._rules = [_Counted(rule, scenario.seed + number) for number, rule in enumerate(scenario.rules)]

    def choose(self, route: str, asked: Asked | None) -> Rule | None:
        """The first rule that matches a request, `METHOD /path`; *asked* is what a prediction asks, else None.

        Rules after the chosen one do not count this request.
        """
        return next((counted.rule for counted in self._rules if counted.matches(route, asked)), None)


def _about(asked: Asked) -> str:
    """The headline that a prediction is about; the whole message where a template has put no headline at its end."""
    return asked.prompt if asked.headline is None else asked.headline


class _Counted:
    def __init__(self, rule: Rule, seed: int) -> None:
        self.rule = rule
        self._seen = 0
        self._random = random.Random(seed)  # noqa: S311  a schedule of faults, not a secret

    def matches(self, route: str, asked: Asked | None) -> bool:
        return self._is_meant(route, asked) and self._is_due()

    def _is_meant(self, route: str, asked: Asked | None) -> bool:
        rule = self.rule
        if rule.route is None and asked is None:
            return False
        if rule.route is not None and not re.search(rule.route, route):
            return False
        if asked is None:
            return rule.headline is None and rule.model is None and rule.handshake is not True
        return (
            (rule.handshake is None or rule.handshake == asked.handshake)
            and (rule.model is None or re.search(rule.model, asked.model) is not None)
            and (rule.headline is None or re.search(rule.headline, _about(asked)) is not None)
        )

    def _is_due(self) -> bool:
        rule = self.rule
        self._seen += 1
        if rule.nth and self._seen not in rule.nth:
            return False
        if rule.every is not None and self._seen % rule.every != 0:
            return False
        return rule.probability is None or self._random.random() < rule.probability
