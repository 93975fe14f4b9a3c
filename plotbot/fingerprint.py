"""What identifies the model that a server serves, and in which fields two of them differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, ClassVar, Self


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What identifies the model that a server serves: the server, the model and how it is loaded. None is "not told".

    `model` is the name that was asked for, `key` the server's own. Only the embedded engine tells `sha256`, which is
    the model file's, `parameters`, the number of its weights, and `chat_template`, the SHA-256 of the template in it.
    `size_bytes` counts bytes, `context_length` tokens, `slots` parallel predictions.
    """

    MODEL: ClassVar = (
        "key", "quantization", "format", "architecture", "parameters", "size_bytes", "variant", "chat_template",
        "context_length", "sha256",
    )  # fmt: skip
    """The fields that say which model it is. The number of slots is how a model is asked."""
    PINNED: ClassVar = (*MODEL[:-1], "slots", *MODEL[-1:])
    """The fields that must be as a pin has them."""
    ONLY_LOADED: ClassVar = frozenset({"context_length", "slots"})
    """The fields that a server tells of a loaded model alone."""
    SERVER: ClassVar = ("server", "server_version", "engine")
    """The fields that describe the server: a difference is worth a warning, but no reason to refuse."""
    NOT_THE_MODEL: ClassVar = frozenset({*SERVER, "slots"})
    """The fields that say how and by what the model is served, not which one it is."""

    server: str | None = None
    server_version: str | None = None
    engine: str | None = None
    model: str | None = None
    sha256: str | None = None
    key: str | None = None
    publisher: str | None = None
    quantization: str | None = None
    format: str | None = None
    architecture: str | None = None
    parameters: int | None = None
    size_bytes: int | None = None
    chat_template: str | None = None
    variant: str | None = None
    context_length: int | None = None
    slots: int | None = None

    def differing(self, other: Fingerprint, fields: Iterable[str], *, must_tell: bool = False) -> list[str]:
        """Those of *fields* in which *other* differs, in their order.

        A field that either does not tell proves nothing and is left out; with *must_tell* it counts where *other* does
        not tell it.
        """
        told = [(name, getattr(self, name), getattr(other, name)) for name in fields]
        return [
            name
            for name, mine, its in told
            if mine is not None and mine != its and (must_tell or its is not None)
        ]  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """The fields that are told."""
        return {name: value for name, value in zip(self.__slots__, _VALUES(self), strict=True) if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Fields that this version does not know are left out: a later one may have written *data*."""
        return cls(**{name: value for name, value in data.items() if name in cls.__slots__})


# In one call: it is asked for four times a case.
_VALUES = attrgetter(*Fingerprint.__slots__)
