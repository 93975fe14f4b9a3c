"""Checks before anything is asked: whether the run fits into a model's context, and what the server will ignore.

plotbot has no tokenizer, so tokens are estimated from bytes of UTF-8: by the lowest rate where that stops a run, by the
usual rate where it warns the user.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plotbot.ask.servers.discovery import ServerFacts
from plotbot.ask.servers.model_listing import ModelFacts
from plotbot.ask.transport.prompts import messages
from plotbot.records import Case, Question
from plotbot.safe import one_line, plural

BYTES_PER_TOKEN = 4
"""The usual rate over languages and tokenizers."""
MOST_BYTES_PER_TOKEN = 6
"""English prose in which every word is one token comes near this; no tokenizer exceeds it."""
FEWEST_BYTES_PER_TOKEN = 3
"""The rate of languages that tokenizers know less of."""
ROOM_FOR_TITLE = 1024
CONTEXT_STEP = 1024
LONGEST_BOUND = 2000
"""llama.cpp ignores a `maxLength` or `maxItems` beyond this."""
_NAMED_KEYWORDS = 8

# llama.cpp's grammars ignore these silently (its grammars/README.md, and measured with the embedded engine).
_IGNORED = frozenset({
    "multipleOf", "uniqueItems", "contains", "minContains", "maxContains", "minProperties", "maxProperties",
    "patternProperties", "propertyNames", "prefixItems", "if", "not", "dependentRequired", "dependentSchemas",
    "unevaluatedItems", "unevaluatedProperties",
})  # fmt: skip
_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_FORMATS = frozenset({"date", "time", "date-time", "uuid"})
_LENGTHS = frozenset({"maxLength", "maxItems"})
_ONE_SCHEMA = frozenset({"items", "additionalProperties", "contains", "not", "if", "then", "else", "propertyNames"})
_LISTS_OF_SCHEMAS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_NAMED_SCHEMAS = frozenset({"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"})
_GRAMMAR_SERVERS = frozenset({"lmstudio", "llama-server", "ollama"})


@dataclass(frozen=True, slots=True)
class Demand:
    """What a run needs of a model's context: its prompts in bytes, and the longest reply in tokens."""

    shortest_prompt: int
    longest_prompt: int
    max_tokens: int

    @property
    def least_tokens(self) -> int:
        """The tokens of the shortest prompt, at least."""
        return self.shortest_prompt // MOST_BYTES_PER_TOKEN

    @property
    def likely_tokens(self) -> int:
        """The tokens of the longest prompt and the longest reply together, by estimate."""
        return self.longest_prompt // BYTES_PER_TOKEN + self.max_tokens


def demand_of(cases: Sequence[Case], questions: Mapping[str, Question], max_tokens: int) -> Demand:
    """The demand of at least one case; *questions* are by hash."""
    bare = {key: _bytes_of(question) for key, question in questions.items()}
    prompts = [bare[case.prompt_hash] + len(case.title.text.encode("utf-8", "replace")) for case in cases]
    return Demand(min(prompts), max(prompts), max_tokens)


def context_wanted(questions: Iterable[Question], longest_title: int, max_tokens: int) -> int:
    """The tokens of context in which the longest prompt and the longest reply have room, by a generous estimate.

    *longest_title* is in bytes. A title counts as `ROOM_FOR_TITLE` at least, and the sum is rounded up to whole
    `CONTEXT_STEP`s, so that another sample of titles seldom gives another context.
    """
    longest = max(_bytes_of(question) for question in questions) + max(longest_title, ROOM_FOR_TITLE)
    tokens = -(-longest // FEWEST_BYTES_PER_TOKEN) + max_tokens
    return -(-tokens // CONTEXT_STEP) * CONTEXT_STEP


def impossible_context(model: ModelFacts, demand: Demand) -> str | None:
    """Why no request at all can be answered in the loaded context, or None."""
    context = model.context_length
    if context is None or demand.least_tokens < context:
        return None
    return (
        f"{one_line(model.id, 120)} is loaded with a context of {context} tokens, but the shortest prompt alone has at "
        f"least {demand.least_tokens} (estimated from its length). Load the model with a larger context "
        "(--load --context-length N, or lms load -c N), or shorten the prompt or the schema."
    )


def tight_context(model: ModelFacts, demand: Demand, in_flight: int) -> str | None:
    """Why the loaded context may be too small for *in_flight* requests at once, or None."""
    context = model.context_length
    at_once = 1 if model.context_per_slot else max(1, min(in_flight, model.slots or in_flight))
    wanted = at_once * demand.likely_tokens
    if context is None or wanted <= context:
        return None
    together = f"{at_once} requests at once" if at_once > 1 else "one request"
    cure = "MAX_IN_FLIGHT or MAX_TOKENS" if at_once > 1 else "MAX_TOKENS"
    return (
        f"{one_line(model.id, 120)} is loaded with a context of {context} tokens, but {together} may need about "
        f"{wanted} (an estimate: prompt and MAX_TOKENS). Answers may be cut off or refused; load it with a larger "
        f"context, or lower {cure}."
    )


def smaller_than_asked(model: ModelFacts, context_length: int | None) -> str | None:
    """That a model is loaded with less context than CONTEXT_LENGTH, or None."""
    if context_length is None or model.context_length is None or model.context_length >= context_length:
        return None
    return (
        f"{one_line(model.id, 120)} is loaded with a context of {model.context_length} tokens, not with "
        f"CONTEXT_LENGTH {context_length}. --load has LM Studio load it so; other servers are told when they start."
    )


def unenforced_schema(
    facts: ServerFacts, model: ModelFacts, schema: Mapping[str, Any], *, may_think: bool = True
) -> list[str]:
    """What RESPONSE_FORMAT=json_schema will not do on this server, as far as this is known of servers of its kind.

    *may_think* is false where REASONING_EFFORT asks the model not to think.
    """
    found = []
    name = one_line(model.id, 120)
    if facts.kind == "openai":
        found.append(
            f"It is not known whether the server at {facts.url} keeps {name} to a json_schema; plotbot checks replies."
        )
    if facts.kind == "ollama":
        found.append(f"Ollama ignores a json_schema for models on its MLX engine (until mid-2026); so may {name}.")
    if model.thinks and may_think:
        found.append(
            f"{name} thinks before it answers: constrained by a json_schema its JSON may arrive as reasoning "
            "(json_in_reasoning). REASONING_EFFORT=none asks it not to think."
        )
    if model.format == "mlx" and any(isinstance(part.get("type"), list) for _, part in _parts(schema)):
        found.append(f"{name} runs on MLX, which refuses a schema with a list of types: leave it out, or use anyOf.")
    if facts.kind in _GRAMMAR_SERVERS and model.format != "mlx" and (ignored := ignored_keywords(schema)):
        more = f" and {len(ignored) - _NAMED_KEYWORDS} more" if len(ignored) > _NAMED_KEYWORDS else ""
        found.append(
            "The server's grammar does not know these parts of the schema, and ignores or refuses them: "
            f"{', '.join(ignored[:_NAMED_KEYWORDS])}{more}. plotbot checks replies against all of it."
        )
    return found


def needless_waiting(workers: int, max_in_flight: int | None, slots: int | None, window: int) -> list[str]:
    """What only waits: xdist workers (0 without) beyond the window, and requests beyond the servers' slots."""
    found = []
    if workers > window:
        at_once = plural(window, "request is", "requests are")
        found.append(f"-n {workers}: only {at_once} in flight at once, so -n {window} does as well.")
    if max_in_flight is not None and slots is not None and max_in_flight > slots + 1:
        found.append(
            f"MAX_IN_FLIGHT is {max_in_flight}, but there {'is' if slots == 1 else 'are'} {plural(slots, 'slot')}: "
            "requests wait in the server's queue, and their times include the wait (REQUEST_TIMEOUT counts it, too)."
        )
    return found


def ignored_keywords(schema: Mapping[str, Any]) -> list[str]:
    """Where in a schema llama.cpp's grammar ignores something, as dotted paths such as `items.properties.age.minimum`.

    A pattern that the grammar cannot anchor is listed too; newer engines refuse it.
    """
    return [
        ".".join((*path, keyword)) for path, part in _parts(schema) for keyword in part if _is_ignored(keyword, part)
    ]


def _is_ignored(keyword: str, part: Mapping[str, Any]) -> bool:
    value = part[keyword]
    if keyword in _BOUNDS:
        return part.get("type") != "integer"
    if keyword in _LENGTHS:
        return isinstance(value, int) and value > LONGEST_BOUND
    if keyword == "format":
        return value not in _FORMATS
    if keyword == "pattern":
        return not _is_simple_pattern(value)
    if keyword == "properties":
        return "anyOf" in part or "oneOf" in part
    return keyword in _IGNORED


def _is_simple_pattern(pattern: object) -> bool:
    text = pattern if isinstance(pattern, str) else ""
    anchored = text.startswith("^") and text.endswith("$")
    return anchored and not any(escape in text for escape in (r"\d", r"\w", r"\s", r"\b"))


def _parts(schema: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Every schema inside a schema, with its path. The names of properties are not taken for keywords."""
    waiting: list[tuple[tuple[str, ...], object]] = [((), schema)]
    while waiting:
        path, part = waiting.pop(0)
        if isinstance(part, Mapping):
            yield path, part
            waiting += [((*path, *step), inside) for step, inside in _inside(part)]


def _inside(part: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], object]]:
    for keyword, value in part.items():
        if keyword in _ONE_SCHEMA:
            yield (keyword,), value
        elif keyword in _LISTS_OF_SCHEMAS and isinstance(value, list):
            yield from (((keyword, str(number)), inside) for number, inside in enumerate(value))
        elif keyword in _NAMED_SCHEMAS and isinstance(value, Mapping):
            yield from (((keyword, one_line(name, 60)), inside) for name, inside in value.items())


def _bytes_of(question: Question) -> int:
    talk = messages(question.prompt, "", question.schema)
    return sum(len(message["content"].encode("utf-8", "replace")) for message in talk)
