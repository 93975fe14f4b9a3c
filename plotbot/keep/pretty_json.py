"""JSON that is pleasant to read: one member a line, but an object or array of plain values stays on one line.

`json.dumps` with an indent does not use its C encoder and takes nearly twice as long for longer files.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any

_CONTAINERS = frozenset({dict, list})
_TEXTS = frozenset({str})
# Characters of indentation from which a value stays on one line; Python's recursion limit is far beyond it.
_WIDEST_MARGIN = 80

_Encode = Callable[[Any], str]


def spread(value: Any, *, ascii_only: bool) -> str:
    """The value as JSON, with a final line break. Raises what `json.dumps` raises for a value that is not JSON."""
    return _spread(value, _ASCII if ascii_only else _TEXT, "\n") + "\n"


def _encoder(*, ascii_only: bool) -> _Encode:
    """Encodes a value on one line; most are texts, for which the JSONEncoder takes twice as long."""
    encode_other = json.JSONEncoder(ensure_ascii=ascii_only).encode
    encode_text = encode_basestring_ascii if ascii_only else encode_basestring

    def encode(value: Any) -> str:
        return encode_text(value) if type(value) is str else encode_other(value)

    return encode


_TEXT = _encoder(ascii_only=False)
_ASCII = _encoder(ascii_only=True)


def _spread(value: Any, encode: _Encode, margin: str) -> str:
    kind = type(value)
    if kind is list and _TEXTS.issuperset(map(type, value)):
        return f"[{', '.join(map(encode, value))}]"
    if kind not in _CONTAINERS or _is_plain(value, kind) or len(margin) > _WIDEST_MARGIN:
        return encode(value)
    inner = margin + "  "
    if kind is dict:
        members = [f"{encode(key)}: {_spread(item, encode, inner)}" for key, item in value.items()]
        return f"{{{inner}{f',{inner}'.join(members)}{margin}}}"
    return f"[{inner}{f',{inner}'.join([_spread(item, encode, inner) for item in value])}{margin}]"


def _is_plain(value: Any, kind: type) -> bool:
    """Whether a container stays on one line. An object with keys that are not text does: the encoder converts these."""
    if kind is dict:
        return _CONTAINERS.isdisjoint(map(type, value.values())) or not _TEXTS.issuperset(map(type, value))
    return _CONTAINERS.isdisjoint(map(type, value))
