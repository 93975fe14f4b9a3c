"""The answer in a reply that was found good before: what a title file keeps of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from plotbot.judge.schemas import Schema, compile_schema
from plotbot.judge.strict_json import StrictJsonError, parse_strict
from plotbot.judge.verdicts import judge
from plotbot.records import RECOVERABLE_CATEGORIES, Exchange, ItemResult, Question, Reply


def kept_value(reply: Reply, schema: Mapping[str, Any] | Schema, category: str) -> Any:
    """The value of a reply that an eval has kept, by the *category* of its result.

    Of a category that can be tolerated it is the value that judging recovers; of any other the reply's own strict JSON.
    Raises `StrictJsonError` where the reply holds none, and `InputError` for a schema that cannot be compiled.
    """
    if category not in RECOVERABLE_CATEGORIES:
        return parse_strict(reply.content)
    compiled = schema if isinstance(schema, Schema) else compile_schema(schema, "the recorded schema")
    verdict = judge(reply, compiled)
    if verdict.recoverable:
        return verdict.value
    raise StrictJsonError(f"nothing that keeps to the schema can be recovered ({verdict.category})", 0, 1, 1)


def kept_values() -> Callable[[Exchange, ItemResult, Question], Any]:
    """`kept_value` of a recorded exchange; each question's schema is compiled once, for that costs milliseconds."""
    schemas: dict[str, Schema] = {}

    def value_of(exchange: Exchange, result: ItemResult, question: Question) -> Any:
        if exchange.reply is None:
            raise StrictJsonError("no reply is on record", 0, 1, 1)
        if result.category in RECOVERABLE_CATEGORIES and question.hash not in schemas:
            schemas[question.hash] = compile_schema(question.schema, "the recorded schema")
        return kept_value(exchange.reply, schemas.get(question.hash, question.schema), result.category)

    return value_of
