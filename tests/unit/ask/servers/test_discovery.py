import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from plotbot.ask.servers.discovery import ServerFacts, discover, resolve_models
from plotbot.ask.servers.model_listing import ModelFacts, from_openai, from_v0, from_v1
from plotbot.errors import ServerProblem

Routes = dict[str, tuple[int, Any]]

UNEXPECTED = {"error": "Unexpected endpoint or method. (GET /x)"}
V1 = {
    "models": [
        {
            "type": "llm",
            "publisher": "google",
            "key": "google/gemma-4-26b-a4b",
            "display_name": "Gemma 4 26B A4B",
            "architecture": "gemma4",
            "quantization": {"name": "Q4_K_M", "bits_per_weight": 4},
            "size_bytes": 17990911801,
            "params_string": "26B-A4B",
            "loaded_instances": [
                {"id": "google/gemma-4-26b-a4b", "config": {"context_length": 4096, "parallel": 4}},
                {"id": "google/gemma-4-26b-a4b:2", "config": {"context_length": 4096, "parallel": 4}},
            ],
            "max_context_length": 262144,
            "format": "gguf",
            "description": None,
            "variants": ["google/gemma-4-26b-a4b@q4_k_m", "google/gemma-4-26b-a4b@q8_0"],
            "selected_variant": "google/gemma-4-26b-a4b@q4_k_m",
        },
        {"key": "bare", "loaded_instances": [], "quantization": None},
        {"type": "embedding", "key": "nomic", "loaded_instances": [{"id": "nomic"}]},
        {"key": 7},
        "junk",
    ]
}
V0 = {
    "data": [
        {
            "id": "meta-llama-3.1-8b-instruct",
            "type": "llm",
            "publisher": "lmstudio-community",
            "arch": "llama",
            "compatibility_type": "gguf",
            "quantization": "Q4_K_M",
            "state": "loaded",
            "max_context_length": 131072,
            "loaded_context_length": 12918,
        },
        {"id": "text-embedding-nomic-embed-text-v1.5", "type": "embeddings", "state": "not-loaded"},
    ]
}
PLAIN = {"data": [{"id": "glm-4.7-flash", "object": "model", "owned_by": "organization_owner"}], "object": "list"}
PROPS = {"default_generation_settings": {"n_ctx": 8192}, "total_slots": 4, "build_info": "b6000-00dc805"}


@contextmanager
def serving(routes: Routes, otherwise: tuple[int, Any] = (404, {})) -> Iterator[tuple[str, list[Mapping[str, str]]]]:
    """A server of fixed answers; gives its address and the requests that it gets, as method, path and token."""
    seen: list[Mapping[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({"method": self.command, "path": self.path, "token": self.headers.get("Authorization", "")})
            status, body = routes.get(self.path, otherwise)
            encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class calls it so
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        server.shutdown()


GREETING: Routes = {"/lmstudio-greeting": (200, {"lmstudio": True})}


def test_lm_studio_s_newest_listing_is_read() -> None:
    with serving(GREETING | {"/api/v1/models": (200, V1)}, (200, UNEXPECTED)) as (url, seen):
        facts = discover(url + "/v1", token="sk-lm-abcdefgh:0123")
    gemma = facts.models[0]
    assert (facts.kind, len(facts.models)) == ("lmstudio", 3)
    assert (gemma.loaded, gemma.context_length, gemma.slots, gemma.quantization) == (True, 4096, 4, "Q4_K_M")
    assert gemma.instance_ids == ("google/gemma-4-26b-a4b", "google/gemma-4-26b-a4b:2")
    assert facts.models[1] == ModelFacts("bare", loaded=False)
    assert {request["token"] for request in seen} == {"Bearer sk-lm-abcdefgh:0123"}


def test_an_older_lm_studio_answers_200_to_paths_that_it_does_not_have() -> None:
    with serving(GREETING | {"/api/v0/models": (200, V0)}, (200, UNEXPECTED)) as (url, _):
        llama = discover(url).models[0]
    assert (llama.loaded, llama.context_length, llama.slots, llama.format) == (True, 12918, None, "gguf")


def test_the_oldest_lm_studio_tells_names_only() -> None:
    with serving(GREETING | {"/v1/models": (200, PLAIN)}, (200, UNEXPECTED)) as (url, _):
        assert discover(url).models == (ModelFacts("glm-4.7-flash", owned_by="organization_owner"),)


@pytest.mark.parametrize(
    ("routes", "kind", "version"),
    [
        ({"/props": (200, PROPS)}, "llama-server", "b6000-00dc805"),
        ({"/api/version": (200, {"version": "0.20.1"})}, "ollama", "0.20.1"),
        ({"/v1/models": (200, {"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 9}]})}, "vllm", None),
        ({}, "openai", None),
    ],
)
def test_other_servers_are_told_apart(routes: Routes, kind: str, version: str | None) -> None:
    with serving({"/v1/models": (200, PLAIN)} | routes) as (url, seen):
        facts = discover(url)
    assert (facts.kind, facts.version) == (kind, version)
    assert {request["method"] for request in seen} == {"GET"}


def test_llama_server_s_slots_and_context_are_read() -> None:
    with serving({"/v1/models": (200, PLAIN), "/props": (200, PROPS)}) as (url, _):
        model = discover(url).models[0]
    assert (model.loaded, model.slots, model.context_length, model.context_per_slot) == (True, 4, 8192, True)


def test_a_llama_server_that_loads_its_model_is_waited_for() -> None:
    routes: Routes = {
        "/health": (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}),
        "/v1/models": (200, PLAIN),
    }
    with serving(routes) as (url, _):
        facts = discover(url, wait_seconds=60, sleep=lambda _: routes.update({"/health": (200, {"status": "ok"})}))
        assert facts.models[0].id == "glm-4.7-flash"
        routes["/health"] = (503, {"error": {"message": "Loading model"}})
        with pytest.raises(ServerProblem, match="still loading"):
            discover(url, wait_seconds=0)


def test_a_server_that_is_off_says_how_to_start_it() -> None:
    with serving({}) as (url, _):
        pass
    with pytest.raises(ServerProblem, match=r"lms server start.*--embedded"):
        discover(url)


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (401, {"error": {"code": "invalid_api_key", "message": "no"}}, "LM_API_TOKEN"),
        (200, b"<html>Welcome to nginx!</html>", "does not list its models.*LM_STUDIO_URL"),
        (200, b"[" * 100_000, "does not list its models"),
        (200, {"data": "none"}, "does not list its models"),
        (500, b"oops", "status 500"),
    ],
)
def test_a_server_that_lists_no_models_is_a_plain_problem(status: int, body: Any, sentence: str) -> None:
    with serving({}, (status, body)) as (url, _), pytest.raises(ServerProblem, match=sentence):
        discover(url, token="sk-lm-abcdefgh:0123")


def test_a_listing_full_of_junk_is_read_as_far_as_it_goes() -> None:
    junk: list[object] = [None, 1, [], {}, {"id": ""}, {"id": 1}, {"key": [], "id": {}}]
    odd: dict[str, Any] = dict.fromkeys(("type", "quantization", "size_bytes", "loaded_instances", "meta", "state"), -1)
    assert from_v0(junk) == from_v1(junk) == from_openai(junk) == ()
    for read in (from_v0, from_openai):
        assert read([{"id": "m", **odd}])[0].id == "m"
    assert from_v1([{"key": "m", **odd}])[0].loaded is None


def facts_of(*models: ModelFacts) -> ServerFacts:
    return ServerFacts("http://h:1", "lmstudio", None, models)


CHAT = ModelFacts("qwen/qwen3-4b", loaded=True, instance_ids=("qwen/qwen3-4b",), variants=("qwen/qwen3-4b@q8_0",))
IDLE = ModelFacts("gemma-3-1b", loaded=False)
CUSTOM = ModelFacts("phi-4", loaded=True, instance_ids=("my-phi",))
EMBEDDING = ModelFacts("text-embedding-nomic", loaded=True)
UNTOLD = ModelFacts("only-one")


@pytest.mark.parametrize(
    ("models", "wanted", "resolved"),
    [
        ((CHAT, IDLE, EMBEDDING), (), ("qwen/qwen3-4b",)),
        ((CUSTOM,), (), ("my-phi",)),
        ((UNTOLD, EMBEDDING), (), ("only-one",)),
        ((CHAT, IDLE), ("gemma-3-1b",), ("gemma-3-1b",)),
        ((CHAT, IDLE), ("qwen3-4b",), ("qwen/qwen3-4b",)),
        ((CHAT, IDLE), ("qwen/qwen3-4b@q8_0",), ("qwen/qwen3-4b@q8_0",)),
        ((CHAT, IDLE), ("gemma-3-1b", "qwen3-4b", "qwen/qwen3-4b"), ("gemma-3-1b", "qwen/qwen3-4b")),
    ],
)
def test_the_wanted_or_the_one_loaded_model_is_asked(
    models: tuple[ModelFacts, ...], wanted: tuple[str, ...], resolved: tuple[str, ...]
) -> None:
    assert resolve_models(facts_of(*models), wanted) == resolved


@pytest.mark.parametrize(
    ("models", "wanted", "sentence"),
    [
        ((CHAT, CUSTOM), (), "several models: qwen/qwen3-4b, my-phi.*--model"),
        ((IDLE, EMBEDDING), (), "no model loaded. It has gemma-3-1b"),
        ((), (), "none to chat with"),
        ((CHAT, IDLE), ("gemma-3-2b",), "no model gemma-3-2b. Nearest: gemma-3-1b"),
        ((CHAT,), ("zzz",), "It has qwen/qwen3-4b"),
        ((EMBEDDING,), ("text-embedding-nomic",), "embedding model"),
        ((), ("x\x1b[2J",), r"no model x\\x1b\[2J"),
    ],
)
def test_a_choice_to_make_is_put_to_the_user(
    models: tuple[ModelFacts, ...], wanted: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(ServerProblem, match=sentence):
        resolve_models(facts_of(*models), wanted)
