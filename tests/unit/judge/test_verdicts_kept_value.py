import pytest

from plotbot.judge import StrictJsonError, compile_schema, kept_value, kept_values
from plotbot.records import Exchange, ItemResult, Question, Reply

SCHEMA = {"type": "array", "items": {"type": "object", "required": ["title"]}}
GOOD = '[{"title": "x"}]'


@pytest.mark.parametrize(
    ("content", "category", "value"),
    [
        (GOOD, "ok", [{"title": "x"}]),
        ('{"kept": "unjudged"}', "ok", {"kept": "unjudged"}),
        (f"```json\n{GOOD}\n```", "fenced", [{"title": "x"}]),
        (f"Here: {GOOD}", "prose_around", [{"title": "x"}]),
        ('{"title": "x"}', "wrong_shape", [{"title": "x"}]),
    ],
)
def test_the_kept_value_is_read_from_the_reply_again(content: str, category: str, value: object) -> None:
    assert kept_value(Reply(content), SCHEMA, category) == value
    assert kept_value(Reply(content), compile_schema(SCHEMA, "s"), category) == value


@pytest.mark.parametrize(("content", "category"), [("```\n[]", "ok"), ("[{}] and more", "prose_around")])
def test_a_reply_without_such_a_value_is_refused(content: str, category: str) -> None:
    with pytest.raises(StrictJsonError):
        kept_value(Reply(content), SCHEMA, category)


def test_the_value_of_an_exchange_is_read_with_its_questions_schema() -> None:
    exchange = Exchange("c", "m", "", 0.1, (), reply=Reply(f"```\n{GOOD}\n```"))
    question = Question("p", SCHEMA, "none", "h")
    value_of = kept_values()
    for _ in range(2):
        assert value_of(exchange, ItemResult("c", "i", "passed", "fenced"), question) == [{"title": "x"}]
    with pytest.raises(StrictJsonError, match="no reply"):
        value_of(Exchange("c", "m", "", 0.1, ()), ItemResult("c", "i", "passed", "ok"), question)
