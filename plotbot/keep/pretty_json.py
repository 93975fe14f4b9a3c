"""JSON that is pleasant to read: one member a line, but an object or array of plain values stays on one line.

`json.dumps` with an indent does not use its C encoder and takes nearly twice as long for longer files.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

_TEXT = json.JSONEncoder(ensure_ascii=False).encode
_ASCII = json.JSONEncoder(ensure_ascii=True).encode
_CONTAINERS = frozenset({dict, list})
_TEXTS = frozenset({str})
# Characters of indentation from which a value stays on one line; Python's recursion limit is far beyond it.
_WIDEST_MARGIN = 80


def spread(value: Any, *, ascii_only: bool) -> str:
    """The value as JSON, with a final line break. Raises what `json.dumps` raises for a value that is not JSON."""
    return _spread(value, _ASCII if ascii_only else _TEXT, "\n") + "\n"


def _spread(value: Any, encode: Callable[[Any], str], margin: str) -> str:
    inner = margin + "  "
    if _is_plain(value) or len(margin) > _WIDEST_MARGIN:
        return encode(value)
    if isinstance(value, dict):
        members = [f"{encode(key)}: {_spread(item, encode, inner)}" for key, item in value.items()]
        return f"{{{inner}{f',{inner}'.join(members)}{margin}}}"
    return f"[{inner}{f',{inner}'.join([_spread(item, encode, inner) for item in value])}{margin}]"


def _is_plain(value: Any) -> bool:
    """Whether the value stays on one line. Objects with keys that are not text do: the encoder converts those keys."""
    if isinstance(value, dict):
        return _CONTAINERS.isdisjoint(map(type, value.values())) or not _TEXTS.issuperset(map(type, value))
    return not isinstance(value, list) or _CONTAINERS.isdisjoint(map(type, value))
