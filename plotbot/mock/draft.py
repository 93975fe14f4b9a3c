"""A prediction on its way: what was asked, as far as a mock looks at it, and the answer being drafted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plotbot.mock.seeds import headline_in

_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """A prediction's request. `headline` is None where the last message ends in none."""

    model: str
    prompt: str
    headline: str | None
    handshake: bool
    seed: object
    max_tokens: int | None
    schema: Any | None
    thinks: bool
    ttl: float | None
    prompt_tokens: int

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Asked:
        """From a chat's or a completion's body that has been looked over."""
        texts = _texts(body)
        last = texts[-1] if texts else ""
        headline = headline_in(last)
        limit = body.get("max_tokens")
        ttl = body.get("ttl")
        return cls(
            model=str(body.get("model") or ""),
            prompt=last,
            headline=headline,
            handshake=headline is None and "CONFIRM" in last,
            seed=body.get("seed"),
            max_tokens=limit if isinstance(limit, int) and limit >= 0 else None,
            schema=_schema(body),
            thinks=body.get("reasoning_effort") != "none",
            ttl=ttl if isinstance(ttl, int | float) else None,
            prompt_tokens=sum(tokens_in(text) for text in texts),
        )


@dataclass(frozen=True, slots=True)
class Draft:
    """The answer before it becomes a body. `model` is what is echoed; `completion_tokens` counts both channels."""

    content: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    reasoning: str = ""
    reasoning_tokens: int = 0
    finish_reason: str = "stop"
    max_tokens: int | None = None


def tokens_in(text: str) -> int:
    """A stand-in for a tokenizer: four characters a token, rounded up."""
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def cut_at_limit(draft: Draft) -> tuple[str, str]:
    """Content and reasoning as far as `max_tokens` reaches; reasoning comes first."""
    if draft.max_tokens is None:
        return draft.content, draft.reasoning
    room = draft.max_tokens * _CHARACTERS_PER_TOKEN
    reasoning = draft.reasoning[:room]
    return draft.content[: room - len(reasoning)], reasoning


def _texts(body: Mapping[str, Any]) -> list[str]:
    if "prompt" in body:
        return [str(body["prompt"])]
    return [_text(message.get("content")) for message in body.get("messages", []) if isinstance(message, Mapping)]


def _text(content: object) -> str:
    """A message's content: a string, or OpenAI's list of parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def _schema(body: Mapping[str, Any]) -> Any | None:
    wanted = body.get("response_format")
    if not isinstance(wanted, Mapping) or wanted.get("type") != "json_schema":
        return None
    inner = wanted.get("json_schema")
    return inner.get("schema") if isinstance(inner, Mapping) else None
