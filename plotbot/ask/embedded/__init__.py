"""The embedded engine: a llama.cpp server for a GGUF file, the packaged tiny model or any other, in a child process."""

from plotbot.ask.embedded.engine import MODEL_ID, MODEL_PATH, MODEL_SHA256, EmbeddedEngine, EngineOptions

__all__ = ["MODEL_ID", "MODEL_PATH", "MODEL_SHA256", "EmbeddedEngine", "EngineOptions"]
