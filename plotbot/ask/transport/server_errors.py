"""Classifies a server's error by its text: LM Studio sends most errors with status 400 and some with 200.

The table `RULES` holds every known text with its category and what to do about it; the first rule that matches wins.
The status (`_BY_STATUS`) decides only if no rule matches. A new error body is one rule in `RULES` and one line in
`tests/unit/ask/transport/test_server_errors.py`, nothing else. The texts are quoted from LM Studio, llama-server,
Ollama and vLLM, and from bug reports about them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from plotbot.ask.transport.retries import is_transient
from plotbot.records import Fault
from plotbot.safe import one_line

_TEXT_CHARACTERS = 4000
_EXCERPT_CHARACTERS = 300
_REDIRECTS = range(300, 400)
SUCCESSES = range(200, 300)


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern in an error's text, the category it means, what the user can do, and whether asking again can help."""

    pattern: re.Pattern[str]
    category: str
    advice: str
    transient: bool


@dataclass(frozen=True, slots=True)
class ServerFault:
    """The fault behind an error of the server, and whether asking again can help."""

    fault: Fault
    transient: bool


def _rule(pattern: str, category: str, advice: str, *, transient: bool | None = None) -> Rule:
    """A rule. Without *transient* its category decides whether asking again can help."""
    transient = is_transient(category) if transient is None else transient
    return Rule(re.compile(pattern, re.IGNORECASE | re.DOTALL), category, advice, transient)


_SIGN_IN = (
    "The server does not accept the request without a valid API token. Create one in LM Studio (Developer, Server "
    "Settings) and put it into the environment variable LM_API_TOKEN."
)
_CONTEXT = (
    "The prompt and the answer do not fit into the loaded context. Load the model with a larger one "
    "(--load --context-length N, or lms load -c N), or shorten the prompt or MAX_TOKENS."
)
_SHARED_CONTEXT = (
    "The requests in flight filled the context that they share, and all of them were ended. Load the model with a "
    "larger one (slots x (prompt + MAX_TOKENS)), or lower MAX_IN_FLIGHT."
)
_SCHEMA = (
    "The server cannot constrain answers with this schema. Use RESPONSE_FORMAT=none, or leave pattern, format, $ref "
    "and lists of types out of the schema."
)
_TEMPLATE = "The model's chat template refuses the messages. Change the prompt, or mend the template in LM Studio."
_CRASHED = "The model crashed while it answered. Look at lms log stream; lower MAX_IN_FLIGHT or the context length."
_ENGINE = "The engine lost its connection to the model while it answered. Look at lms log stream."
_CHOOSE = "The server does not have this model. See lms ls for its names and choose one with MODEL or --model."
_LOAD = "No model is loaded. Load one (lms load, or the Developer page), or let --load do it."
_PATH = "The server does not know this path. LM_STUDIO_URL should be like http://127.0.0.1:1234, without a path."
_PARAMETER = "The server refuses a parameter of the request. Change the setting that it names."

RULES: tuple[Rule, ...] = (
    _rule(r"API token|invalid_api_key|Invalid API Key|authentication_error|\bUnauthorized\b", "auth", _SIGN_IN),
    # A failed load quotes its reason, so its rules come before the rules that match such a reason alone.
    _rule(
        r"Operation canceled|startup was aborted",
        "model_unavailable",
        "Loading the model was cancelled, most likely by the load of another one. Use one model at a time.",
        transient=True,
    ),
    _rule(
        r"insufficient system resources",
        "model_unavailable",
        "The model does not fit into this machine's memory. Choose a smaller one or a shorter context, or adjust the "
        "model loading guardrails in LM Studio's settings.",
    ),
    _rule(r"Failed to load model", "model_unavailable", "The server cannot load the model. Try lms load."),
    _rule(r"No models? (?:is )?loaded", "model_unavailable", _LOAD),
    _rule(
        r"Invalid model identifier|model_not_found|\bmodel\b.{0,300}\b(?:not found|does not exist)",
        "model_unavailable",
        _CHOOSE,
    ),
    _rule(
        r"Model unloaded|modelUnloaded",
        "model_unloaded",
        "The model was unloaded while it answered: its time to live ran out, or another model's load evicted it.",
    ),
    _rule(r"Model reloaded", "model_unloaded", "The model was loaded anew while it answered."),
    _rule(r"Context size has been exceeded", "context_overflow", _SHARED_CONTEXT, transient=True),
    _rule(
        r"n_keep|tokens to keep from the initial prompt|Trying to keep the first|does not fit in context"
        r"|exceeds? the available context|exceed_context_size|Reached context length|maximum context length"
        r"|context_length_exceeded",
        "context_overflow",
        _CONTEXT,
    ),
    _rule(
        r"response_format|failed to parse grammar|Failed to initialize samplers|JSON schema conversion"
        r"|Pattern must start|'type' must be a string",
        "bad_request",
        _SCHEMA,
    ),
    _rule(
        r"jinja|chat template|Unable to generate parser|System message must be at|roles must alternate",
        "bad_request",
        _TEMPLATE,
    ),
    _rule(r"Reasoning setting|reasoning_effort", "bad_request", "Change REASONING_EFFORT to what the model knows."),
    _rule(r"model has crashed|Exit code: ", "model_crashed", _CRASHED),
    _rule(r"predict request failed|fetch failed|Channel Error", "model_crashed", _ENGINE),
    _rule(r"prediction-error|Compute error|Error in iterating prediction stream", "model_crashed", _CRASHED),
    _rule(r"Unexpected endpoint or method|404 page not found", "http_error", _PATH),
    _rule(r"Loading model", "server_busy", "The server is still loading its model."),
    _rule(
        r"server busy|maximum pending requests|overloaded|too many requests|unavailable_error",
        "server_busy",
        "The server has too much to do. Lower MAX_IN_FLIGHT.",
    ),
    _rule(
        r"'messages' field is required|is not iterable|invalid JSON|missing_required_parameter"
        r"|unrecognized_keys|Unrecognized key|invalid_value|invalid_request|not_supported_error",
        "bad_request",
        _PARAMETER,
    ),
)  # fmt: skip

_BY_STATUS: Mapping[int, tuple[str, str]] = {
    401: ("auth", _SIGN_IN),
    403: ("auth", _SIGN_IN),
    404: ("http_error", _PATH),
    405: ("http_error", _PATH),
    408: ("timeout", "The server gave up waiting."),
    400: ("bad_request", "The server refuses the request."),
    413: ("bad_request", "The server finds the request too large."),
    422: ("bad_request", _PARAMETER),
    425: ("server_busy", "The server does not take the request yet."),
    429: ("server_busy", "The server has too much to do. Lower MAX_IN_FLIGHT."),
    502: ("unreachable", "A gateway cannot reach the server behind it."),
    503: ("server_busy", "The server is not ready, or has too much to do."),
    504: ("unreachable", "A gateway got no answer from the server behind it."),
    529: ("server_busy", "The server has too much to do. Lower MAX_IN_FLIGHT."),
}


def classify(status: int, headers: Mapping[str, str], body: bytes) -> ServerFault:
    """The fault behind an answer that is no chat completion. The names in *headers* are in lower case."""
    text = _error_text(body)
    rule = next((rule for rule in RULES if rule.pattern.search(text)), None)
    if rule is not None:
        return ServerFault(Fault(rule.category, _sentence(rule.category, rule.advice, text)), rule.transient)
    category, advice = _by_status(status, headers)
    return ServerFault(Fault(category, _sentence(category, advice, text)), is_transient(category))


def _by_status(status: int, headers: Mapping[str, str]) -> tuple[str, str]:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status in SUCCESSES:
        return "protocol", "The server's answer is no chat completion. Is LM_STUDIO_URL the address of a model server?"
    if status in _REDIRECTS and "location" in headers:
        where = one_line(headers["location"], 120)
        return (
            "http_error",
            f"The server redirects to {where}, which is not followed. Correct LM_STUDIO_URL.",
        )
    return "http_error", f"The server answered with status {status}. Its own log (lms log stream) may say why."


def _sentence(category: str, advice: str, text: str) -> str:
    """The advice, then the server's text, except for a refused token: the server may quote a part of it."""
    if category == "auth" or not text.strip():
        return advice
    return f"{advice} The server said: {one_line(text, _EXCERPT_CHARACTERS)}"


def _error_text(body: bytes) -> str:
    """The text of an error, from JSON of any known shape, a server-sent event, HTML or plain text."""
    text = body.decode("utf-8", "replace")
    data = _json(text)
    if isinstance(data, dict):
        words = " ".join(dict.fromkeys(_words(data)))
        return words[:_TEXT_CHARACTERS] or text[:_EXCERPT_CHARACTERS]
    if (event := re.search(r"^data: *(\{.*)$", text[:_TEXT_CHARACTERS], re.MULTILINE)) is not None:
        return _error_text(event[1].encode())
    return _without_tags(text[:_TEXT_CHARACTERS])


def _words(data: Mapping[str, Any]) -> Iterator[str]:
    """Message, type and code, at the top or nested in `error`, as far as they exist; and the messages of FastAPI."""
    nested = data.get("error")
    for part in (data, nested if isinstance(nested, dict) else {}):
        values = (part.get(key) for key in ("error", "message", "detail", "type", "code"))
        yield from (value for value in values if isinstance(value, str))
    details = data.get("detail")
    messages = (item.get("msg") for item in details if isinstance(item, dict)) if isinstance(details, list) else ()
    yield from (message for message in messages if isinstance(message, str))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _without_tags(text: str) -> str:
    return " ".join(re.sub(r"<(?:style|script)\b.*?</(?:style|script)>|<[^<>]*>", " ", text, flags=re.DOTALL).split())
