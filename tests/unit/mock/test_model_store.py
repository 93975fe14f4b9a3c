from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plotbot.mock import Latency, MockServer, ModelSpec, Rule

Serve = Callable[..., MockServer]
Connect = Callable[[MockServer], Any]
Call = Callable[..., Any]
Until = Callable[[Callable[[], bool]], None]

COLD = ModelSpec("cold", loaded=False, load_seconds=0.02)
OTHER = ModelSpec("other", loaded=False)


def instances(call: Call, server: MockServer) -> list[str]:
    models = call(server, "GET /api/v1/models").data["models"]
    return [instance["id"] for model in models for instance in model["loaded_instances"]]


def test_a_model_is_loaded_by_its_first_request(serve: Serve, chat: Call, call: Call) -> None:
    server = serve(models=(COLD,))
    assert instances(call, server) == []
    assert chat(server, model="cold").data["model"] == "cold"
    assert instances(call, server) == ["cold"]
    assert server.stats().models["cold"].loads == 1


def test_parallel_first_requests_load_copies(serve: Serve, connect: Connect, call: Call) -> None:
    server = serve(models=(COLD,))
    clients = [connect(server) for _ in range(3)]
    for client in clients:
        client.chat(model="cold")
    assert sorted(client.read().data["model"] for client in clients) == ["cold", "cold:2", "cold:3"]
    assert instances(call, server) == ["cold", "cold:2", "cold:3"]
    assert [entry["id"] for entry in call(server, "GET /v1/models").data["data"]] == ["cold", "cold:2", "cold:3"]
    assert (server.stats().models["cold"].loads, server.stats().models["cold"].copies) == (3, 2)


def test_with_join_loads_they_share_one(serve: Serve, connect: Connect) -> None:
    server = serve(models=(COLD,), join_loads=True)
    clients = [connect(server) for _ in range(3)]
    for client in clients:
        client.chat(model="cold")
    assert {client.read().data["model"] for client in clients} == {"cold"}
    assert server.stats().models["cold"].loads == 1


def test_without_jit_nothing_is_loaded(serve: Serve, chat: Call) -> None:
    answer = chat(serve(models=(COLD,), jit=False), model="cold")
    assert (answer.status, answer.error[:17]) == (400, "No models loaded.")


def test_a_load_on_demand_evicts_another_in_mid_answer(
    serve: Serve, connect: Connect, chat: Call, until: Until
) -> None:
    server = serve(Rule(model="other", fault="F25"), models=(COLD, OTHER))
    chat(server, model="other", messages=[{"role": "user", "content": "CONFIRM"}])
    waiting = connect(server)
    waiting.chat(model="other")
    until(lambda: server.stats().models["other"].in_flight > 0)
    chat(server, model="cold")
    answer = waiting.read()
    assert (answer.status, answer.error) == (400, "Model unloaded.")
    figures = server.stats()
    assert (figures.models["other"].evictions, figures.models["other"].killed) == (1, 1)
    assert figures.peak_models_in_flight == 2


def test_a_load_on_demand_leaves_explicit_ones_alone(serve: Serve, chat: Call, call: Call) -> None:
    server = serve(models=(ModelSpec("kept"), COLD))
    chat(server, model="cold")
    assert instances(call, server) == ["kept", "cold"]


def test_a_load_is_cancelled_when_another_model_is_asked_for(
    serve: Serve, connect: Connect, chat: Call, until: Until
) -> None:
    server = serve(models=(ModelSpec("slow", loaded=False, load_seconds=60), OTHER))
    first = connect(server)
    first.chat(model="slow")
    until(lambda: server.stats().models["slow"].in_flight > 0)
    assert chat(server, model="other").status == 200
    assert first.read().error == 'Failed to load model "slow". Error: Operation canceled.'


def test_a_load_that_fails_says_why(serve: Serve, chat: Call) -> None:
    server = serve(models=(ModelSpec("big", loaded=False, load_error="no memory left"),))
    assert chat(server, model="big").error == 'Failed to load model "big". Error: no memory left'


def test_a_ttl_that_has_passed_unloads(serve: Serve, chat: Call, call: Call) -> None:
    server = serve(models=(OTHER,))
    chat(server, model="other", ttl=0)
    assert instances(call, server) == []
    chat(server, model="other", ttl=60)
    assert instances(call, server) == ["other"]


def test_a_model_that_is_answering_does_not_expire(serve: Serve, connect: Connect, call: Call, until: Until) -> None:
    server = serve(Rule(fault="F25"), models=(OTHER,))
    connect(server).chat(model="other", ttl=0)
    until(lambda: instances(call, server) == ["other"])
    assert instances(call, server) == ["other"]


def test_unloading_ends_what_is_under_way_and_what_waits(serve: Serve, connect: Connect, until: Until) -> None:
    server = serve(Rule(fault="F25"), models=(ModelSpec("mock-model", parallel=1),))
    clients = [connect(server) for _ in range(2)]
    for client in clients:
        client.chat()
    until(lambda: server.stats().models["mock-model"].peak_queued == 1)
    server.unload("mock-model")
    assert [client.read().error for client in clients] == ["Model unloaded."] * 2


def test_models_are_loaded_and_unloaded_on_request(serve: Serve, call: Call) -> None:
    server = serve(models=(OTHER,))
    order = {"model": "other", "context_length": 777, "echo_load_config": True}
    loaded = call(server, "POST /api/v1/models/load", order).data
    assert list(loaded) == ["type", "instance_id", "load_time_seconds", "status", "load_config"]
    assert (loaded["instance_id"], loaded["status"], loaded["load_config"]["context_length"]) == (
        "other",
        "loaded",
        777,
    )
    assert call(server, "POST /api/v1/models/load", {"model": "other"}).data["instance_id"] == "other:2"
    unloaded = call(server, "POST /api/v1/models/unload", {"instance_id": "other"})
    assert unloaded.body == b'{"instance_id":"other"}'
    assert instances(call, server) == ["other:2"]


def test_bad_orders_are_refused_in_the_native_shape(serve: Serve, call: Call) -> None:
    server = serve()
    unknown = call(server, "POST /api/v1/models/load", {"model": "totally/made-up-9000"})
    assert unknown.status == 404
    assert unknown.body == (
        b'{"error":{"type":"model_not_found","message":"Model totally/made-up-9000 not found in downloaded models"}}'
    )
    assert call(server, "POST /api/v1/models/load", {}).error["message"] == '"model" is required'
    ttl = call(server, "POST /api/v1/models/load", {"model": "mock-model", "ttl": 5})
    assert (ttl.status, ttl.error["message"]) == (400, "Unrecognized key(s) in object: 'ttl'")
    assert call(server, "POST /api/v1/models/unload", {"instance_id": "x"}).status == 404


def test_a_swap_puts_another_build_in_place_from_the_nth_request_on(serve: Serve, chat: Call, call: Call) -> None:
    server = serve(Rule(nth=(2,), swap={"quantization": "Q2_K", "context": 2048}))
    for expected in ("Q4_K_M", "Q2_K", "Q2_K"):
        assert chat(server).status == 200
        model = call(server, "GET /api/v1/models").data["models"][0]
        assert model["quantization"]["name"] == expected
    assert model["loaded_instances"][0]["config"]["context_length"] == 2048
    server.swap("mock-model", quantization="Q8_0")
    assert call(server, "GET /api/v0/models").data["data"][0]["quantization"] == "Q8_0"


def test_a_model_is_found_under_its_variant(serve: Serve, chat: Call) -> None:
    assert chat(serve(), model="mock-model@q4_k_m").data["model"] == "mock-model"


def test_a_prompt_longer_than_the_context_is_refused(serve: Serve, chat: Call) -> None:
    server = serve(models=(ModelSpec("mock-model", context=10),))
    assert chat(server).error.startswith("The number of tokens to keep from the initial prompt is greater than the")


def test_slots_that_together_overflow_the_context_all_fail(serve: Serve, connect: Connect) -> None:
    server = serve(models=(ModelSpec("mock-model", context=400, latency=Latency(5)),))
    clients = [connect(server) for _ in range(3)]
    for client in clients:
        client.chat()
    answers = [client.read() for client in clients]
    assert {answer.status for answer in answers} == {400}
    assert {answer.error for answer in answers} == {"Context size has been exceeded."}


def test_without_a_shared_context_none_of_them_fails(serve: Serve, connect: Connect) -> None:
    server = serve(models=(ModelSpec("mock-model", context=400, latency=Latency(0.005)),), unified_kv=False)
    clients = [connect(server) for _ in range(4)]
    for client in clients:
        client.chat()
    assert {client.read().status for client in clients} == {200}


def test_a_thinking_model_thinks_where_it_is_let(serve: Serve, chat: Call) -> None:
    server = serve(models=(ModelSpec("mock-model", thinking=True),))
    free = chat(server).message
    assert free["reasoning_content"].startswith("Okay")
    assert free["content"].startswith("[{")
    shape = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    bound = chat(server, response_format=shape).message
    assert (bound["content"], bound["reasoning_content"]) == ("", "{}")
    assert chat(server, reasoning_effort="none").message["reasoning_content"] == ""
    told = serve(models=(ModelSpec("mock-model", thinking=True),), separate_reasoning=False)
    assert chat(told).message["content"].startswith("<think>")


def test_thoughts_use_up_max_tokens_first(serve: Serve, chat: Call) -> None:
    answer = chat(serve(models=(ModelSpec("mock-model", thinking=True),)), max_tokens=25)
    assert len(answer.message["reasoning_content"]) + len(answer.message["content"]) == 100
    assert answer.message["content"].startswith("[{")
    assert answer.data["choices"][0]["finish_reason"] == "length"


def test_gpt_oss_names_its_channel_otherwise(serve: Serve, chat: Call) -> None:
    server = serve(models=(ModelSpec("mock-model", thinking=True, architecture="gpt-oss"),))
    assert "reasoning" in chat(server).message
