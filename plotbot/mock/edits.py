"""What the faults change about an answer: each takes a draft, or a finished body, and gives it back worse."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from plotbot.mock.draft import Draft, tokens_in

Body = dict[str, Any]

THOUGHTS = "Okay, the user wants a story seed. The headline is odd, so I keep what is odd about it."
_SENTENCE = "Sure! Here is the JSON you asked for:"
_PROSE = "I would write about a small town that learns to laugh at itself. Shall I go on?"
_DEFAULT_LIMIT = 512


def in_reasoning(draft: Draft) -> Draft:
    tokens = tokens_in(draft.content)
    return replace(draft, content="", reasoning=draft.content, completion_tokens=tokens, reasoning_tokens=tokens)


def only_thinking(draft: Draft) -> Draft:
    limit = _limit(draft)
    thoughts = (THOUGHTS + " ") * (limit * 4 // (len(THOUGHTS) + 1) + 1)
    return replace(
        draft,
        content="",
        reasoning=thoughts[: limit * 4],
        finish_reason="length",
        completion_tokens=limit,
        reasoning_tokens=limit,
    )


def nothing_at_limit(draft: Draft) -> Draft:
    return replace(
        draft, content="", reasoning="", finish_reason="length", completion_tokens=_limit(draft), reasoning_tokens=0
    )


def nothing(draft: Draft) -> Draft:
    return replace(draft, content="", reasoning="", completion_tokens=0, reasoning_tokens=0)


def think_first(draft: Draft) -> Draft:
    return _say(draft, f"<think>\n{THOUGHTS}\n</think>\n\n{draft.content}")


def think_unclosed(draft: Draft) -> Draft:
    return _say(draft, f"<think>\n{THOUGHTS}\n{draft.content}")


def think_newlines(draft: Draft) -> Draft:
    return _say(draft, f"<think>\n\n</think>\n\n\n\n{draft.content}")


def fenced(draft: Draft) -> Draft:
    return _say(draft, f"```json\n{draft.content}\n```")


def fenced_after_sentence(draft: Draft) -> Draft:
    return _say(draft, f"{_SENTENCE}\n\n```json\n{draft.content}\n```")


def prose(draft: Draft) -> Draft:
    return _say(draft, _PROSE)


def cut_off(draft: Draft) -> Draft:
    limit = _limit(draft)
    return replace(
        draft, content=draft.content[: len(draft.content) // 2], finish_reason="length", completion_tokens=limit - 1
    )


def whitespace(draft: Draft) -> Draft:
    limit = _limit(draft)
    padding = max(0, limit * 4 - len(draft.content))
    return replace(draft, content=draft.content + "\n" * padding, finish_reason="length", completion_tokens=limit)


def breaks_schema(draft: Draft) -> Draft:
    """A tone of more than 60 characters, where the answer is a story seed."""
    try:
        value = json.loads(draft.content)
    except ValueError:
        return draft
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, dict):
            entry["tone"] = "long-winded " * 8
    return _say(draft, json.dumps(value, ensure_ascii=False))


def from_another_model(draft: Draft) -> Draft:
    return replace(draft, model="another-model")


def twice(draft: Draft) -> Draft:
    return _say(draft, draft.content + draft.content)


def without_usage(body: Body) -> Body:
    return {key: value for key, value in body.items() if key not in {"usage", "stats"}}


def usage_of_zeros(body: Body) -> Body:
    return {**body, "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}


def unknown_fields(body: Body) -> Body:
    choices = [{**choice, "weather": "fine"} for choice in body["choices"]]
    return {"service_tier": None, **body, "choices": choices, "moon": {"phase": 0.5}, "list": [None, [], {}]}


def _say(draft: Draft, content: str) -> Draft:
    return replace(draft, content=content, completion_tokens=tokens_in(content))


def _limit(draft: Draft) -> int:
    return _DEFAULT_LIMIT if draft.max_tokens is None else draft.max_tokens
