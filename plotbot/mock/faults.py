"""The known faults of LM Studio, by name: what the server does, who saw it, and how the mock plays it.

`F05` is a fault's first form, `F05.lead-in` another. A fault whose `act` is None needs streaming. BT#n:
lmstudio-ai/lmstudio-bug-tracker issue n. A status, shape or cause without confirmation is marked `unverified`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from plotbot.mock import errors
from plotbot.mock.drafts import Draft, tokens_in
from plotbot.mock.wire import Response, json_response

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


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer at once with what `response` gives for the requested model's name."""

    response: Callable[[str], Response]


@dataclass(frozen=True, slots=True)
class Edit:
    """Answer as usual, with the draft changed."""

    change: Callable[[Draft], Draft]


@dataclass(frozen=True, slots=True)
class Reshape:
    """Answer as usual, with the finished body changed."""

    change: Callable[[Body], Body]


@dataclass(frozen=True, slots=True)
class Wait:
    """Hold a slot for the rule's `seconds`, or these (None: until the client goes away), then answer."""

    seconds: float | None
    then: Callable[[Draft], Draft] | None = None


@dataclass(frozen=True, slots=True)
class Deliver:
    """Answer as usual, and send it in this shape."""

    shape: str


class Stays(Enum):
    """What is left of a model's instance after an interruption."""

    LOADED = auto()
    UNLOADED = auto()
    CRASHED = auto()


@dataclass(frozen=True, slots=True)
class Interrupt:
    """In mid answer, end this and every other prediction of the model with this text."""

    text: str
    stays: Stays


class Trick(Enum):
    """A fault that only the server itself can play."""

    RESET_IF_REUSED = auto()
    STOP_LISTENING = auto()
    ANOTHER_SEED = auto()
    ECHO_PROMPT = auto()
    TWO_ANSWERS = auto()
    DUPLICATE = auto()


Act = Refuse | Edit | Reshape | Wait | Deliver | Interrupt | Trick


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the table `FAULTS`."""

    does: str
    source: str
    act: Act | None
    unverified: bool = False


def _error(text: str, status: int = 400) -> Refuse:
    return Refuse(lambda _model: errors.flat(text, status))


def _body(body: object, status: int = 400) -> Refuse:
    return Refuse(lambda _model: json_response(body, status))


def _load_failed(reason: str) -> Refuse:
    return Refuse(lambda model: errors.load_failed(model, reason))


_HTML = (
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n<body>\n'
    "<pre>Internal Server Error</pre>\n</body>\n</html>\n"
)
_PATTERN = json.dumps({
    "error": {
        "code": 400,
        "message": "Unable to generate parser for this template. Automatic parser generation failed: JSON schema "
        "conversion failed:\nPattern must start with '^' and end with '$'",
        "type": "invalid_request_error",
    }
}, separators=(",", ":"))  # fmt: skip
_DOES_NOT_FIT = (
    "Input does not fit in context length. The input has 31430 tokens, but the context length only supports 30000 "
    "tokens."
)
_EXCEEDS = {
    "code": 400,
    "message": "request (17398 tokens) exceeds the available context size (8192 tokens), try increasing it",
    "type": "exceed_context_size_error",
    "n_prompt_tokens": 17398,
    "n_ctx": 8192,
}
_FETCH_FAILED = {
    "message": "Engine protocol predict request failed: fetch failed",
    "type": "internal_error",
    "param": None,
    "code": "unknown",
}
_NO_MODELS = {"message": errors.NO_MODELS_TEXT, "type": "invalid_request_error", "param": "model", "code": None}

FAULTS: Mapping[str, Fault] = {
    "F01": Fault("content empty, the JSON in reasoning_content", "BT#1698, #1773, #1971", Edit(in_reasoning)),
    "F02": Fault("thinking eats max_tokens: content empty, finish length", "BT#1990", Edit(only_thinking)),
    "F03": Fault("both channels empty, finish length", "BT#2284", Edit(nothing_at_limit)),
    "F04": Fault("<think>…</think> before the JSON", "BT#632", Edit(think_first)),
    "F04.unclosed": Fault("<think> never closed before the JSON", "BT#632", Edit(think_unclosed)),
    "F04.newlines": Fault("empty <think>, then newlines before the JSON", "BT#632", Edit(think_newlines)),
    "F05": Fault("```json fence around the JSON", "BT#2403", Edit(fenced)),
    "F05.lead-in": Fault("a sentence, then the fence", "gbrain#3378", Edit(fenced_after_sentence)),
    "F06": Fault("prose although a schema was sent", "llama.cpp#19051, #24097, #24377", Edit(prose)),
    "F07": Fault("JSON cut off, finish length, completion_tokens = max_tokens - 1", "BT#2335", Edit(cut_off)),
    "F08": Fault("JSON, then whitespace to max_tokens", "ollama#18567, vllm#38696", Edit(whitespace)),
    "F09": Fault(
        "valid JSON that breaks the schema (a tone too long: the story seed's schema has no keyword an engine skips)",
        "llama.cpp grammars/README",
        Edit(breaks_schema),
    ),
    "F10": Fault("400 for json_object", "BT#189", _error("'response_format.type' must be 'json_schema' or 'text'")),
    "F11": Fault(
        "400 for a pattern without anchors",
        "BT#2168, #2197",
        _error(f"Engine protocol predict request returned 400: {_PATTERN}"),
    ),
    "F11.grammar": Fault(
        "400 for a grammar that cannot be parsed",
        "llama.cpp#27580, #25895",
        _error("Failed to initialize samplers: failed to parse grammar"),
    ),
    "F11.type": Fault(
        "400 of MLX for a list of types",
        "BT#909",
        _error("Error in iterating prediction stream: ValueError: 'type' must be a string"),
    ),
    "F12": Fault(
        "200 for an unknown path",
        "BT#618; dialoqbase#146",
        Refuse(lambda _model: errors.unexpected("POST", "/chat/completions")),
    ),
    "F13": Fault("400 no models loaded, flat", "gpt-researcher#1556", _error(errors.NO_MODELS_TEXT)),
    "F13.nested": Fault("400 no models loaded, nested", "BT#1730", _body({"error": _NO_MODELS})),
    "F14": Fault(
        "unknown model: 400",
        "gpt-researcher#1556, qwen-code#10065",
        Refuse(lambda model: errors.model_not_found_400(model, ["another-model"])),
    ),
    "F14.404": Fault(
        "unknown model: 404",
        "gitbutler#8706, letta#1876",
        Refuse(lambda model: errors.model_not_found_404(model, ["another-model"])),
    ),
    "F14.other": Fault("answered by another model, which is echoed", "BT#619", Edit(from_another_model)),
    "F15": Fault("the model loads first: no byte for `seconds`, else 5", "mintplex#33", Wait(5.0)),
    "F16": Fault("400: not enough resources to load", "third party, measured", _load_failed(errors.RESOURCES_TEXT)),
    "F17": Fault("400: another model's load cancelled this one", "crush#2546", _load_failed(errors.CANCELED_TEXT)),
    "F17.startup": Fault(
        "400: the engine's start was aborted",
        "zeroclaw#9177",
        _load_failed("Engine protocol startup was aborted."),
        unverified=True,
    ),
    "F18": Fault(
        "unloaded in mid answer, all in flight refused",
        "BT#1796, #671",
        Interrupt(errors.UNLOADED_TEXT, Stays.UNLOADED),
    ),
    "F18.reloaded": Fault(
        "reloaded in mid answer, all in flight refused",
        "third party, measured",
        Interrupt(errors.RELOADED_TEXT, Stays.LOADED),
    ),
    "F19": Fault(
        "the engine crashes, all in flight refused, then no models loaded until it is loaded again",
        "BT#1057, #2255",
        Interrupt(errors.CRASHED_TEXT, Stays.CRASHED),
    ),
    "F19.channel": Fault("400 Channel Error", "BT#407", _error("Error: Channel Error")),
    "F19.fetch": Fault(
        "500: the connection to the engine was lost", "BT#2257", _body({"error": _FETCH_FAILED}, 500), unverified=True
    ),
    "F20": Fault(
        "400: prompt longer than the context",
        "openclaude#353, openhuman#3550",
        Refuse(lambda _model: errors.prompt_too_long("0.4", 13055, 4096)),
    ),
    "F20.older": Fault(
        "400: the same in 0.3.x",
        "BT#546, #237",
        Refuse(lambda _model: errors.prompt_too_long("0.3", 111490, 32768)),
    ),
    "F20.engine": Fault("400: the engine's own words", "third party, measured", _body({"error": _EXCEEDS})),
    "F20.message": Fault(
        "400: the stream's error as a body",
        "third party, measured",
        _body({"error": {"message": _DOES_NOT_FIT}, "message": _DOES_NOT_FIT}),
    ),
    "F20.silent": Fault("200 with nothing said", "BT#2339", Edit(nothing)),
    "F20.stream": Fault("an SSE error after 200", "goose#11318, BT#2322", None),
    "F21": Fault(
        "one overflow fails all in flight", "BT#1757", Interrupt("Context size has been exceeded.", Stays.LOADED)
    ),
    "F22": Fault("stream: `event: error` after some deltas", "goose#11318", None),
    "F23": Fault("the connection closes in mid body", "BT#945", Deliver("cut")),
    "F23.stream": Fault("stream: no [DONE], a spliced frame", "BT#945", None),
    "F24": Fault(
        "a connection that is used again is reset, a fresh one is answered",
        "BT#618, #945; pictaria#20",
        Trick.RESET_IF_REUSED,
    ),
    "F25": Fault("accepts, holds a slot and sends nothing", "BT#1826, #1143", Wait(None)),
    "F25.empty": Fault("nothing for `seconds`, else 30, then 200 and empty", "BT#1826", Wait(30.0, nothing)),
    "F26": Fault("waits in the queue for `seconds`, else 1", "inference-atlas#9", Wait(1.0)),
    "F27": Fault("200, content empty, completion_tokens 0", "BT#204 (mended)", Edit(nothing)),
    "F28": Fault(
        "500 with an HTML page",
        "BT#979",
        Refuse(lambda _model: Response(500, _HTML.encode("ascii"), content_type="text/html; charset=utf-8")),
    ),
    "F29": Fault("401: no token", "opencode-lmstudio#41", Refuse(lambda _model: errors.no_token())),
    "F29.malformed": Fault(
        "401: a token it does not know",
        "third party, measured",
        Refuse(lambda _model: errors.bad_token("22aac52a71")),
        unverified=True,
    ),
    "F30": Fault("no usage, no stats", "BT#1318", Reshape(without_usage)),
    "F30.zeros": Fault("usage of zeros", "BT#1318", Reshape(usage_of_zeros)),
    "F30.extra": Fault("unknown fields", "BT#1318", Reshape(unknown_fields)),
    "F31": Fault("the server goes: connections reset, then refused", "common", Trick.STOP_LISTENING),
    "F32": Fault("another text for the same prompt and seed", "BT#2399", Trick.ANOTHER_SEED),
    "F33": Fault("the answer twice", "omlx#691, another server", Edit(twice), unverified=True),
    "F33.echo": Fault("the prompt, then the answer", "omlx#691, another server", Trick.ECHO_PROMPT, unverified=True),
    "F33.two": Fault("two answers on end", "omlx#691, another server", Trick.TWO_ANSWERS, unverified=True),
    "F34": Fault("a copy of the model, `:2`, is loaded and answers", "BT#1751, #619", Trick.DUPLICATE),
}
