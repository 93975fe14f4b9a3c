"""Templates of the user message: hostile titles and fields are text, and unknown names are refused."""

from __future__ import annotations

from typing import Any

import pytest

from plotbot.ask.transport.prompts import Conversations, prompt_hash
from plotbot.ask.transport.templates import fill, refuse_unknown_names
from plotbot.errors import InputError
from plotbot.records import Question, Title

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"answer": {"type": "integer"}}}
HOSTILE = Title(
    "t1",
    "{title} {title.__class__} %s {0} {{x}} \\ $title \u202e",
    {
        "context": "{schema} {title!r} {fields}",
        "n": 7,
        "none": None,
        "my field": "spaced",
        "名": "han",
        "_x": "private",
    },
)


def _filled(template: str, title: Title = HOSTILE) -> str:
    return fill(template, title, schema=SCHEMA, schema_words="Write.")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{title}", HOSTILE.text),
        ("<{ title }>", f"<{HOSTILE.text}>"),
        ("{context}", "{schema} {title!r} {fields}"),
        ("{n} {none} {my field} {名} {_x}", "7 null spaced han private"),
        ("{schema}|{schema_json}", 'Write.|{"type": "object", "properties": {"answer": {"type": "integer"}}}'),
        ('Say {"title": "…", "a": {"b": [{}]}} {0} {} {{', 'Say {"title": "…", "a": {"b": [{}]}} {0} {} {{'),
        ("{{title}} {{{title}}}", "{title} {" + "{title}" + "}"),
        ("{title}{title}", HOSTILE.text * 2),
    ],
)
def test_names_are_replaced_once_and_nothing_is_evaluated(template: str, message: str) -> None:
    assert _filled(template) == message


def test_fields_and_title_as_json_can_be_read_back() -> None:
    assert _filled("{title_json}", Title("a", 'Say "no"\n')) == '"Say \\"no\\"\\n"'
    assert _filled("{fields}", Title("a", "b", {"x": [1], "y": "é"})) == '{"x": [1], "y": "é"}'
    assert _filled("{fields}", Title("a", "b")) == "{}"


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{title.__class__}", "line 1, column 1: {title.__class__} is no field of the titles"),
        ("{title}\n  {contxt}", "line 2, column 3: {contxt} is no field of the titles; did you mean {context}? "),
        ("{title!r}", "{title!r} is no field of the titles; did you mean {title}?"),
        ("{title:>10}", "{title:>10} is no field"),
        ("{title} {a[0]}", "To have it as text, write {{a[0]}}"),
        ("{title} {some}", "column 9: the title 'b' has no field 'some': give it one"),
        ("Write a haiku.", "names nothing of a title, so every message would be the same: write {title}"),
        ("{schema} {{title}}", "names nothing of a title"),
    ],
)  # fmt: skip
def test_a_name_that_is_none_of_a_titles_is_refused(template: str, says: str) -> None:
    titles = [Title("a", "A", {"context": 1, "some": 2}), Title("b", "B", {"context": 1})]
    with pytest.raises(InputError) as refused:
        refuse_unknown_names(template, titles, "t.txt")
    assert says in str(refused.value)
    assert str(refused.value).startswith("t.txt: ")


def test_what_is_known_is_accepted() -> None:
    refuse_unknown_names("{title} {context}", [HOSTILE], "t.txt")
    refuse_unknown_names("{context}", [HOSTILE], "t.txt")


def test_the_template_is_part_of_the_prompt_hash_and_nothing_changes_without_one() -> None:
    assert prompt_hash("p", SCHEMA, "none") == prompt_hash("p", SCHEMA, "none", "")
    hashes = {prompt_hash("p", SCHEMA, "none", template) for template in ("", "{title}", "{title} ")}
    assert len(hashes) == 3


def test_the_user_message_is_the_filled_template() -> None:
    question = Question("Be brief.", SCHEMA, "none", "h", "{schema}\n{title}")
    system, user = Conversations().about(question, Title("a", "A goose"))
    assert system == {"role": "system", "content": "Be brief."}
    assert user["content"].startswith("Write one JSON object: ")
    assert user["content"].endswith("\nA goose")
    assert "\n\n" not in user["content"]
