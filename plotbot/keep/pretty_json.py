"""JSON for people who open a file: a member a line, but for what holds plain values alone, which stands on one.

`json.dumps` with an indent never uses its C encoder, and takes nearly twice as long for longer files.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

_TEXT = json.JSONEncoder(ensure_ascii=False).encode
_ASCII = json.JSONEncoder(ensure_ascii=True).encode
_CONTAINERS = frozenset({dict, list})
_TEXTS = frozenset({str})
# Deeper than any reader's patience, and not as deep as Python recurses.
_WIDEST_MARGIN = 80


def spread(value: Any, *, ascii_only: bool) -> str:
    """The value, and a line break. Raises what `json.dumps` raises for what is no JSON."""
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
    """Whether it stands on one line; a key that is no text is the encoder's to turn into one."""
    if isinstance(value, dict):
        return _CONTAINERS.isdisjoint(map(type, value.values())) or not _TEXTS.issuperset(map(type, value))
    return not isinstance(value, list) or _CONTAINERS.isdisjoint(map(type, value))
