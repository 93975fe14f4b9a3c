"""The categories of failures and errors, and what each failure means.

A failure is the model's: an answer came, and it is not good. An error is not: no usable answer came, or the eval or its
schema is at fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

ERROR_CATEGORIES = frozenset({
    "unreachable", "timeout", "server_busy", "http_error", "auth", "model_unavailable", "model_crashed",
    "model_unloaded", "wrong_model", "context_overflow", "bad_request", "protocol", "too_large", "eval_code",
    "too_costly",
})  # fmt: skip
OK = "ok"


class Failure(NamedTuple):
    """A category of failure: what it means, and whether judging may recover a valid answer from such a reply."""

    meaning: str
    recoverable: bool = False


# In the order in which judging looks for them: a reply gets the first that applies. `truncated` depends on the
# server's finish reason alone. docs/verdicts.md has the same table; a test compares them.
FAILURES: Mapping[str, Failure] = {
    "truncated": Failure("the answer was cut off at the token limit", recoverable=True),
    "json_in_reasoning": Failure("the answer is in the reasoning, not in the text", recoverable=True),
    "empty": Failure("the model said nothing"),
    "thinking_leak": Failure("thinking stands in the text", recoverable=True),
    "fenced": Failure("the answer stands in a code fence", recoverable=True),
    "prose_around": Failure("there is more in the text than one JSON value", recoverable=True),
    "not_json": Failure("the text is not JSON"),
    "bad_json": Failure("the text is broken JSON"),
    "wrong_shape": Failure("JSON, but of another shape", recoverable=True),
    "schema": Failure("JSON, but not as the schema wants it"),
    "content": Failure("as the schema wants it, but not a usable answer"),
    "assertion": Failure("the eval asserts otherwise"),
}
FAILURE_CATEGORIES = frozenset(FAILURES)
RECOVERABLE_CATEGORIES = frozenset(name for name, failure in FAILURES.items() if failure.recoverable)
