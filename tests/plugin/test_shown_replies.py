"""Raw replies on the console: all with --show-replies, else under what failed; always harmless."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from plotbot.mock import MockServer, Rule

pytest_plugins = ("pytester",)

Evals = Callable[..., pytest.RunResult]
StartMock = Callable[..., MockServer]

RULES = (
    Rule(headline="Headline 01", reply="raw \x1b[31m text \u202e and \ud800 and \x00", reasoning="deep \x07 thought"),
    Rule(headline="Headline 02", status=400, body='{"error": "a \\u001b[2J refusal"}'),
)
ESCAPED = "raw \\x1b[31m text \\u202e and \\ud800 and \\x00"


@pytest.fixture
def three(evals: Evals, start_mock: StartMock) -> Callable[..., str]:
    """The output of a run with one good reply, one bad one and one refusal."""

    def run(*arguments: str) -> str:
        result = evals(start_mock(rules=RULES), "--test-sample-size=0", "-k", "t01 or t02 or t03", *arguments)
        assert result.ret == 10
        return result.stdout.str()

    return run


def test_a_failing_case_shows_what_the_model_said_and_a_good_one_does_not(three: Callable[..., str]) -> None:
    output = three()
    assert output.count("model's reply") == 2
    assert f"reasoning: deep \\x07 thought\n{ESCAPED}" in output
    assert "Headline 03: a goose is elected" not in output


def test_with_show_replies_every_reply_is_shown_once(three: Callable[..., str]) -> None:
    output = three("--show-replies")
    assert "model's reply" not in output
    for name, verdict in (("t01", "failed, not_json"), ("t02", "error, bad_request"), ("t03", "passed, ok")):
        assert f"test_story_seed[mock-model-headline-{name[1:]}-goose-elected-{name}-r1]: {verdict}, " in output
    assert f"reasoning: deep \\x07 thought\n{ESCAPED}\n" in output
    assert '[{"title": "Headline 03: a goose is elected"' in output


@pytest.mark.parametrize("arguments", [(), ("--show-replies",), ("--tb=long", "-vv"), ("--tb=short",), ("-rA", "-l")])
def test_nothing_that_moves_a_cursor_is_printed(three: Callable[..., str], arguments: tuple[str, ...]) -> None:
    output = three(*arguments)
    assert not {"\x1b", "\u202e", "\x07", "\x00"} & set(output)
    output.encode("utf-8")


def test_a_failure_is_told_in_a_few_lines_without_the_harness(three: Callable[..., str]) -> None:
    output = three()
    assert "  expected  a JSON array" in output
    assert "def test_story_seed" not in output
    assert "site-packages" not in output
    assert "def test_story_seed" in three("--tb=long")


def test_what_a_case_is_called_on_the_page_and_what_it_said(evals: Evals, start_mock: StartMock, project: Path) -> None:
    evals(start_mock(rules=RULES), "--test-sample-size=0", "-k", "t01 or t03")
    page = (project / "reports" / "mock-model.html").read_text(encoding="utf-8")
    assert "raw \\\\x1b[31m text" in page
    assert page.count("a goose is elected") >= 2
