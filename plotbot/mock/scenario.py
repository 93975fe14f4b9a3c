"""What a mock is told to be: its models, its temper and its rules. All plain values; nothing here has state."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from plotbot.mock.faults import FAULTS
from plotbot.mock.shapes import SHAPES

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

    When (all that are given must hold): `headline` and `model` are searched as regular expressions; `route` likewise in
    `METHOD /path`, and without it only predictions are meant; `handshake`: False leaves the handshake alone, True means
    nothing else, None both; `nth` (from 1) and `every` count the requests for which the rest holds; `probability` draws
    with the scenario's seed.

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
