"""The verdict on a reply: what it is, whether it keeps to the schema and the check, what could be saved of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from plotbot.judge.paths import json_path, rebased, strings_in
from plotbot.judge.schemas import MAX_COUNTED, MAX_LISTED, Schema, folded
from plotbot.judge.story_checks import Check
from plotbot.judge.surroundings import Diagnosis, diagnose
from plotbot.records import OK, Finding, Reply, Title, Verdict, Violation
from plotbot.safe import one_line


@dataclass(frozen=True, slots=True)
class _Exam:
    """What schema and check hold against a value, all of it; the check is asked only where the schema is kept."""

    violations: Sequence[Violation]
    findings: Sequence[Finding]

    @property
    def passed(self) -> bool:
        return not self.violations and not self.findings


@dataclass(frozen=True, slots=True)
class _Referee:
    schema: Schema
    title: str
    check: Check | None

    def examine(self, value: Any) -> _Exam:
        violations = self.schema.violations(value)
        return _Exam(violations, () if violations or self.check is None else tuple(self._findings(value, self.check)))

    def _findings(self, value: Any, check: Check) -> Iterator[Finding]:
        for base, entry in _entries(value):
            for finding in check(entry, self.title):
                yield replace(finding, path=rebased(finding.path, base))
        for steps, _, text in strings_in(value):
            if folded(text) in self.schema.descriptions:
                told = f"“{one_line(text, 80)}” is the schema's own description"
                yield Finding(json_path(steps), "placeholder", told)


def judge(
    reply: Reply,
    schema: Schema,
    title: Title | None = None,
    *,
    check: Check | None = None,
    tolerate: Collection[str] = (),
) -> Verdict:
    """The strict verdict on a reply: the first thing that is wrong with it, in this order.

    1. `truncated`: the server says that it was cut, whatever the text looks like.
    2. `json_in_reasoning`, `empty`: there is no text; with JSON in the reasoning, or without.
    3. `thinking_leak`, `fenced`, `prose_around`: an answer is there, with something around it.
    4. `not_json`, `bad_json`: nothing that looks like JSON; or what opens as JSON and is not strict JSON.
    5. `wrong_shape`: strict JSON of a type that the schema's root does not allow.
    6. `schema`, with violations; then `content`, with what the check finds.

    A failure is `recoverable` where one gentle step gives a value that passes schema and check: unwrapping it, taking
    it out of what stands around it, or, where the schema wants an array, a bare object as its one entry. Of several
    values the first that passes is taken (in reasoning, the last). Such a failure is `tolerated` if its category is in
    *tolerate*; a fenced array that breaks the schema stays `fenced` and is not. Violations and findings are then those
    of the first value.

    *check* sees each entry of an array (or the one object) with the title's text, '' without a title; strings that
    hand back the schema's own descriptions are findings too. Whatever the reply, judging raises nothing; what *check*
    raises goes through.
    """
    referee = _Referee(schema, title.text if title else "", check)
    diagnosis = diagnose(reply)
    verdict = _strict(referee, diagnosis.values[0]) if diagnosis.category == OK else _wrapped(referee, diagnosis)
    return replace(verdict, tolerated=verdict.recoverable and verdict.category in tolerate)


def _strict(referee: _Referee, value: Any) -> Verdict:
    if not referee.schema.allows_type(value):
        return _wrong_shape(referee, value)
    exam = referee.examine(value)
    if exam.passed:
        return Verdict(OK, value=value)
    if exam.violations:
        broken = Verdict("schema", "a value that keeps to the schema", where=exam.violations[0].path)
    else:
        broken = Verdict("content", "a value without findings", where=exam.findings[0].path)
    return _listed(broken, exam)


def _wrong_shape(referee: _Referee, value: Any) -> Verdict:
    verdict = Verdict("wrong_shape", _wanted(referee.schema), _type_of(value), "$")
    if not (isinstance(value, Mapping) and "array" in referee.schema.types):
        return verdict
    exam = referee.examine([value])
    return replace(verdict, recoverable=True, value=[value]) if exam.passed else _listed(verdict, exam)


def _wrapped(referee: _Referee, diagnosis: Diagnosis) -> Verdict:
    expected = f"{_wanted(referee.schema)} and nothing around it"
    verdict = Verdict(diagnosis.category, expected, diagnosis.came, diagnosis.where)
    first: _Exam | None = None
    for value in diagnosis.values:
        exam = referee.examine(value)
        if exam.passed:
            return replace(verdict, recoverable=True, value=value)
        first = first or exam
    return _listed(verdict, first) if first else verdict


def _listed(verdict: Verdict, exam: _Exam) -> Verdict:
    """The verdict with the first of what was found, and the number of all of it in `came`."""
    counts = [_count(len(exam.violations), "violation"), _count(len(exam.findings), "finding")]
    came = "; ".join(part for part in (verdict.came, *counts) if part)
    violations, findings = tuple(exam.violations[:MAX_LISTED]), tuple(exam.findings[:MAX_LISTED])
    return replace(verdict, came=came, violations=violations, findings=findings)


def _count(number: int, noun: str) -> str:
    if not number:
        return ""
    counted = f"{number:,}{' or more' if number >= MAX_COUNTED else ''} {noun}{'s' if number > 1 else ''}"
    return f"{counted}, the first {MAX_LISTED} of them listed" if number > MAX_LISTED else counted


def _entries(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        yield "$", value
    elif isinstance(value, list):
        yield from ((f"$[{index}]", entry) for index, entry in enumerate(value) if isinstance(entry, Mapping))


def _wanted(schema: Schema) -> str:
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
