import json
import re

import pytest

from plotbot.ask.transport.server_errors import RULES, classify
from plotbot.categories import ERROR_CATEGORIES

CRASH = "The model has crashed without additional information. (Exit code: null)"
NO_TOKEN = (
    "An LM Studio API token is required to make requests to this server, but none was provided using the Authorization "
    "header using the 'Bearer' scheme (i.e., 'Authorization: Bearer $LM_API_TOKEN'). Learn more at: "
    "https://lmstudio.ai/docs/developer/core/authentication."
)
N_KEEP = (
    "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 13055>= n_ctx: "
    "4096). Try to load the model with a larger context length, or provide a shorter input."
)
OLD_CONTEXT = (
    "Trying to keep the first 111490 tokens when context the overflows. However, the model is loaded with context "
    "length of only 32768 tokens, which is not enough. Try to load the model with a larger context length, or provide "
    "a shorter input"
)
MLX_CONTEXT = (
    "Input does not fit in context length. The input has 31430 tokens, but the context length only supports 30000 "
    "tokens."
)
VLMOE_CONTEXT = (
    "Reached context length of 4096 tokens with model (arch: qwen3vlmoe) that does not currently support "
    "mid-generation context overflow. Try reloading with a larger context length or shortening the prompt/chat."
)
GUARDRAIL = (
    'Failed to load model "zai-org/glm-4.7-flash". Error: Model loading was stopped due to insufficient system '
    "resources. Continuing to load the model would likely overload your system and cause it to freeze. If you think "
    "this is incorrect, you can adjust the model loading guardrails in settings."
)
PATTERN = (
    'Engine protocol predict request returned 400: {"error":{"code":400,"message":"Unable to generate parser for this '
    "template. Automatic parser generation failed: JSON schema conversion failed:\\nPattern must start with '^' and "
    'end with \'$\'","type":"invalid_request_error"}}'
)
JINJA = (
    'Engine protocol predict request returned 500: {"error":{"code":500,"message":"... Jinja Exception: System message '
    'must be at the beginning.","type":"server_error"}}'
)
NOT_FOUND = (
    'Model "default" not found. Please specify a valid model.\n\nYour models:\n\ngemma-3-27b-it-qat\n'
    "llama-3-jinja-grammar\n"
)
INVALID_ID = 'Invalid model identifier "o4-mini". Please specify a valid downloaded model (e.g., a, b, c).'
NO_MODELS = "No models loaded. Please load a model in the developer page or use the 'lms load' command."
BUSY = "server busy, please try again.  maximum pending requests exceeded"
OVERFLOW = "request (17398 tokens) exceeds the available context size (8192 tokens), try increasing it"

# What arrives, and what it is: category, and whether asking again can help.
MESSAGES = [
    ("Unexpected endpoint or method. (POST /chat/completions)", "http_error", False),
    ("'response_format.type' must be 'json_schema' or 'text'", "bad_request", False),
    ("'messages' field is required", "bad_request", False),
    ("_0x48eeaf is not iterable", "bad_request", False),
    (NO_TOKEN, "auth", False),
    ("Malformed LM Studio API token provided: 22aac52a71... Ensure you are using a valid token.", "auth", False),
    (N_KEEP, "context_overflow", False),
    (OLD_CONTEXT, "context_overflow", False),
    (MLX_CONTEXT, "context_overflow", False),
    (VLMOE_CONTEXT, "context_overflow", False),
    ("Context size has been exceeded.", "context_overflow", True),
    (CRASH, "model_crashed", True),
    (CRASH.replace("null", "18446744072635812000"), "model_crashed", True),
    ("Model unloaded.", "model_unloaded", True),
    ("Model reloaded.", "model_unloaded", True),
    (GUARDRAIL, "model_unavailable", False),
    ('Failed to load model "qwen/qwen3-coder-30b". Error: Operation canceled.', "model_unavailable", True),
    (
        'Failed to load model "qwen/qwen3.6-35b-a3b". Error: Engine protocol startup was aborted.',
        "model_unavailable",
        True,
    ),
    ('Failed to load model "x". Error: unknown architecture', "model_unavailable", False),
    ("Error in iterating prediction stream: StopIteration: ", "model_crashed", True),
    ("Error in iterating prediction stream: ValueError: 'type' must be a string", "bad_request", False),
    ('Error rendering prompt with jinja template: "..."', "bad_request", False),
    (JINJA, "bad_request", False),
    (PATTERN, "bad_request", False),
    ("Failed to initialize samplers: failed to parse grammar", "bad_request", False),
    ("Error: Channel Error", "model_crashed", True),
    ("Error: received prediction-error", "model_crashed", True),
    ("Compute error.", "model_crashed", True),
    ("Engine protocol predict request failed: fetch failed", "model_crashed", True),
    (NO_MODELS, "model_unavailable", False),
    (NOT_FOUND, "model_unavailable", False),
    (INVALID_ID, "model_unavailable", False),
    ("Model totally/made-up-9000 not found in downloaded models", "model_unavailable", False),
    ("model 'x' not found", "model_unavailable", False),
    ("Loading model", "server_busy", True),
    (BUSY, "server_busy", True),
    ("Invalid API Key", "auth", False),
    (OVERFLOW, "context_overflow", False),
    (
        "Reasoning setting 'off' is not supported by model 'openai/gpt-oss-20b'. Supported settings: 'low'.",
        "bad_request",
        False,
    ),
    ("Unrecognized key(s) in object: 'ttl'", "bad_request", False),
]


def shapes(message: str) -> list[bytes]:
    """The same words as E1, E2, E4 (in a body and as an event of a stream), and as an engine's error in a string."""
    e4 = {"error": {"message": message}, "message": message}
    return [
        json.dumps({"error": message}).encode(),
        json.dumps({"error": {"message": message, "type": "unknown", "param": None, "code": None}}).encode(),
        json.dumps(e4).encode(),
        f"event: error\ndata: {json.dumps(e4)}\n\n".encode(),
        json.dumps({"error": f"Engine protocol predict request returned 400: {json.dumps(e4)}"}).encode(),
    ]


@pytest.mark.parametrize(("message", "category", "transient"), MESSAGES, ids=[row[0][:30] for row in MESSAGES])
def test_a_known_text_is_told_apart_in_every_shape_and_under_every_status(
    message: str, category: str, transient: bool
) -> None:
    for body in shapes(message):
        for status in (200, 400, 500):
            found = classify(status, {}, body)
            assert (found.fault.category, found.transient) == (category, transient), (status, body)


BODIES = [
    # E3, with the type and the code where no message would give it away
    (401, b'{"error":{"type":"invalid_request","code":"invalid_api_key","message":"no"}}', "auth"),
    (401, b'{"error":{"message":"nope","type":"authentication_error","code":401}}', "auth"),
    (404, b'{"error":{"type":"model_not_found","message":"gone"}}', "model_unavailable"),
    # E7
    (
        400,
        b'{"error":{"code":400,"message":"too long","type":"exceed_context_size_error","n_prompt_tokens":17398}}',
        "context_overflow",
    ),
    (503, b'{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}', "server_busy"),
    (501, b'{"error":{"code":501,"message":"no such thing","type":"not_supported_error"}}', "bad_request"),
    # E5, and bodies that are none of the known ones
    (500, b"<!DOCTYPE html><html><body><pre>Internal Server Error</pre></body></html>", "http_error"),
    (404, b"404 page not found", "http_error"),
    (404, b'{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}', "http_error"),
    (422, b'{"detail":[{"loc":["body"],"msg":"field required","type":"missing"}]}', "bad_request"),
    (400, b'{"object":"error","message":"something else","code":40303}', "bad_request"),
    (400, b"", "bad_request"),
    (401, b"", "auth"),
    (429, b"", "server_busy"),
    (502, b"<html>Bad Gateway</html>", "unreachable"),
    (503, b"", "server_busy"),
    (307, b"", "http_error"),
    (304, b"", "http_error"),
    (425, b"", "server_busy"),
    (529, b"", "server_busy"),
    (418, b"teapot", "http_error"),
    (200, b"", "protocol"),
    (200, b"{}", "protocol"),
    (200, b"[]", "protocol"),
    (200, b"<html><body>Welcome to nginx!</body></html>", "protocol"),
    (200, b'{"error":"never heard of"}', "protocol"),
    (200, b"\xff\xfe\x00", "protocol"),
    (200, b'{"error":' * 5000, "protocol"),
    (400, b'{"error":' * 200 + b'"deep"' + b"}" * 200, "bad_request"),
    (500, b"<" * 100_000, "http_error"),
    (500, b"<script " * 10_000, "http_error"),
    (500, b'{"error":"' + b"model " * 100_000 + b'"}', "http_error"),
]


@pytest.mark.parametrize(("status", "body", "category"), BODIES, ids=[f"{row[0]}-{row[1][:20]!r}" for row in BODIES])
def test_any_other_body_has_a_category_and_a_sentence(status: int, body: bytes, category: str) -> None:
    fault = classify(status, {}, body).fault
    assert fault.category == category
    assert 20 < len(fault.message) < 800
    assert fault.message.isprintable()


def test_the_server_s_own_words_are_quoted_visibly() -> None:
    message = classify(500, {}, b'{"error":"bad \\u001b[2J\\ud800 thing"}').fault.message
    assert "bad \\x1b[2J\\ud800 thing" in message


def test_what_a_refused_token_was_is_not_quoted() -> None:
    body = b'{"error":{"message":"Malformed LM Studio API token provided: 22aac52a71... Ensure you are using"}}'
    message = classify(401, {}, body).fault.message
    assert "22aac52a71" not in message
    assert "LM_API_TOKEN" in message


def test_a_redirect_names_where_it_points() -> None:
    assert "http://elsewhere:1/v1" in classify(307, {"location": "http://elsewhere:1/v1"}, b"").fault.message


def test_every_rule_is_met_by_a_text_above() -> None:
    texts = [message for message, _, _ in MESSAGES] + [body.decode("utf-8", "replace") for _, body, _ in BODIES]
    met = [next((rule for rule in RULES if rule.pattern.search(text)), None) for text in texts]
    assert [rule.pattern.pattern for rule in RULES if rule not in met] == []


def test_every_rule_has_a_known_category_and_advice() -> None:
    assert {rule.category for rule in RULES} <= ERROR_CATEGORIES
    assert all(rule.advice.endswith(".") for rule in RULES)


def test_the_advice_names_settings_that_exist() -> None:
    named = {word for rule in RULES for word in re.findall(r"\b[A-Z]+_[A-Z_]+\b", rule.advice)}
    known = {"LM_API_TOKEN", "LM_STUDIO_URL", "MAX_IN_FLIGHT", "MAX_TOKENS", "REASONING_EFFORT", "RESPONSE_FORMAT"}
    assert named == known
