"""Reads a chat completion: from the bytes of a body to a `Reply`. The server may be hostile: every value is checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from plotbot.errors import AskError
from plotbot.records import Reply

_DETAILS = ("id", "created", "system_fingerprint", "usage", "stats", "timings", "model_info", "runtime")
_LARGEST_COUNT = 2**53
_LONGEST_NAME = 300
_MOST_DETAILS = 64
_DEEPEST_DETAILS = 4


def read_reply(body: bytes) -> Reply:
    """The reply in a chat completion's body: the content and reasoning of its first choice, and the server's counts.

    Counts that are missing or not numbers are None. Raises AskError `protocol` if the body is no chat completion.
    """
    return reply_from(parse(body))


def parse(body: bytes) -> Any:
    """The JSON value of a body. Raises AskError `protocol`, and nothing else, if it cannot be read."""
    try:
        return json.loads(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _unreadable(f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _unreadable(f"it is not JSON at character {error.pos} of {len(error.doc)}") from None
    except (ValueError, RecursionError):
        raise _unreadable("a number is too long or the nesting too deep to read") from None


def has_choices(data: object) -> bool:
    """Whether *data* is a chat completion. The status does not tell: errors and unknown paths can come with a 200."""
    return isinstance(data, dict) and isinstance(data.get("choices"), list) and bool(data["choices"])


def reply_from(data: object) -> Reply:
    """The reply in a parsed chat completion. Raises AskError `protocol` if *data* is none."""
    if not isinstance(data, dict) or not has_choices(data):
        raise _unreadable("it has no choices")
    choice = _object(data["choices"][0])
    message = choice.get("message")
    if not isinstance(message, dict):
        raise _unreadable("its first choice has no message")
    usage = _object(data.get("usage"))
    return Reply(
        content=_text(message.get("content")),
        reasoning=_text(message.get("reasoning_content")) or _text(message.get("reasoning")),
        finish_reason=_string(choice.get("finish_reason")),
        model=_string(data.get("model")),
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        tokens_per_second=_tokens_per_second(data),
        details=_bounded({key: data[key] for key in _DETAILS if data.get(key) not in (None, {})}),
    )


def _unreadable(why: str) -> AskError:
    return AskError("protocol", f"The server's answer cannot be read as a chat completion: {why}.")


def _text(value: object) -> str:
    """The text of content or reasoning: a string, or the joined text parts of a list; empty for null."""
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in value if isinstance(part, dict) and _is_text(part))
    return value if isinstance(value, str) else ""


def _is_text(part: dict[str, Any]) -> bool:
    return part.get("type", "text") == "text" and isinstance(part.get("text"), str)


def _tokens_per_second(data: dict[str, Any]) -> float | None:
    """llama-server's own timing, else LM Studio's. Both cover generation only, without prompt processing."""
    predicted = _object(data.get("timings")).get("predicted_per_second")
    return _rate(predicted) or _rate(_object(data.get("stats")).get("tokens_per_second"))


def _rate(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < _LARGEST_COUNT and math.isfinite(value) else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST_COUNT else None


def _string(value: object) -> str | None:
    return value[:_LONGEST_NAME] if isinstance(value, str) and value else None


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _bounded(value: Any, depth: int = _DEEPEST_DETAILS) -> Any:
    """A copy that fits into the journal: cut if too deep, too wide or too long, null for numbers that JSON lacks."""
    if isinstance(value, str):
        return value[:_LONGEST_NAME]
    if isinstance(value, dict):
        inside = list(value.items())[:_MOST_DETAILS] if depth else []
        return {key[:_LONGEST_NAME]: _bounded(item, depth - 1) for key, item in inside}
    if isinstance(value, list):
        return [_bounded(item, depth - 1) for item in value[:_MOST_DETAILS]] if depth else []
    return None if isinstance(value, int | float) and not -math.inf < value < math.inf else value
