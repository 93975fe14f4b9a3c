from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from plotbot.mock import FAULTS, Latency, MockServer, ModelSpec, Rule, Scenario

Serve = Callable[..., MockServer]
Connect = Callable[[MockServer], Any]
Call = Callable[..., Any]
Until = Callable[[Callable[[], bool]], None]

# What a raw socket sees: the content by its beginning and end, the reasoning's beginning, why it stopped.
SAID = {
    "F01": ("", "", '[{"title": "Goose Wins"', "stop"),
    "F02": ("", "", "Okay, the user", "length"),
    "F03": ("", "", "", "length"),
    "F04": ("<think>\nOkay", "}]", "", "stop"),
    "F04.unclosed": ("<think>\nOkay", "}]", "", "stop"),
    "F04.newlines": ("<think>\n\n</think>\n\n\n\n[{", "}]", "", "stop"),
    "F05": ("```json\n[{", "}]\n```", "", "stop"),
    "F05.lead-in": ("Sure! Here is the JSON you asked for:\n\n```json\n[{", "}]\n```", "", "stop"),
    "F06": ("I would write", "go on?", "", "stop"),
    "F07": ("[{", "", "", "length"),
    "F08": ("[{", "\n\n\n", "", "length"),
    "F09": ("[{", "}]", "", "stop"),
    "F14.other": ("[{", "}]", "", "stop"),
    "F15": ("[{", "}]", "", "stop"),
    "F20.silent": ("", "", "", "stop"),
    "F24": ("[{", "}]", "", "stop"),
    "F25.empty": ("", "", "", "stop"),
    "F26": ("[{", "}]", "", "stop"),
    "F27": ("", "", "", "stop"),
    "F30": ("[{", "}]", "", "stop"),
    "F30.zeros": ("[{", "}]", "", "stop"),
    "F30.extra": ("[{", "}]", "", "stop"),
    "F32": ("[{", "}]", "", "stop"),
    "F33": ("[{", "}]", "", "stop"),
    "F33.echo": ("Write a story seed.\nHeadline:", "}]", "", "stop"),
    "F33.two": ("[{", "}]", "", "stop"),
    "F34": ("[{", "}]", "", "stop"),
}
# Status, and the beginning of the body.
REFUSED = {
    "F10": (400, """{"error":"'response_format.type' must be 'json_schema' or 'text'"}"""),
    "F11": (400, r'{"error":"Engine protocol predict request returned 400: {\"error\":{\"code\":400,\"message\":'),
    "F11.grammar": (400, '{"error":"Failed to initialize samplers: failed to parse grammar"}'),
    "F11.type": (400, '{"error":"Error in iterating prediction stream: ValueError: \'type\' must be a string"}'),
    "F12": (200, '{"error":"Unexpected endpoint or method. (POST /chat/completions)"}'),
    "F13": (400, '{"error":"No models loaded. Please load a model in the developer page or use'),
    "F13.nested": (400, '{"error":{"message":"No models loaded. Please load a model'),
    "F14": (400, r'{"error":{"message":"Invalid model identifier \"mock-model\". Please specify a valid downloaded'),
    "F14.404": (404, r'{"error":{"message":"Model \"mock-model\" not found. Please specify a valid model.\n\nYour mo'),
    "F16": (400, r'{"error":"Failed to load model \"mock-model\". Error: Model loading was stopped due to insuff'),
    "F17": (400, r'{"error":"Failed to load model \"mock-model\". Error: Operation canceled."}'),
    "F17.startup": (400, r'{"error":"Failed to load model \"mock-model\". Error: Engine protocol startup was abor'),
    "F18": (400, '{"error":"Model unloaded."}'),
    "F18.reloaded": (400, '{"error":"Model reloaded."}'),
    "F19": (400, '{"error":"The model has crashed without additional information. (Exit code: null)"}'),
    "F19.channel": (400, '{"error":"Error: Channel Error"}'),
    "F19.fetch": (500, '{"error":{"message":"Engine protocol predict request failed: fetch failed","type":"internal'),
    "F20": (400, '{"error":"The number of tokens to keep from the initial prompt is greater than the context length'),
    "F20.older": (400, '{"error":"Trying to keep the first 111490 tokens when context the overflows. However, the'),
    "F20.engine": (400, '{"error":{"code":400,"message":"request (17398 tokens) exceeds the available context size'),
    "F20.message": (400, '{"error":{"message":"Input does not fit in context length. The input has 31430 tokens,'),
    "F21": (400, '{"error":"Context size has been exceeded."}'),
    "F28": (500, '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>'),
    "F29": (401, '{"error":{"type":"invalid_request","code":"invalid_api_key","message":"An LM Studio API token'),
    "F29.malformed": (401, '{"error":{"type":"invalid_request","code":"invalid_api_key","message":"Malformed LM St'),
}
WIRE = {"F23", "F25", "F31"}


def test_every_fault_without_streaming_is_tested_here() -> None:
    assert {*SAID, *REFUSED, *WIRE} == {name for name, fault in FAULTS.items() if fault.act is not None}
    assert {name for name, fault in FAULTS.items() if fault.act is None} == {"F20.stream", "F22", "F23.stream"}
    assert {name[:3] for name in FAULTS} == {f"F{number:02}" for number in range(1, 35)}


@pytest.mark.parametrize("fault", SAID)
def test_a_fault_of_the_answer_is_what_a_socket_sees(serve: Serve, chat: Call, fault: str) -> None:
    begins, ends, reasoning, finish = SAID[fault]
    answer = chat(serve(Rule(fault=fault, seconds=0.001)), max_tokens=300)
    assert answer.status == 200
    content, thought = answer.message["content"], answer.message["reasoning_content"]
    assert content.startswith(begins)
    assert content.endswith(ends)
    assert bool(content) == bool(begins)
    assert thought.startswith(reasoning)
    assert bool(thought) == bool(reasoning)
    assert answer.data["choices"][0]["finish_reason"] == finish


@pytest.mark.parametrize("fault", REFUSED)
def test_a_refusal_is_what_a_socket_sees(serve: Serve, chat: Call, fault: str) -> None:
    status, begins = REFUSED[fault]
    answer = chat(serve(Rule(fault=fault)))
    assert (answer.status, answer.body.decode()[: len(begins)]) == (status, begins)


@pytest.mark.parametrize(
    ("fault", "tokens"),
    [("F02", 300), ("F03", 300), ("F07", 299), ("F08", 300), ("F27", 0), ("F30.zeros", 0)],
)
def test_the_count_of_tokens_is_the_faults_own(serve: Serve, chat: Call, fault: str, tokens: int) -> None:
    assert chat(serve(Rule(fault=fault)), max_tokens=300).data["usage"]["completion_tokens"] == tokens


def test_json_of_a_broken_schema_is_still_json(serve: Serve, chat: Call) -> None:
    entries = json.loads(chat(serve(Rule(fault="F09"))).message["content"])
    assert len(entries[0]["tone"]) > 60


def test_whitespace_follows_whole_json_up_to_the_limit(serve: Serve, chat: Call) -> None:
    content = chat(serve(Rule(fault="F08")), max_tokens=300).message["content"]
    assert json.loads(content)[0]["title"] == "Goose Wins"
    assert len(content) == 1200


def test_truncated_json_is_no_json(serve: Serve, chat: Call) -> None:
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(chat(serve(Rule(fault="F07"))).message["content"])


def test_another_model_is_echoed(serve: Serve, chat: Call) -> None:
    assert chat(serve(Rule(fault="F14.other"))).data["model"] == "another-model"


def test_a_copy_answers_and_is_listed(serve: Serve, chat: Call, call: Call) -> None:
    server = serve(Rule(fault="F34"))
    assert chat(server).data["model"] == "mock-model:2"
    assert [model["id"] for model in call(server, "GET /v1/models").data["data"]] == ["mock-model", "mock-model:2"]


def test_the_same_question_gets_another_text_each_time(serve: Serve, chat: Call) -> None:
    server = serve(Rule(fault="F32"))
    assert len({chat(server).message["content"] for _ in range(5)}) == 5
    assert len({chat(serve()).message["content"] for _ in range(5)}) == 1


def test_two_answers_on_end_differ_and_one_twice_does_not(serve: Serve, chat: Call) -> None:
    once = chat(serve()).message["content"]
    assert chat(serve(Rule(fault="F33"))).message["content"] == once + once
    two = chat(serve(Rule(fault="F33.two"))).message["content"]
    assert two.startswith(once)
    assert two != once + once


def test_usage_is_missing_or_zero_or_has_company(serve: Serve, chat: Call) -> None:
    bare = chat(serve(Rule(fault="F30"))).data
    assert "usage" not in bare
    assert "stats" not in bare
    assert set(chat(serve(Rule(fault="F30.zeros"))).data["usage"].values()) == {0}
    assert chat(serve(Rule(fault="F30.extra"))).data["moon"] == {"phase": 0.5}


@pytest.mark.parametrize("fault", ["F18", "F18.reloaded", "F19", "F21"])
def test_a_strike_ends_everything_in_flight_at_once(serve: Serve, connect: Connect, fault: str, until: Until) -> None:
    server = serve(Rule(headline="Strike", fault=fault), Rule(headline="Bystander", fault="F25"))
    bystanders = [connect(server) for _ in range(3)]
    for bystander in bystanders:
        bystander.chat("Bystander")
    until(lambda: server.stats().models["mock-model"].in_flight == 3)
    striking = connect(server)
    striking.chat("Strike")
    bodies = {client.read().body for client in (striking, *bystanders)}
    assert [body.decode() for body in bodies] == [REFUSED[fault][1]]
    assert server.stats().models["mock-model"].killed == 3


def test_a_strike_comes_before_answers_that_began_with_it(serve: Serve, connect: Connect) -> None:
    server = serve(Rule(headline="Strike", fault="F18"), latency=Latency(0.3))
    clients = [connect(server) for _ in range(3)]
    for client, headline in zip(clients, ["Bystander", "Bystander", "Strike"], strict=True):
        client.chat(headline)
    assert [client.read().error for client in clients] == ["Model unloaded."] * 3


def test_a_crashed_model_is_gone_until_it_is_loaded_again(serve: Serve, chat: Call, call: Call) -> None:
    server = serve(Rule(fault="F19", nth=(1,)))
    assert chat(server).status == 400
    assert chat(server).error.startswith("No models loaded.")
    call(server, "POST /api/v1/models/load", {"model": "mock-model"})
    assert chat(server).status == 200
    server.unload("mock-model")
    assert chat(server).status == 200  # by then it is an ordinary model, loaded on demand


def test_an_unloaded_model_is_loaded_again_by_the_next_request(serve: Serve, chat: Call) -> None:
    server = serve(Rule(fault="F18", nth=(1,)))
    assert chat(server).status == 400
    assert chat(server).status == 200
    assert server.stats().models["mock-model"].loads == 1


def test_a_connection_that_is_used_again_is_reset_and_a_fresh_one_answered(serve: Serve, connect: Connect) -> None:
    server = serve(Rule(fault="F24"))
    raw = connect(server)
    raw.send("GET /lmstudio-greeting")
    raw.read()
    raw.chat()
    with pytest.raises(ConnectionResetError):
        raw.socket.recv(1)
    fresh = connect(server)
    fresh.chat()
    assert fresh.read().status == 200


def test_a_body_cut_short_ends_before_its_length(serve: Serve, connect: Connect) -> None:
    raw = connect(serve(Rule(fault="F23")))
    raw.chat()
    head, _, body = raw.read_all().partition(b"\r\n\r\n")
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: "))
    assert len(body) == int(length[16:]) // 2


def test_silence_holds_a_slot_until_the_client_goes(serve: Serve, connect: Connect, chat: Call, until: Until) -> None:
    server = serve(Rule(fault="F25", nth=(1,)), models=(ModelSpec("mock-model", parallel=1),))
    silent = connect(server)
    silent.chat()
    waiting = connect(server)
    waiting.chat()
    until(lambda: server.stats().models["mock-model"].peak_queued > 0)
    silent.socket.close()
    assert waiting.read().status == 200
    assert server.stats().models["mock-model"].cancelled == 1


def test_a_server_that_goes_resets_and_then_refuses(serve: Serve, connect: Connect) -> None:
    server = serve(Rule(fault="F31"))
    idle, asking = connect(server), connect(server)
    asking.chat()
    for client in (asking, idle):
        with pytest.raises(ConnectionResetError):
            client.socket.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect(server)


def test_a_wait_is_at_least_as_long_as_told(serve: Serve, chat: Call) -> None:
    server = serve(Rule(fault="F15", seconds=0.02))
    started = time.monotonic()
    chat(server)
    assert time.monotonic() - started >= 0.02


def test_the_figures_say_which_faults_were_played(serve: Serve, chat: Call) -> None:
    server = serve(Rule(fault="F05", every=2), Rule(fault="F10", nth=(2,)))
    for _ in range(4):
        chat(server)
    assert server.stats().faults == {"F05": 2, "F10": 1}


def test_a_fault_leaves_the_handshake_alone_unless_told(serve: Serve, handshake: Call) -> None:
    assert handshake(serve(Rule(fault="F13"))).message["content"] == "CONFIRM"
    assert handshake(serve(Rule(fault="F13", handshake=True))).status == 400
    assert handshake(serve(Rule(fault="F13", handshake=None))).status == 400


@pytest.mark.parametrize("fault", ["F22", "F20.stream", "F99", ""])
def test_a_fault_that_cannot_be_played_is_refused_before_the_start(fault: str) -> None:
    with pytest.raises(ValueError, match=r"^fault: "):
        Scenario(rules=(Rule(fault=fault),))
