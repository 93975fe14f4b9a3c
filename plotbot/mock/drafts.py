"""What a prediction asks, as far as a mock looks at it, and the answer as it is drafted.

A headline is answered with a story seed, the same one for the same headline and request seed. An answer to a request
with a schema is built from that schema, as a constrained server would build it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
        """Read the checked body of a chat or a completion."""
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


_MARK = "\nHeadline: "
_WHO = (
    "a retired ferry captain", "the youngest councillor", "a night librarian", "a baker with a grudge",
    "a patient piano tuner", "the last signalman", "a runaway accountant", "an honest locksmith",
    "a museum guard who draws", "the weather forecaster",
)  # fmt: skip
_DOES = (
    "finds out that the story in the paper is half true and has to prove the other half",
    "is blamed for what happened and sets out to learn who really did it",
    "keeps the secret behind it for one night too many",
    "must put it right before the whole town wakes up",
    "offers to help and makes everything wonderfully worse",
)
_THEMES = ("belonging", "small kindnesses", "pride", "second chances", "memory", "bureaucracy", "friendship", "courage")
_TONES = ("wry and warm", "quietly absurd", "tender comedy", "brisk and hopeful", "deadpan")
_CONFLICTS = (
    "person vs person", "person vs self", "person vs society", "person vs nature", "person vs technology",
)  # fmt: skip
_STAKES = (
    "a friendship of forty years", "the only bridge out of town", "a promise made to a grandmother",
    "the good name of a small office", "one last chance to say sorry",
)  # fmt: skip
_SETTINGS = (
    "a harbor town in late autumn", "a market square before dawn", "a branch line in heavy snow",
    "a town hall with one heated room", "an island between two ferries",
)  # fmt: skip
_HOOKS = (
    "Who had the key on the night it happened?", "What if the apology came from the wrong person?",
    "Why did no one in the square look surprised?", "What was written on the other side of the note?",
    "How long can a whole town keep a straight face?", "Who stands to lose if the truth comes out on Friday?",
)  # fmt: skip


def headline_in(message: str) -> str | None:
    """The headline at the end of a user message (`Headline: "…"`, quoted as JSON); None where there is none."""
    _, mark, rest = ("\n" + message).rpartition(_MARK)
    if not mark:
        return None
    quoted = rest.partition("\n")[0].strip()
    try:
        headline = json.loads(quoted)
    except (ValueError, RecursionError):
        return quoted
    return headline if isinstance(headline, str) else quoted


def story_seed(headline: str, seed: object) -> dict[str, Any]:
    """A story seed that satisfies data/story_seed.schema.json, decided by *headline* and *seed* alone."""
    # surrogatepass: a title may hold a lone surrogate, and Random refuses to encode one.
    rng = random.Random(f"{seed}:{headline}".encode("utf-8", "surrogatepass"))  # noqa: S311  a story, not a secret
    who = rng.sample(_WHO, 2)
    return {
        "title": headline,
        "core_event": f"When the news breaks, {who[0]} {rng.choice(_DOES)}.",
        "themes": rng.sample(_THEMES, 2),
        "tone": rng.choice(_TONES),
        "conflict_type": rng.choice(_CONFLICTS),
        "stakes": rng.choice(_STAKES),
        "setting_hint": rng.choice(_SETTINGS),
        "characters": who,
        "potential_story_hooks": rng.sample(_HOOKS, 2),
    }


def value_for(schema: object, known: Mapping[str, Any]) -> Any:
    """A value for *schema*, of the keywords that a grammar can constrain; fields named in *known* come from there.

    `$ref`, `pattern` and number ranges are not looked at: an engine skips them too, or refuses them.
    """
    if not isinstance(schema, Mapping):
        return {}
    if "const" in schema:
        return schema["const"]
    for choice in ("enum", "anyOf", "oneOf"):
        if isinstance(schema.get(choice), list) and schema[choice]:
            first = schema[choice][0]
            return first if choice == "enum" else value_for(first, known)
    return _of_kind(schema, known)


def _of_kind(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0] if kind else "null"
    if kind == "object":
        return {name: _field(name, sub, known) for name, sub in schema.get("properties", {}).items()}
    if kind == "array":
        return [value_for(schema.get("items", {"type": "string"}), known) for _ in range(schema.get("minItems", 1))]
    if kind == "string":
        return "word " * (schema.get("minLength", 4) // 5) + "word"
    return {"integer": 1, "number": 1.0, "boolean": True}.get(str(kind))


def _field(name: str, schema: object, known: Mapping[str, Any]) -> Any:
    made = value_for(schema, known)
    told = known.get(name)
    enum = schema.get("enum") if isinstance(schema, Mapping) else None
    return told if type(told) is type(made) and (enum is None or told in enum) else made
