"""What to do about each category of failure and error, in one sentence, and which step to take next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from plotbot.measure.gate import GateResult
from plotbot.measure.metrics import ModelMetrics
from plotbot.safe import plural

RESUME = "pytest evals --resume"
"""What goes on with a run of which nothing more is known."""
ADVICE = {
    "empty": "The model said nothing: check its chat template, or ask for less in the prompt.",
    "truncated": "Answers were cut off: raise MAX_TOKENS, or load the model with a longer context.",
    "json_in_reasoning": "The answer is in the reasoning channel: set REASONING_EFFORT lower, or turn reasoning off.",
    "thinking_leak": "Thinking stands in the answer: lower REASONING_EFFORT, or let the server parse reasoning.",
    "fenced": "Answers come in a code fence: forbid fences in the prompt, or accept them with TOLERATE=fenced.",
    "prose_around": "Prose stands around the JSON: ask in the prompt for the JSON alone, or set TOLERATE=prose_around.",
    "not_json": "Answers are not JSON: try RESPONSE_FORMAT=json_schema, or put an example into the prompt.",
    "bad_json": "Answers are almost JSON: try RESPONSE_FORMAT=json_schema or a lower TEMPERATURE.",
    "wrong_shape": "Valid JSON of the wrong shape: say in the prompt which shape the schema wants.",
    "schema": "Fields break the schema: see which in the report, and describe them in the schema or the prompt.",
    "content": "Answers have the shape but not the sense: read the findings, then give the prompt an example.",
    "assertion": "An eval's own assertion failed: read its message under the failing test.",
    "unreachable": "No server answers: start it (lms server start), correct LM_STUDIO_URL, or try --embedded.",
    "timeout": "Answers take too long: raise REQUEST_TIMEOUT, or lower MAX_TOKENS or MAX_IN_FLIGHT.",
    "server_busy": "The server refuses work: lower MAX_IN_FLIGHT.",
    "http_error": "The server answered with an error: it is not asked again at once; read its log, then resume.",
    "auth": "The server wants a valid token: set LM_API_TOKEN.",
    "model_unavailable": "The server does not have the model: compare MODEL with its list (plotbot doctor).",
    "model_crashed": "The model crashed on the server: load it with a shorter context or fewer layers on the GPU.",
    "model_unloaded": "The model was unloaded during the run: load it without a time to live, then resume.",
    "wrong_model": "Another model answered than was asked: load the right one, or correct MODEL.",
    "context_overflow": "The prompt does not fit: load the model with a longer context, or shorten the prompt.",
    "bad_request": "The server refuses the request: its message says why; it may not know a parameter that is sent.",
    "protocol": "The server's answers are not chat completions: check that LM_STUDIO_URL is the right endpoint.",
    "too_large": "Answers are too large to read: lower MAX_TOKENS.",
    "too_costly": "A reply was not judged in time: simplify the keyword that the error names; without one, resume.",
    "eval_code": "An eval's own code raised an exception: its traceback is above.",
}
# By category and what its replies have in common (`ModelMetrics.traits`).
_EXACT = {
    ("truncated", "looped"): "Answers repeat themselves until they are cut off: raise REPEAT_PENALTY, not MAX_TOKENS.",
    ("wrong_shape", "array"): "Valid JSON of the wrong shape: say in the prompt that the reply is a JSON array.",
    ("wrong_shape", "object"): "Valid JSON of the wrong shape: say in the prompt that the reply is one JSON object.",
}


def advice(category: str, metrics: Sequence[ModelMetrics] = ()) -> str:
    """What to do about a failure or an error, in one sentence; the empty text for a category of a later version.

    *metrics* are those of the models that have it: what their replies have in common makes the advice more exact.
    """
    common = {one.traits.get(category, "") for one in metrics if category in one.failures}
    exact = _EXACT.get((category, common.pop())) if len(common) == 1 else None
    return exact or ADVICE.get(category, "")


def next_step(metrics: Sequence[ModelMetrics], gates: Sequence[GateResult] = (), resume: str = RESUME) -> str | None:
    """The one thing to do next, or None.

    A run with items that were not run is to be resumed first, by the command *resume*. Otherwise it is the advice for
    the most frequent failure or error of all models. Among equally frequent ones an error comes first, because it
    leaves the run incomplete. Without either it is what settles the gate.
    """
    not_run = sum(one.tally.not_run for one in metrics)
    if not_run:
        return f"{resume} ({not_run} planned but not run; finished work is not asked again)"
    failures, errors = _total(metrics, "failures"), _total(metrics, "errors")
    known = [category for category in failures + errors if advice(category)]
    if not known:
        return _without_failures(gates)
    category = min(known, key=lambda name: (-failures[name] - errors[name], name not in errors, name))
    kind, counts = ("error", errors) if category in errors else ("failure", failures)
    return f"{category} is {counts[category]} of {plural(counts.total(), kind)}. {advice(category, metrics)}"


def _total(metrics: Sequence[ModelMetrics], kind: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in metrics:
        total.update(one.failures if kind == "failures" else one.errors)
    return total


def _without_failures(gates: Sequence[GateResult]) -> str | None:
    needed = [gate.needed for gate in gates if gate.needed is not None]
    if needed:
        return f"Set TEST_SAMPLE_SIZE to about {max(needed)}: that would settle the gate at this rate."
    return None
