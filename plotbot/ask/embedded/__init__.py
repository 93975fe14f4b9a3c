"""The embedded engine: a llama.cpp server with a tiny model of this project's own, in a child process."""

from plotbot.ask.embedded.engine import MODEL_ID, MODEL_PATH, MODEL_SHA256, EmbeddedEngine

__all__ = ["MODEL_ID", "MODEL_PATH", "MODEL_SHA256", "EmbeddedEngine"]
