"""What identifies the model that is served now, as plain values that a record and a pin can hold."""

from __future__ import annotations

from typing import Any

from plotbot.ask.servers.discovery import ServerFacts


def fingerprint(
    facts: ServerFacts, model: str, *, sha256: str | None = None, engine: str | None = None
) -> dict[str, Any]:
    """Server, model and load of *model* in builtin values; what the server does not tell is left out.

    *sha256* is the model file's and *engine* what runs it, which only the embedded engine tells.
    """
    told = facts.model(model)
    served: dict[str, Any] = {
        "server": facts.kind,
        "server_version": facts.version,
        "engine": engine,
        "model": model,
        "sha256": sha256,
    }
    if told is not None:
        served |= {
            "key": told.id,
            "publisher": told.publisher,
            "quantization": told.quantization,
            "format": told.format,
            "architecture": told.architecture,
            "size_bytes": told.size_bytes,
            "variant": told.variant,
            "context_length": told.context_length,
            "slots": told.slots,
        }
    return {field: value for field, value in served.items() if value is not None}
