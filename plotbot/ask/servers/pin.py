"""The pin: stored fingerprints of the models that a run may ask, and how a served model differs from its pin."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plotbot.errors import InputError
from plotbot.fingerprint import Fingerprint
from plotbot.records import Exchange
from plotbot.safe import one_line, read_regular

_NEW = "Write it anew with `plotbot pin`."


@dataclass(frozen=True, slots=True)
class ServedOtherwise:
    """How a server served another model than the pinned one at a run's end, or why it could not be told.

    `model` is None where it may be any. When the model was swapped is not known, only that it was at its turn's start.
    """

    why: str
    host: str
    model: str | None = None

    def may_have_answered(self, exchange: Exchange) -> bool:
        """Whether the reply of an exchange may be the other model's."""
        return self.model in {None, exchange.model} and exchange.host in {"", self.host}


@dataclass(frozen=True, slots=True)
class Difference:
    """A field whose served value is not the pinned one; `served` is None where the server does not tell it."""

    field: str
    pinned: str | int
    served: str | int | None

    def __str__(self) -> str:
        served = "not told" if self.served is None else _shown(self.served)
        return f"{self.field}: pinned {_shown(self.pinned)}, served {served}"


@dataclass(frozen=True, slots=True)
class Pin:
    """A pin file's models, by their keys, each as a fingerprint."""

    path: Path
    models: Mapping[str, Fingerprint]

    def differences(self, served: Fingerprint, *, loaded: bool = True) -> list[Difference]:
        """How a served model differs from its pin; empty where it is the pinned one.

        A field that the pin does not have is not compared, nor, of a model that is not *loaded*, one that only a loaded
        model has.
        """
        pinned = self._pin_of(served)
        if pinned is None:
            return [Difference("key", ", ".join(self.models), served.key)]
        fields = [field for field in Fingerprint.PINNED if loaded or field not in Fingerprint.ONLY_LOADED]
        return [
            Difference(field, getattr(pinned, field), getattr(served, field))
            for field in pinned.differing(served, fields, must_tell=True)
        ]

    def other_server(self, served: Fingerprint) -> list[str]:
        """A warning where the server's kind, version or engine is not the one of the pin."""
        pinned = self._pin_of(served)
        if pinned is None or (then := _server(pinned)) == (now := _server(served)):
            return []
        return [f"{_shown(str(served.key))} was pinned on {_shown(then)} and is served by {_shown(now)}."]

    def _pin_of(self, served: Fingerprint) -> Fingerprint | None:
        """The pin of the served model; where only one is pinned, that one."""
        pinned = self.models.get(str(served.key))
        return next(iter(self.models.values())) if pinned is None and len(self.models) == 1 else pinned


def pinned_json(fingerprints: Iterable[Fingerprint]) -> bytes:
    """The content of a pin file."""
    models = {str(served.key): _pinned(served.to_json()) for served in fingerprints}
    return (json.dumps({"models": models}, indent=2) + "\n").encode("ascii")


def read_pin(path: Path) -> Pin:
    """The pin in a file. Raises InputError where there is none, or it is damaged."""
    try:
        data = json.loads(read_regular(path).decode("utf-8-sig"))
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no pin. Write it with `plotbot pin`, or name another with --pin-path."
        ) from None
    except OSError as error:
        raise InputError(f"{path}: the pin cannot be read: {error.strerror or error}.") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: the pin is not JSON. {_NEW}") from None
    return Pin(path, dict(_models(path, data)))


def _models(path: Path, data: object) -> Iterator[tuple[str, Fingerprint]]:
    models = data.get("models") if isinstance(data, dict) else None
    if not isinstance(models, dict) or not models:
        raise InputError(f'{path}: the pin names no "models". {_NEW}')
    for name, fields in models.items():
        if not isinstance(fields, dict) or fields.get("key") != name:
            raise InputError(f"{path}: the pin of {one_line(name, 120)} is not its fingerprint. {_NEW}")
        strange = [field for field, value in fields.items() if not _is_plain(value)]
        if strange or not any(field in fields for field in Fingerprint.PINNED[1:]):
            what = f"{one_line(strange[0], 60)} is neither text nor a whole number" if strange else "it says nothing"
            raise InputError(f"{path}: the pin of {one_line(name, 120)} cannot be used: {what}. {_NEW}")
        yield name, Fingerprint.from_json(fields)


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _pinned(told: Mapping[str, Any]) -> dict[str, Any]:
    return {field: told[field] for field in (*Fingerprint.PINNED, *Fingerprint.SERVER) if field in told}


def _server(told: Fingerprint) -> str:
    return " ".join(str(value) for field in Fingerprint.SERVER if (value := getattr(told, field)) is not None)


def _shown(value: str | int) -> str:
    return one_line(str(value), 120)
