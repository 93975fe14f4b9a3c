"""A judge of replies for the measurement, made of the standard library and jsonschema: independent of plotbot's own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from jsonschema import Draft202012Validator

LONGEST_CORE_EVENT = 50


@dataclass(frozen=True)
class Finding:
    """What one reply came to. `kind` is "valid", or the first thing that is wrong with it."""

    kind: str
    copied: bool

    @property
    def valid(self) -> bool:
        return self.kind == "valid"


def judge(text: str, finish_reason: str, title: str, schema: dict[str, Any]) -> Finding:
    """Strict JSON, the schema, the word count; and whether a title field is the headline, letter for letter."""
    try:
        value = json.loads(text, parse_constant=_refuse)
    except ValueError:
        return Finding(_why_not_json(text, finish_reason), copied=json.dumps(title, ensure_ascii=False) in text)
    seeds = value if isinstance(value, list) else [value]
    copied = bool(seeds) and all(isinstance(seed, dict) and seed.get("title") == title for seed in seeds)
    error = next(iter(sorted(Draft202012Validator(schema).iter_errors(value), key=str)), None)
    if error is not None:
        where = "/".join(str(part) for part in error.absolute_path if isinstance(part, str))
        return Finding(f"schema: {error.validator}{' at ' + where if where else ''}", copied)
    if any(len(seed["core_event"].split()) > LONGEST_CORE_EVENT for seed in value):
        return Finding("core_event too long", copied)
    return Finding("valid", copied)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _why_not_json(text: str, finish_reason: str) -> str:
    bare = text.strip()
    if finish_reason == "length":
        return "cut off by the token limit"
    openings = {"```": "fenced", "<think>": "thinking", "Here": "prose before", "{": "bare object, not JSON"}
    opening = next((kind for start, kind in openings.items() if bare.startswith(start)), None)
    if opening:
        return opening
    if "NaN" in bare:
        return "NaN"
    if "],}" in bare:
        return "trailing comma"
    return "prose after" if "}]\n" in bare else "not JSON"
