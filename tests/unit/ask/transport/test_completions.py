import json
from typing import Any

import pytest

from plotbot.ask.transport.completions import read_reply
from plotbot.errors import AskError

LM_STUDIO = {
    "id": "chatcmpl-q02bpqi48o7i2ckqx5w1k",
    "object": "chat.completion",
    "created": 1788094395,
    "model": "qwen3.6-35b-a3b-mtp@iq3_s",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "", "reasoning_content": "Thinking", "tool_calls": []},
            "logprobs": None,
            "finish_reason": "length",
        }
    ],
    "usage": {
        "prompt_tokens": 17,
        "completion_tokens": 1,
        "total_tokens": 18,
        "completion_tokens_details": {"reasoning_tokens": 1},
    },
    "stats": {},
    "system_fingerprint": "qwen3.6-35b-a3b-mtp@iq3_s",
}


def completion(message: Any, **rest: Any) -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], **rest}).encode()


def test_lm_studio_s_answer_is_read_whole() -> None:
    reply = read_reply(json.dumps(LM_STUDIO).encode())
    assert (reply.content, reply.reasoning, reply.finish_reason) == ("", "Thinking", "length")
    assert (reply.model, reply.prompt_tokens, reply.completion_tokens) == ("qwen3.6-35b-a3b-mtp@iq3_s", 17, 1)
    assert reply.tokens_per_second is None
    assert reply.details["usage"] == LM_STUDIO["usage"]
    assert "stats" not in reply.details


@pytest.mark.parametrize(
    ("message", "content", "reasoning"),
    [
        ({"content": "a"}, "a", ""),
        ({"content": None}, "", ""),
        ({}, "", ""),
        ({"content": 5}, "", ""),
        ({"content": "a", "reasoning": "r"}, "a", "r"),
        ({"content": "a", "reasoning_content": "", "reasoning": "r"}, "a", "r"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "image"}, {"text": "b"}, 7]}, "ab", ""),
        ({"content": [{"type": "text", "text": ["nested"]}]}, "", ""),
        ({"content": None, "tool_calls": [{"id": "365174485"}]}, "", ""),
        ({"content": "\ud800 and \x00"}, "\ud800 and \x00", ""),
    ],
)
def test_both_channels_are_read(message: Any, content: str, reasoning: str) -> None:
    reply = read_reply(completion(message))
    assert (reply.content, reply.reasoning) == (content, reasoning)


def test_a_byte_order_mark_before_an_answer_is_passed_over() -> None:
    assert read_reply(b"\xef\xbb\xbf" + completion({"content": "a"})).content == "a"


def test_of_several_choices_the_first_counts() -> None:
    choices = [{"message": {"content": text}} for text in ("first", "second")]
    assert read_reply(json.dumps({"choices": choices}).encode()).content == "first"


@pytest.mark.parametrize("count", [True, "17", -1, 1.5, None, [], 10**400, 2**60])
def test_a_count_that_is_none_is_left_out(count: Any) -> None:
    reply = read_reply(completion({"content": "a"}, usage={"prompt_tokens": count, "completion_tokens": count}))
    assert (reply.prompt_tokens, reply.completion_tokens) == (None, None)


@pytest.mark.parametrize("usage", [None, [], "many", 3, {}])
def test_usage_of_any_type_is_survived(usage: Any) -> None:
    assert read_reply(completion({"content": "a"}, usage=usage)).prompt_tokens is None


@pytest.mark.parametrize(
    ("told", "rate"),
    [
        ({"timings": {"predicted_per_second": 51.4}}, 51.4),
        ({"stats": {"tokens_per_second": 29}}, 29.0),
        ({"timings": {"predicted_per_second": 5.0}, "stats": {"tokens_per_second": 29}}, 5.0),
        ({"timings": {"predicted_per_second": float("nan")}, "stats": {"tokens_per_second": 29}}, 29.0),
        ({"stats": {"tokens_per_second": True}}, None),
        ({"stats": {"tokens_per_second": -3}}, None),
        ({"stats": {"tokens_per_second": float("inf")}}, None),
        ({"stats": {"tokens_per_second": 10**400}}, None),
        ({"timings": 7, "stats": "fast"}, None),
    ],
)
def test_the_server_s_own_speed_is_read(told: Any, rate: float | None) -> None:
    assert read_reply(completion({"content": "a"}, **told)).tokens_per_second == rate


def test_details_are_something_that_a_journal_can_hold() -> None:
    deep: Any = "end"
    for _ in range(400):
        deep = {"in": deep}
    usage = {"deep": deep, "long": "x" * 10_000, "nan": float("nan"), "wide": list(range(10_000))}
    details = read_reply(completion({"content": "a"}, usage=usage)).details
    assert len(json.dumps(details, allow_nan=False)) < 2_000


HOSTILE = [
    b"",
    b"\xff",
    b"\xef\xbb\xbf{}",
    b"null",
    b"[]",
    b'"choices"',
    b"{}",
    b'{"choices": []}',
    b'{"choices": {}}',
    b'{"choices": [null]}',
    b'{"choices": [{"message": null}]}',
    b'{"choices": [{"message": "hello"}]}',
    b'{"choices": [{"message": {"content": "cut',
    b'{"choices": [{"message": {"content": "\xc3"}}]}',
    b"[" * 1_000_000,
    b'{"a":' * 1_000_000,
    b'{"choices": ' + b"9" * 10_000 + b"}",
]


@pytest.mark.parametrize("body", HOSTILE, ids=[repr(body[:24]) for body in HOSTILE])
def test_a_body_that_is_no_completion_is_the_server_s_fault(body: bytes) -> None:
    with pytest.raises(AskError) as caught:
        read_reply(body)
    assert caught.value.category == "protocol"
    assert len(caught.value.message) < 300
