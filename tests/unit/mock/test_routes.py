from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from plotbot.mock import MockServer, ModelSpec, Rule

Serve = Callable[..., MockServer]
Call = Callable[..., Any]
ONE = ModelSpec("qwen/qwen3-4b", context=8192, architecture="qwen3", publisher="qwen")
TWO = ModelSpec("gemma-2b", loaded=False, quantization="Q8_0", format="gguf")
NO_MODELS = "No models loaded. Please load a model in the developer page or use the 'lms load' command."
INVALID = 'Invalid model identifier "x". Please specify a valid downloaded model (e.g., qwen/qwen3-4b, gemma-2b).'
NOT_FOUND = 'Model "x" not found. Please specify a valid model.\n\nYour models:\n\nqwen/qwen3-4b\ngemma-2b\n'


def test_the_greeting_and_the_openai_list_are_lm_studios_byte_for_byte(serve: Serve, call: Call) -> None:
    server = serve(models=(ONE, TWO))
    assert call(server, "GET /lmstudio-greeting").body == b'{"lmstudio":true}'
    assert call(server, "GET /v1/models").body == (
        b'{"data":[{"id":"qwen/qwen3-4b","object":"model","owned_by":"organization_owner"},'
        b'{"id":"gemma-2b","object":"model","owned_by":"organization_owner"}],"object":"list"}'
    )


def test_without_jit_only_loaded_models_are_listed(serve: Serve, call: Call) -> None:
    server = serve(models=(ONE, TWO), jit=False)
    assert [model["id"] for model in call(server, "GET /v1/models").data["data"]] == ["qwen/qwen3-4b"]
    assert [model["id"] for model in call(server, "GET /api/v0/models").data["data"]] == ["qwen/qwen3-4b"]


def test_the_v0_list_tells_state_and_contexts(serve: Serve, call: Call) -> None:
    assert call(serve(models=(ONE, TWO)), "GET /api/v0/models").body == (
        b'{"object":"list","data":[{"id":"qwen/qwen3-4b","object":"model","type":"llm","publisher":"qwen",'
        b'"arch":"qwen3","compatibility_type":"gguf","quantization":"Q4_K_M","state":"loaded",'
        b'"max_context_length":131072,"loaded_context_length":8192},{"id":"gemma-2b","object":"model","type":"llm",'
        b'"publisher":"lmstudio-community","arch":"llama","compatibility_type":"gguf","quantization":"Q8_0",'
        b'"state":"not-loaded","max_context_length":131072}]}'
    )


def test_the_v1_list_tells_instances_slots_and_variant(serve: Serve, call: Call) -> None:
    one, two = call(serve(models=(ONE, TWO)), "GET /api/v1/models").data["models"]
    assert one["loaded_instances"] == [
        {
            "id": "qwen/qwen3-4b",
            "config": {
                "context_length": 8192,
                "eval_batch_size": 512,
                "parallel": 4,
                "flash_attention": True,
                "offload_kv_cache_to_gpu": True,
            },
        }
    ]
    assert (two["loaded_instances"], two["quantization"]) == ([], {"name": "Q8_0", "bits_per_weight": 4})
    assert two["selected_variant"] == "gemma-2b@q8_0"


def test_one_model_can_be_asked_about(serve: Serve, call: Call) -> None:
    server = serve(models=(ONE, TWO))
    assert call(server, "GET /v1/models/qwen/qwen3-4b").data["id"] == "qwen/qwen3-4b"
    assert call(server, "GET /api/v0/models/gemma-2b").data["state"] == "not-loaded"
    assert call(server, "GET /v1/models/x").status == 404
    assert call(server, "GET /api/v0/models/x").status == 404


def test_a_chat_body_has_lm_studios_keys_in_its_order(serve: Serve, chat: Call) -> None:
    body = chat(serve()).data
    assert list(body) == [
        "id", "object", "created", "model", "choices", "usage", "stats", "system_fingerprint",
    ]  # fmt: skip
    assert list(body["choices"][0]) == ["index", "message", "logprobs", "finish_reason"]
    assert list(body["choices"][0]["message"]) == ["role", "content", "reasoning_content", "tool_calls"]
    assert (body["model"], body["system_fingerprint"], body["stats"]) == ("mock-model", "mock-model", {})
    assert body["id"].startswith("chatcmpl-")
    assert len(body["id"]) == 30


def test_the_older_version_has_its_own_order_and_errors(serve: Serve, chat: Call) -> None:
    server = serve(error_version="0.3", separate_reasoning=False)
    choice = chat(server).data["choices"][0]
    assert list(choice) == ["index", "logprobs", "finish_reason", "message"]
    assert list(choice["message"]) == ["role", "content"]
    refused = chat(server, response_format={"type": "text"})
    assert (refused.status, refused.error) == (400, "'response_format.type' must be 'json_schema'")


def test_v0_chat_adds_figures_and_model_info(serve: Serve, call: Call) -> None:
    chat = {"model": "qwen/qwen3-4b", "messages": [{"role": "user", "content": "hello"}]}
    body = call(serve(models=(ONE,)), "POST /api/v0/chat/completions", chat).data
    assert list(body["stats"]) == ["tokens_per_second", "time_to_first_token", "generation_time", "stop_reason"]
    assert body["model_info"] == {"arch": "qwen3", "quant": "Q4_K_M", "format": "gguf", "context_length": 8192}


def test_a_text_completion_is_answered_too(serve: Serve, call: Call) -> None:
    body = {"model": "mock-model", "prompt": 'Headline: "Goose Wins"'}
    answer = call(serve(), "POST /v1/completions", body).data
    assert (answer["object"], answer["id"][:5]) == ("text_completion", "cmpl-")
    assert json.loads(answer["choices"][0]["text"])[0]["title"] == "Goose Wins"


@pytest.mark.parametrize(
    "route", ["POST /chat/completions", "POST //v1/chat/completions", "OPTIONS /v1/models", "GET /health", "PUT /"]
)
def test_an_unknown_path_or_method_is_answered_200(serve: Serve, call: Call, route: str) -> None:
    answer = call(serve(), route)
    assert (answer.status, answer.data) == (200, {"error": f"Unexpected endpoint or method. ({route})"})


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_format": {"type": "json_object"}}, "'response_format.type' must be 'json_schema' or 'text'"),
        ({"response_format": "json"}, "'response_format.type' must be 'json_schema' or 'text'"),
        ({"messages": None}, "'messages' field is required"),
    ],
)
def test_a_bad_request_is_refused_in_lm_studios_words(
    serve: Serve, chat: Call, changes: dict[str, Any], error: str
) -> None:
    answer = chat(serve(), **changes)
    assert (answer.status, answer.error) == (400, error)


def test_a_stream_is_refused_in_the_mocks_own_name(serve: Serve, chat: Call) -> None:
    answer = chat(serve(), stream=True)
    assert (answer.status, answer.error["code"]) == (400, "plotbot_mock")
    assert answer.error["message"] == 'plotbot mock: streaming is not built in; send "stream": false'


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b"[]"])
def test_a_body_that_is_no_json_object_is_refused(serve: Serve, call: Call, body: bytes) -> None:
    assert call(serve(), "POST /v1/chat/completions", body).status == 400


@pytest.mark.parametrize(
    ("settings", "status", "error"),
    [
        ({}, 400, INVALID),
        ({"unknown_model": "error404"}, 404, NOT_FOUND),
        ({"jit": False, "models": (TWO,)}, 400, NO_MODELS),
        ({"jit": False, "models": (TWO,), "error_version": "0.3"}, 404, NO_MODELS),
        ({"models": (TWO,), "unknown_model": "fallback"}, 400, NO_MODELS),
    ],
)
def test_an_unknown_model_is_refused_as_told(
    serve: Serve, chat: Call, settings: dict[str, Any], status: int, error: str
) -> None:
    answer = chat(serve(**{"models": (ONE, TWO), **settings}), model="x")
    message = answer.error if isinstance(answer.error, str) else answer.error["message"]
    assert (answer.status, message) == (status, error)


def test_fallback_answers_with_the_one_loaded_model_and_echoes_it(serve: Serve, chat: Call) -> None:
    server = serve(models=(ONE, TWO), unknown_model="fallback")
    assert chat(server, model="x").data["model"] == "qwen/qwen3-4b"
    assert chat(server, model="").data["model"] == "qwen/qwen3-4b"


def test_without_a_token_only_the_greeting_is_open(serve: Serve, call: Call, chat: Call) -> None:
    server = serve(token="sk-lm-good")
    assert call(server, "GET /lmstudio-greeting").status == 200
    for answer in (chat(server), call(server, "GET /v1/models"), call(server, "POST /api/v1/models/load", {})):
        assert answer.status == 401
        assert answer.error["code"] == "invalid_api_key"
        assert answer.error["message"].startswith("An LM Studio API token is required to make requests")


def test_a_wrong_token_is_refused_with_its_first_ten_characters(serve: Serve, call: Call) -> None:
    server = serve(token="sk-lm-good")
    bad = call(server, "GET /v1/models", headers="Authorization: Bearer 22aac52a71ffff\r\n")
    assert bad.error["message"] == (
        "Malformed LM Studio API token provided: 22aac52a71... Ensure you are using a valid token."
    )
    assert call(server, "GET /v1/models", headers="Authorization: Bearer sk-lm-good\r\n").status == 200


def test_the_mock_tells_its_figures_under_a_header_of_its_own(serve: Serve, chat: Call, call: Call) -> None:
    server = serve()
    chat(server)
    answer = call(server, "GET /mock/stats")
    assert answer.headers["X-Plotbot-Mock"] == "stats"
    assert answer.data["models"]["mock-model"]["replies"] == 1


def test_a_rule_for_a_route_answers_in_its_place(serve: Serve, call: Call, chat: Call) -> None:
    moved = Rule(route="GET /v1/models$", status=307, headers={"Location": "http://127.0.0.1:9/"}, nth=(1,))
    server = serve(moved, Rule(route="POST /v1/chat", status=429, body={"error": "slow"}, headers={"Retry-After": "9"}))
    answer = call(server, "GET /v1/models")
    assert (answer.status, answer.headers["Location"]) == (307, "http://127.0.0.1:9/")
    assert call(server, "GET /v1/models").status == 200
    refused = chat(server)
    assert (refused.status, refused.headers["Retry-After"], refused.body) == (429, "9", b'{"error":"slow"}')
