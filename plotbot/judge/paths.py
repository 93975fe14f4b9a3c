"""JSON paths: how a place inside a value is written (`$[0].themes[2]`), in schemas as in answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from plotbot.safe import one_line

Steps = tuple[str | int, ...]
_PLAIN_KEY = re.compile(r"[A-Za-z_]\w{0,39}", re.ASCII)
_LONGEST_KEY = 40
_LONGEST_PATH = 200


def json_path(steps: Iterable[str | int]) -> str:
    """The path of those steps from the root; a key that is no plain name stands quoted, in ASCII, cut if long."""
    path = "$" + "".join(map(_step, steps))
    return path if len(path) <= _LONGEST_PATH else path[: _LONGEST_PATH - 1] + "…"


def rebased(path: str, base: str) -> str:
    """A path that counts from an entry (`$.tone`) as one that counts from the root (`$[0].tone`)."""
    if path.startswith("$"):
        return base + path[1:]
    return f"{base}.{path}" if path else base


def strings_in(value: Any) -> Iterator[tuple[Steps, str, str]]:
    """Every string inside a value, as (steps to it, key of the member it belongs to or '', text).

    Iterative: depth is safe. Steps and not a path, which only the few strings need that are at fault.
    """
    waiting: list[tuple[Steps, str, Any]] = [((), "", value)]
    while waiting:
        steps, key, item = waiting.pop()
        if isinstance(item, str):
            yield steps, key, item
        elif isinstance(item, Mapping):
            waiting.extend(((*steps, name), name, item[name]) for name in reversed(item))
        elif isinstance(item, list):
            waiting.extend(((*steps, index), key, item[index]) for index in reversed(range(len(item))))


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN_KEY.fullmatch(step) else f"[{json.dumps(one_line(step, _LONGEST_KEY))}]"
