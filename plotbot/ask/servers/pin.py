"""The pin: stored fingerprints of the models that a run may ask, and how a served one differs from its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plotbot.errors import InputError
from plotbot.safe import one_line

FIELDS = (
    "key", "quantization", "format", "architecture", "size_bytes", "variant", "context_length", "slots", "sha256",
)  # fmt: skip
"""What must be as pinned. A field that was not told when the pin was written is not compared."""
MODEL_FIELDS = tuple(field for field in FIELDS if field != "slots")
"""Those that say which model it is. The number of slots is how a model is asked."""
ONLY_LOADED = frozenset({"context_length", "slots"})
"""What a server tells of a loaded model alone."""
_SERVER = ("server", "server_version", "engine")
_NEW = "Write it anew with `plotbot pin`."


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is served otherwise than it was pinned; `served` is None where the server does not tell it."""

    field: str
    pinned: str | int
    served: str | int | None

    def __str__(self) -> str:
        served = "not told" if self.served is None else _shown(self.served)
        return f"{self.field}: pinned {_shown(self.pinned)}, served {served}"


@dataclass(frozen=True, slots=True)
class Pin:
    """A pin file's models, by their keys, each as a fingerprint (see `plotbot.ask.servers.fingerprint`)."""

    path: Path
    models: Mapping[str, Mapping[str, str | int]]

    def differences(self, served: Mapping[str, Any], *, loaded: bool = True) -> list[Difference]:
        """In what a served model differs from its pin, in the order of `FIELDS`; empty where it is the pinned one.

        Of a model that is not *loaded* the fields that only a loaded one has are left out.
        """
        pinned = self._meant(served)
        if pinned is None:
            others = ", ".join(self.models)
            return [Difference("key", others, served.get("key"))]
        fields = [field for field in FIELDS if field in pinned and (loaded or field not in ONLY_LOADED)]
        return [
            Difference(field, pinned[field], served.get(field))
            for field in fields
            if pinned[field] != served.get(field)
        ]

    def other_server(self, served: Mapping[str, Any]) -> str | None:
        """That the server is another kind or version than when it was pinned: worth a word, no reason to refuse."""
        pinned = self._meant(served) or {}
        then, now = ([str(facts[field]) for field in _SERVER if field in facts] for facts in (pinned, served))
        if not pinned or then == now:
            return None
        return (
            f"{one_line(str(served.get('key')), 120)} was pinned on {one_line(' '.join(then), 120)} and is served by "
            f"{one_line(' '.join(now), 120)}."
        )

    def _meant(self, served: Mapping[str, Any]) -> Mapping[str, str | int] | None:
        """The pin of the served model; where only one is pinned, that one."""
        pinned = self.models.get(str(served.get("key")))
        return next(iter(self.models.values())) if pinned is None and len(self.models) == 1 else pinned


def pinned_json(fingerprints: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The content of a pin file; *fingerprints* are by model."""
    models = {str(served["key"]): _pinned(served) for served in fingerprints.values()}
    return (json.dumps({"models": models}, indent=2) + "\n").encode("ascii")


def read_pin(path: Path) -> Pin:
    """The pin in a file. Raises InputError where there is none, or it is damaged."""
    try:
        data = json.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no pin. Write it with `plotbot pin`, or name another with --pin-path."
        ) from None
    except OSError as error:
        raise InputError(f"{path}: the pin cannot be read: {error.strerror or error}.") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: the pin is not JSON. {_NEW}") from None
    return Pin(path, dict(_models(path, data)))


def _models(path: Path, data: object) -> Iterator[tuple[str, Mapping[str, str | int]]]:
    models = data.get("models") if isinstance(data, dict) else None
    if not isinstance(models, dict) or not models:
        raise InputError(f'{path}: the pin names no "models". {_NEW}')
    for name, fields in models.items():
        if not isinstance(fields, dict) or fields.get("key") != name:
            raise InputError(f"{path}: the pin of {one_line(name, 120)} is not its fingerprint. {_NEW}")
        strange = [field for field, value in fields.items() if not _is_plain(value)]
        if strange or not any(field in fields for field in FIELDS[1:]):
            what = f"{one_line(strange[0], 60)} is neither text nor a whole number" if strange else "it says nothing"
            raise InputError(f"{path}: the pin of {one_line(name, 120)} cannot be used: {what}. {_NEW}")
        yield name, fields


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _pinned(served: Mapping[str, Any]) -> dict[str, Any]:
    return {field: served[field] for field in (*FIELDS, *_SERVER) if field in served}


def _shown(value: str | int) -> str:
    return one_line(str(value), 120)
