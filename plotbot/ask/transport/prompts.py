"""The messages of a case, made from prompt file, schema, template and title, and the hash that identifies them.

The structured prompt is generated from the schema, so a changed schema asks for other fields without a change in the
code. A schema keyword without a wording here is shown as JSON, so that nothing of the schema is left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from plotbot.ask.transport.templates import fill
from plotbot.records import Case, Question, Title

Message = dict[str, str]

_ANNOTATIONS = frozenset({"$schema", "$id", "$comment", "title", "description", "default", "examples"})
_json = json.JSONEncoder(ensure_ascii=False).encode
_HEADLINE = "Headline: "


def make_structured_prompt(title: str, schema: Mapping[str, Any]) -> str:
    """The user message of a case: what *schema* asks for, in words, then the headline as a JSON string.

    As a JSON string the headline can be copied letter for letter and cannot pose as an instruction.
    """
    return f"{_schema_words(schema)}{_HEADLINE}{_json(title)}"


def messages(prompt: str, title: str, schema: Mapping[str, Any]) -> list[Message]:
    """The conversation of a case: the prompt file as system message, the structured prompt as user message."""
    return conversation(prompt, make_structured_prompt(title, schema))


class Conversations:
    """Makes the messages of many cases. The part that depends on the question alone is generated once, not per case."""

    def __init__(self, questions: Mapping[str, Question] | None = None) -> None:
        self._questions = questions or {}
        self._words: dict[str, str] = {}

    def of(self, case: Case) -> list[Message]:
        """The messages of a case; none if its question is not among *questions*, which are by hash."""
        question = self._questions.get(case.prompt_hash)
        return [] if question is None else self.about(question, case.title)

    def about(self, question: Question, title: Title) -> list[Message]:
        """The messages of a question about a title: by the question's template, else as `messages` makes them."""
        words = self._words.get(question.hash)
        if words is None:
            words = self._words[question.hash] = _schema_words(question.schema)
        if question.template:
            user = fill(question.template, title, schema=question.schema, schema_words=words.rstrip())
        else:
            user = f"{words}{_HEADLINE}{_json(title.text)}"
        return conversation(question.prompt, user)


def prompt_hash(prompt: str, schema: Mapping[str, Any], response_format: str, template: str = "") -> str:
    """Twelve hex digits of the SHA-256 of everything that is asked, except the title.

    The structured prompt of an empty title covers the wording of this module, the canonical schema covers the
    constraint that the server may be given. A template takes the place of the structured prompt, with the schema in
    words, which it may name.
    """
    user = [template, _schema_words(schema)] if template else make_structured_prompt("", schema)
    asked = [prompt, user, schema, response_format]
    canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:12]


def conversation(system: str, user: str) -> list[Message]:
    """A system message and a user message, in the form of the chat completions API."""
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def _schema_words(schema: Mapping[str, Any]) -> str:
    """What a schema asks for, in lines of words."""
    entry = _entry_schema(schema)
    return f"Write {_what(schema)}.\n{'' if entry is None else _fields(entry)}"


def _entry_schema(schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema of one object of the reply; None if the schema describes no objects."""
    entry = schema.get("items") if schema.get("type") == "array" else schema
    return entry if isinstance(entry, Mapping) and isinstance(entry.get("properties"), Mapping) else None


def _what(schema: Mapping[str, Any]) -> str:
    label = str(schema.get("description", "an answer to the headline below")).strip()
    entry = _entry_schema(schema)
    if entry is None:
        return f"JSON that satisfies {_json(schema)}: {label}"
    if entry is schema:
        return f"one JSON object: {label}"
    of = _count(schema, "Items")
    return f"a JSON array of {of} objects{_remaining(schema, 'type', 'items', 'minItems', 'maxItems')}: {label}"


def _fields(entry: Mapping[str, Any]) -> str:
    worded = ["type", "properties", "required"]
    required = _names(entry.get("required"))
    closed = entry.get("additionalProperties") is False
    rest = _remaining(entry, *worded, "additionalProperties") if closed else _remaining(entry, *worded)
    lines = [f"Each object has these fields{' and no others' if closed else ''}{rest}:"]
    lines += [_field(name, sub, name in required) for name, sub in entry["properties"].items()]
    return "\n".join(lines) + "\n"


def _field(name: str, schema: object, required: bool) -> str:
    if not isinstance(schema, Mapping):
        return f"- {name}: {_json(schema)}"
    optional = "" if required else "optional, "
    description = schema.get("description")
    return f"- {name} ({optional}{_kind(schema)})" + (f": {description}" if description else "")


def _kind(schema: Mapping[str, Any]) -> str:
    """A property's type in words; keywords without a wording follow as JSON."""
    if isinstance(schema.get("enum"), list):
        choices = ", ".join(_json(choice) for choice in schema["enum"])
        return f"one of {choices}{_remaining(schema, 'enum')}"
    kind = schema.get("type")
    if kind == "string":
        return f"string{_length(schema)}{_remaining(schema, 'type', 'minLength', 'maxLength')}"
    if kind == "array" and isinstance(schema.get("items"), Mapping):
        of = _kind(schema["items"])
        rest = _remaining(schema, "type", "items", "minItems", "maxItems")
        return f"array of {_count(schema, 'Items')}: {of}{rest}"
    return _json({key: value for key, value in schema.items() if key not in _ANNOTATIONS})


def _length(schema: Mapping[str, Any]) -> str:
    bounds = _count(schema, "Length")
    return "" if bounds == "any number of" else f" of {bounds} characters"


def _count(schema: Mapping[str, Any], of: str) -> str:
    low, high = schema.get(f"min{of}"), schema.get(f"max{of}")
    if low is None and high is None:
        return "any number of"
    if low == high:
        return f"{low}"
    if low is None:
        return f"up to {high}"
    return f"at least {low}" if high is None else f"{low} to {high}"


def _remaining(schema: Mapping[str, Any], *worded: str) -> str:
    rest = {key: value for key, value in schema.items() if key not in _ANNOTATIONS.union(worded)}
    return f", satisfying {_json(rest)}" if rest else ""


def _names(value: object) -> frozenset[str]:
    return frozenset(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else frozenset()
