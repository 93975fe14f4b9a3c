"""The embedded engine: a llama.cpp server in a child process, with the tiny model that plotbot ships."""

from plotbot.ask.embedded.engine import MODEL_ID, MODEL_PATH, MODEL_SHA256, EmbeddedEngine

__all__ = ["MODEL_ID", "MODEL_PATH", "MODEL_SHA256", "EmbeddedEngine"]
