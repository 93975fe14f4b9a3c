"""What servers' listings say of a model. They differ by server and version, so every field may be absent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from plotbot.safe import one_line

_NAME_CHARACTERS = 300
_LARGEST_COUNT = 2**53


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model as a server lists it; None where it does not say.

    `context_length` is in tokens, as loaded: shared by all slots, or each slot's own where `context_per_slot`.
    `instance_ids` are the names of its loaded instances, `variant` is the selected one of `variants`; `thinks` says
    that the model can reason before it answers.
    """

    id: str
    kind: str | None = None
    loaded: bool | None = None
    context_length: int | None = None
    context_per_slot: bool = False
    slots: int | None = None
    max_context_length: int | None = None
    publisher: str | None = None
    quantization: str | None = None
    format: str | None = None
    architecture: str | None = None
    size_bytes: int | None = None
    variant: str | None = None
    variants: tuple[str, ...] = ()
    instance_ids: tuple[str, ...] = ()
    owned_by: str | None = None
    thinks: bool = False
    sha256: str | None = None
    parameters: int | None = None
    chat_template: str | None = None
    """The last three are of the file that the embedded engine serves: see `plotbot.fingerprint.Fingerprint`."""

    @property
    def is_embedding(self) -> bool:
        """Whether it is an embedding model: LM Studio's own listings say so, in others the prefix of its name does."""
        return (self.kind or "").startswith("embedding") or self.id.startswith("text-embedding-")

    @property
    def names(self) -> tuple[str, ...]:
        """Every name under which the model may be asked for, or may answer."""
        variant = () if self.variant is None else (self.variant,)
        return tuple(dict.fromkeys((self.id, *self.instance_ids, *variant, *self.variants)))

    @property
    def asked_as(self) -> str:
        """The name to ask for: an instance's own where it differs, because the model's would load a second instance."""
        return self.id if self.id in self.instance_ids or not self.instance_ids else self.instance_ids[0]


def from_v1(entries: Iterable[object]) -> tuple[ModelFacts, ...]:
    """LM Studio's `/api/v1/models`, of 0.4.0 and later."""
    return tuple(_v1(entry) for entry in _named(entries, "key"))


def from_v0(entries: Iterable[object]) -> tuple[ModelFacts, ...]:
    """LM Studio's `/api/v0/models`, of 0.3.6 and later."""
    return tuple(_v0(entry) for entry in _named(entries, "id"))


def from_openai(entries: Iterable[object]) -> tuple[ModelFacts, ...]:
    """`/v1/models`, which every server has; it says the least."""
    return tuple(_openai(entry) for entry in _named(entries, "id"))


def with_llama_props(model: ModelFacts, props: Mapping[str, Any]) -> ModelFacts:
    """The model with what llama-server's `/props` adds: it is loaded, and each slot has a context of its own."""
    settings = _object(props.get("default_generation_settings"))
    return replace(
        model,
        loaded=True,
        context_length=_count(settings.get("n_ctx")),
        context_per_slot=True,
        slots=_count(props.get("total_slots")),
        format="gguf",
    )


def _v1(entry: Mapping[str, Any]) -> ModelFacts:
    instances = [_object(instance) for instance in _list(entry.get("loaded_instances"))]
    config = _object(instances[0].get("config")) if instances else {}
    return ModelFacts(
        id=_text(entry["key"]) or "",
        kind=_text(entry.get("type")),
        loaded=bool(instances) if isinstance(entry.get("loaded_instances"), list) else None,
        context_length=_count(config.get("context_length")),
        slots=_count(config.get("parallel")),
        max_context_length=_count(entry.get("max_context_length")),
        publisher=_text(entry.get("publisher")),
        quantization=_text(_object(entry.get("quantization")).get("name")),
        format=_text(entry.get("format")),
        architecture=_text(entry.get("architecture")),
        size_bytes=_count(entry.get("size_bytes")),
        variant=_text(entry.get("selected_variant")),
        variants=_texts(entry.get("variants")),
        instance_ids=_texts([instance.get("id") for instance in instances]),
        thinks=bool(_object(entry.get("capabilities")).get("reasoning")),
    )


def _v0(entry: Mapping[str, Any]) -> ModelFacts:
    state = _text(entry.get("state"))
    return ModelFacts(
        id=_text(entry["id"]) or "",
        kind=_text(entry.get("type")),
        loaded=None if state is None else state == "loaded",
        context_length=_count(entry.get("loaded_context_length")),
        max_context_length=_count(entry.get("max_context_length")),
        publisher=_text(entry.get("publisher")),
        quantization=_text(entry.get("quantization")),
        format=_text(entry.get("compatibility_type")),
        architecture=_text(entry.get("arch")),
    )


def _openai(entry: Mapping[str, Any]) -> ModelFacts:
    meta = _object(entry.get("meta"))
    served = _count(entry.get("max_model_len"))
    return ModelFacts(
        id=_text(entry["id"]) or "",
        loaded=None if served is None else True,
        context_length=served,
        context_per_slot=served is not None,
        max_context_length=_count(meta.get("n_ctx_train")),
        size_bytes=_count(meta.get("size")),
        owned_by=_text(entry.get("owned_by")),
    )


def _named(entries: Iterable[object], key: str) -> list[Mapping[str, Any]]:
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get(key), str) and entry[key]]


def _texts(values: object) -> tuple[str, ...]:
    return tuple(text for value in _list(values) if (text := _text(value)) is not None)


def _text(value: object) -> str | None:
    """A short visible string, because these are shown in terminals and reports."""
    return one_line(value, _NAME_CHARACTERS) if isinstance(value, str) and value else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _LARGEST_COUNT else None


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
