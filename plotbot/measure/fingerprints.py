"""Which fields of a fingerprint say something else than which model it is."""

from __future__ import annotations

SERVER = frozenset({"server", "server_version", "engine"})
"""By what a model is served: worth a word, but no reason to refuse."""
NOT_THE_MODEL = SERVER | {"slots"}
"""How and by what a model is served."""
