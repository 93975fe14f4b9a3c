"""LM Studio's error bodies, word for word, by what went wrong. BT#n: lmstudio-ai/lmstudio-bug-tracker issue n."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plotbot.mock.wire import Refused, Response, json_response

UNLOADED_TEXT = "Model unloaded."
RELOADED_TEXT = "Model reloaded."
CRASHED_TEXT = "The model has crashed without additional information. (Exit code: null)"
CANCELED_TEXT = "Operation canceled."
RESOURCES_TEXT = (
    "Model loading was stopped due to insufficient system resources. Continuing to load the model would likely "
    "overload your system and cause it to freeze. If you think this is incorrect, you can adjust the model loading "
    "guardrails in settings."
)
NO_MODELS_TEXT = "No models loaded. Please load a model in the developer page or use the 'lms load' command."
_AUTH_TEXT = (
    "An LM Studio API token is required to make requests to this server, but none was provided using the Authorization "
    "header using the 'Bearer' scheme (i.e., 'Authorization: Bearer $LM_API_TOKEN'). Learn more at: "
    "https://lmstudio.ai/docs/developer/core/authentication."
)


def flat(text: str, status: int = 400) -> Response:
    """Shape E1."""
    return json_response({"error": text}, status)


def nested(message: str, param: str | None, code: str | None, status: int = 400) -> Response:
    """Shape E2."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return json_response({"error": error}, status)


def native(error: dict[str, Any], status: int) -> Response:
    """Shape E3, of /api/v1 and of authentication: its keys come in more than one order."""
    return json_response({"error": error}, status)


OVERFLOWN = Refused(flat("Context size has been exceeded."))  # BT#1757


def unexpected(method: str, target: str) -> Response:
    """BT#618, #1323, #2085: the status is 200. [UNVERIFIED] whether a query string is part of it."""
    return flat(f"Unexpected endpoint or method. ({method} {target})", 200)


def no_streaming() -> Response:
    """The mock's own: LM Studio streams."""
    return nested('plotbot mock: streaming is not built in; send "stream": false', "stream", "plotbot_mock")


def no_token() -> Response:
    """agustif/opencode-lmstudio#41 (0.4.18); 401 by Orpheus-FastAPI#96."""
    return native({"type": "invalid_request", "code": "invalid_api_key", "message": _AUTH_TEXT}, 401)


def bad_token(token: str) -> Response:
    """[UNVERIFIED] status."""
    message = f"Malformed LM Studio API token provided: {token[:10]}... Ensure you are using a valid token."
    return native({"type": "invalid_request", "code": "invalid_api_key", "message": message}, 401)


def not_json(reason: str) -> Response:
    """[UNVERIFIED] status and body: only the server's log line is known (BT#1879)."""
    return flat(f"Received request with invalid JSON: {reason}")


def messages_missing() -> Response:
    """kiss-translator#310. [UNVERIFIED] status."""
    return flat("'messages' field is required")


def response_format(version: str) -> Response:
    """BT#189; up to 0.3.17 `text` was not known either."""
    return flat("'response_format.type' must be 'json_schema'" + ("" if version == "0.3" else " or 'text'"))


def no_models_loaded(version: str) -> Response:
    """lms#107 (0.3.5, 404); gpt-researcher#1556 (400)."""
    return flat(NO_MODELS_TEXT, 404 if version == "0.3" else 400)


def model_not_found_400(name: str, known: Sequence[str]) -> Response:
    """gpt-researcher#1556, QwenLM/qwen-code#10065 (late 2025 to 0.4.23)."""
    message = f'Invalid model identifier "{name}". Please specify a valid downloaded model (e.g., {", ".join(known)}).'
    return nested(message, "model", "model_not_found")


def model_not_found_404(name: str, known: Sequence[str]) -> Response:
    """gitbutler#8706, letta#1876 (0.3.5 to 0.3.16)."""
    listed = "\n".join(known)
    message = f'Model "{name}" not found. Please specify a valid model.\n\nYour models:\n\n{listed}\n'
    return nested(message, "model", "model_not_found", 404)


def model_omitted() -> Response:
    """[UNVERIFIED] shape: a third party saw the text and the status, with more than one model loaded or JIT off."""
    return nested('Invalid model identifier ""', "model", "model_not_found", 404)


def load_failed(name: str, reason: str) -> Response:
    """crush#2546 (0.4.8)."""
    return flat(f'Failed to load model "{name}". Error: {reason}')


def prompt_too_long(version: str, prompt_tokens: int, context: int) -> Response:
    """openclaude#353, openhuman#3550 (0.4); BT#546, #237 (0.3)."""
    advice = "Try to load the model with a larger context length, or provide a shorter input"
    if version == "0.3":
        return flat(
            f"Trying to keep the first {prompt_tokens} tokens when context the overflows. However, the model is "
            f"loaded with context length of only {context} tokens, which is not enough. {advice}"
        )
    return flat(
        "The number of tokens to keep from the initial prompt is greater than the context length "
        f"(n_keep: {prompt_tokens}>= n_ctx: {context}). {advice}."
    )


def load_not_found(name: str) -> Response:
    """Captured from a live server by a third party."""
    message = f"Model {name} not found in downloaded models"
    return native({"type": "model_not_found", "message": message}, 404)


def instance_not_found(name: str) -> Response:
    """[UNVERIFIED]."""
    return native({"type": "model_not_found", "message": f'Model instance "{name}" not found'}, 404)


def missing_parameter(name: str) -> Response:
    message = f'"{name}" is required'
    error = {"type": "invalid_request", "message": message, "code": "missing_required_parameter", "param": name}
    return native(error, 400)


def unrecognized_keys(names: Sequence[str]) -> Response:
    """Measured on /api/v1/chat (0.4.21). [UNVERIFIED] on load and unload."""
    quoted = ", ".join(f"'{name}'" for name in names)
    error = {
        "type": "invalid_request",
        "message": f"Unrecognized key(s) in object: {quoted}",
        "code": "unrecognized_keys",
    }
    return native(error, 400)
