"""The verdict on a reply: its category, whether it satisfies schema and check, and what can be recovered of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from plotbot.categories import OK, RECOVERABLE_CATEGORIES
from plotbot.judge.checks import Check, TitleText, findings_of
from plotbot.judge.json_extraction import Extraction, extract, extract_truncated
from plotbot.judge.json_paths import json_path
from plotbot.judge.schemas import MAX_COUNTED, MAX_LISTED, Schema, compile_schema, normalized
from plotbot.judge.story_checks import OBJECTS, strings_in
from plotbot.judge.strict_json import StrictJsonError, parse_strict
from plotbot.judge.time_limit import JUDGING_SECONDS
from plotbot.records import Exchange, Finding, ItemResult, Question, Reply, Title, Verdict, Violation
from plotbot.safe import one_line


@dataclass(frozen=True, slots=True)
class _Examination:
    """All violations and findings of a value. The check runs only on a value without violations."""

    violations: Sequence[Violation]
    findings: Sequence[Finding]

    @property
    def passed(self) -> bool:
        return not self.violations and not self.findings


@dataclass(frozen=True, slots=True)
class _Criteria:
    schema: Schema
    title: TitleText
    check: Check | None
    until: float
    """When judging must have ended, by `time.monotonic`: several values of one reply share the time."""

    def examine(self, value: Any) -> _Examination:
        violations = self.schema.violations(value, self.until)
        findings = () if violations or self.check is None else tuple(self._findings(value, self.check))
        return _Examination(violations, findings)

    def _findings(self, value: Any, check: Check) -> Iterator[Finding]:
        for base, entry in _entries(value):
            for finding in findings_of(check, entry, self.title):
                message = _rebased_message(finding.message, base)
                yield replace(finding, path=_rebased(finding.path, base), message=message)
        for steps, _, text in strings_in(value):
            if normalized(text) in self.schema.descriptions:
                message = f"“{one_line(text, 80)}” is the schema's own description"
                yield Finding(json_path(steps), "placeholder", message)


def judge(
    reply: Reply,
    schema: Schema,
    title: Title | None = None,
    *,
    check: Check | None = None,
    tolerate: Collection[str] = (),
) -> Verdict:
    """The strict verdict on a reply: the first category of `plotbot.categories.FAILURES`, in their order, that applies.

    A failure is `recoverable` if one lenient step gives a value that passes schema and check: unwrapping the value,
    taking it out of the surrounding text, or, if the schema demands an array, a bare object as its only entry. Of
    several values the first that passes is taken (of several in the reasoning, the last). A recoverable failure is
    `tolerated` if its category is in *tolerate*; the category stays. If no value passes, the verdict has the
    violations and findings of the first.

    *check* is called with each entry of an array, or with the one object, and the headline, a text with the title's
    `fields` ('' without a title); `plotbot.judge.checks.findings_of` says what it may return.
    With a check, strings that repeat the schema's own descriptions are findings too. Judging raises nothing for any
    reply but `TooCostlyError`, where checking it against the schema takes too long; an exception from *check*
    propagates.
    """
    criteria = _Criteria(schema, TitleText.of(title), check, time.monotonic() + JUDGING_SECONDS)
    verdict = _judged(criteria, reply)
    return replace(verdict, tolerated=True) if verdict.recoverable and verdict.category in tolerate else verdict


def kept_value(reply: Reply, schema: Mapping[str, Any] | Schema, category: str) -> Any:
    """The value of a reply that an eval has kept, by the *category* of its result.

    For a recoverable category it is the value that judging recovers, for any other the reply's own strict JSON.
    Raises `StrictJsonError` if the reply holds no such value, and `InputError` if the schema cannot be compiled.
    """
    if category not in RECOVERABLE_CATEGORIES:
        return parse_strict(reply.content)
    compiled = schema if isinstance(schema, Schema) else compile_schema(schema, "the recorded schema")
    verdict = judge(reply, compiled)
    if verdict.recoverable:
        return verdict.value
    raise StrictJsonError(f"nothing that keeps to the schema can be recovered ({verdict.category})", 0, 1, 1)


def kept_values(*, judge_again: bool = False) -> Callable[[Exchange, ItemResult, Question], Any]:
    """A function that gives the `kept_value` of recorded exchanges. It compiles each schema once (milliseconds).

    With *judge_again* it raises `StrictJsonError` for a value that breaks the schema of its question.
    """
    schemas: dict[str, Schema] = {}

    def value_of(exchange: Exchange, result: ItemResult, question: Question) -> Any:
        if exchange.reply is None:
            raise StrictJsonError("no reply is on record", 0, 1, 1)
        judged = result.verdict or result.category
        if (judge_again or judged in RECOVERABLE_CATEGORIES) and question.hash not in schemas:
            schemas[question.hash] = compile_schema(question.schema, "the recorded schema")
        schema = schemas.get(question.hash)
        value = kept_value(exchange.reply, schema or question.schema, judged)
        broken = next(iter(schema.violations(value)), None) if judge_again and schema is not None else None
        if broken is not None:
            raise StrictJsonError(f"judged again, it breaks its schema: {broken.path} {broken.message}", 0, 1, 1)
        return value

    return value_of


def _judged(criteria: _Criteria, reply: Reply) -> Verdict:
    if reply.finish_reason == "length":
        return _extracted(criteria, extract_truncated(reply))
    try:
        value = parse_strict(reply.content)
    except StrictJsonError as error:
        return _extracted(criteria, extract(reply, error))
    return _strict(criteria, value)


def _strict(criteria: _Criteria, value: Any) -> Verdict:
    if not criteria.schema.allows_type(value):
        return _wrong_shape(criteria, value)
    examination = criteria.examine(value)
    if examination.passed:
        return Verdict(OK, value=value)
    if examination.violations:
        broken = Verdict("schema", "a value that keeps to the schema", where=examination.violations[0].path)
    else:
        broken = Verdict("content", "a value without findings", where=examination.findings[0].path)
    return _listed(broken, examination)


def _wrong_shape(criteria: _Criteria, value: Any) -> Verdict:
    verdict = Verdict("wrong_shape", _expected(criteria.schema), _type_of(value), "$")
    if not (isinstance(value, Mapping) and "array" in criteria.schema.types):
        return verdict
    examination = criteria.examine([value])
    return replace(verdict, recoverable=True, value=[value]) if examination.passed else _listed(verdict, examination)


def _extracted(criteria: _Criteria, extraction: Extraction) -> Verdict:
    expected = f"{_expected(criteria.schema)} and nothing around it"
    verdict = Verdict(extraction.category, expected, extraction.came, extraction.where)
    first: _Examination | None = None
    for value in extraction.values:
        examination = criteria.examine(value)
        if examination.passed:
            return replace(verdict, recoverable=True, value=value)
        first = first or examination
    return _listed(verdict, first) if first else verdict


def _listed(verdict: Verdict, examination: _Examination) -> Verdict:
    """The verdict with the first violations and findings, and the number of all of them in `came`."""
    counts = [_count(len(examination.violations), "violation"), _count(len(examination.findings), "finding")]
    came = "; ".join(part for part in (verdict.came, *counts) if part)
    violations, findings = tuple(examination.violations[:MAX_LISTED]), tuple(examination.findings[:MAX_LISTED])
    return replace(verdict, came=came, violations=violations, findings=findings)


def _count(number: int, noun: str) -> str:
    if not number:
        return ""
    counted = f"{number:,}{' or more' if number >= MAX_COUNTED else ''} {noun}{'s' if number > 1 else ''}"
    return f"{counted}, the first {MAX_LISTED} of them listed" if number > MAX_LISTED else counted


def _entries(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, list):
        yield from ((f"$[{index}]", entry) for index, entry in enumerate(value) if isinstance(entry, OBJECTS))
    elif isinstance(value, Mapping):
        yield "$", value


def _rebased_message(message: str, base: str) -> str:
    """A finding's words, with the paths in them counted from the root too. What follows a quotation mark is quoted."""
    words, quote, quoted = message.partition("“")
    return _PATH_IN_WORDS.sub(lambda _: base, words) + quote + quoted


_PATH_IN_WORDS = re.compile(r"(?<!\S)\$(?=[.\[])")


def _rebased(path: str, base: str) -> str:
    """A path that counts from an entry (`$.tone`), counted from the root (`$[0].tone`)."""
    if path.startswith("$"):
        return base + path[1:]
    return f"{base}.{path}" if path else base


def _expected(schema: Schema) -> str:
    return " or ".join(f"a JSON {name}" for name in sorted(schema.types)) or "JSON"


def _type_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "an array"
        case _:
            return "an object"
