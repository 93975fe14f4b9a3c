from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from plotbot.mock import MockServer, Rule

Serve = Callable[..., MockServer]
Call = Callable[..., Any]
X = "[]"


def hits(server: MockServer, chat: Call, *headlines: str) -> str:
    """One letter a request: x where the rule met it."""
    return "".join("x" if chat(server, headline).message["content"] == X else "." for headline in headlines)


@pytest.mark.parametrize(
    ("rule", "seen"),
    [
        (Rule(reply=X), "xxxxxx"),
        (Rule(reply=X, headline="^Goose"), "x.x.x."),
        (Rule(reply=X, nth=(2, 5)), ".x..x."),
        (Rule(reply=X, every=3), "..x..x"),
        (Rule(reply=X, headline="Swan", nth=(2,)), "...x.."),
        (Rule(reply=X, headline="Swan", every=2, model="mock"), "...x.."),
        (Rule(reply=X, model="another"), "......"),
        (Rule(reply=X, handshake=True), "......"),
        (Rule(reply=X, probability=0.0), "......"),
        (Rule(reply=X, probability=1.0), "xxxxxx"),
    ],
)
def test_a_rule_meets_the_requests_that_it_names(serve: Serve, chat: Call, rule: Rule, seen: str) -> None:
    assert hits(serve(rule), chat, *["Goose Wins", "Swan Loses"] * 3) == seen


def test_probability_is_decided_by_the_seed(serve: Serve, chat: Call) -> None:
    rule = Rule(reply=X, probability=0.5)
    first, again, other = (hits(serve(rule, seed=seed), chat, *["a"] * 40) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert 5 < first.count("x") < 35


def test_the_first_rule_that_matches_decides_and_later_ones_do_not_count(serve: Serve, chat: Call) -> None:
    server = serve(Rule(reply="[1]", nth=(1,)), Rule(reply="[2]", nth=(1,)))
    assert [chat(server).message["content"][:3] for _ in range(3)] == ["[1]", "[2]", '[{"']


def test_a_scripted_reply_has_its_own_channel_and_reason(serve: Serve, chat: Call) -> None:
    answer = chat(serve(Rule(reply="", reasoning="hm", finish_reason="length")))
    assert (answer.message["content"], answer.message["reasoning_content"]) == ("", "hm")
    assert answer.data["choices"][0]["finish_reason"] == "length"


def test_a_reply_longer_than_max_tokens_is_cut(serve: Serve, chat: Call) -> None:
    answer = chat(serve(Rule(reply="x" * 100)), max_tokens=5)
    assert answer.message["content"] == "x" * 20
    assert answer.data["choices"][0]["finish_reason"] == "length"
    assert answer.data["usage"]["completion_tokens"] == 5


def test_a_status_comes_with_its_body_and_headers(serve: Serve, chat: Call) -> None:
    answer = chat(serve(Rule(status=503, body="busy", headers={"Retry-After": "3600", "Content-Type": "text/plain"})))
    assert (answer.status, answer.body, answer.headers["Retry-After"]) == (503, b"busy", "3600")
    assert answer.headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({}, r"^fault: the rule says what to match but not what to do"),
        ({"fault": "F05", "reply": "x"}, r"^fault: a rule answers in one way, and has reply and fault"),
        ({"shape": "sideways"}, r"^shape: 'sideways' is none of head_only, close,"),
        ({"reply": "", "headline": "("}, r"^headline: not a regular expression"),
        ({"reply": "", "probability": 1.5}, r"^probability: 1.5 is not between 0 and 1"),
        ({"reply": "", "nth": (0,)}, r"^nth: requests are counted from 1"),
        ({"reply": "", "every": 0}, r"^nth: requests are counted from 1"),
        ({"fault": "F05", "route": "models"}, r"^route: with it go status, reply, shape and latency"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_its_key(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Rule(**wrong)
