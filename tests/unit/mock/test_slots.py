from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import pytest

from plotbot.mock import Latency, MockServer, ModelSpec, Rule
from plotbot.mock.slots import ModelStats

Serve = Callable[..., MockServer]
Connect = Callable[[MockServer], Any]
Call = Callable[..., Any]
Until = Callable[[Callable[[], bool]], None]


def test_more_requests_than_slots_wait_in_order_of_arrival(serve: Serve, connect: Connect) -> None:
    server = serve(models=(ModelSpec("mock-model", parallel=2, latency=Latency(0.01)),))
    clients = [connect(server) for _ in range(6)]
    for client in clients:
        client.chat()
    assert [client.read().status for client in clients] == [200] * 6
    figures = server.stats().models["mock-model"]
    assert figures.peak_queued == 4
    assert figures.peak_in_flight == 6
    assert figures.busy_seconds >= 0.06
    assert figures.last_out is not None
    assert figures.first_in is not None
    assert figures.last_out - figures.first_in >= 0.03
    assert 0 < figures.utilisation <= 1


def test_a_client_that_goes_away_frees_its_place(serve: Serve, connect: Connect, chat: Call, until: Until) -> None:
    server = serve(Rule(headline="Stay", fault="F25"), models=(ModelSpec("mock-model", parallel=1),))
    active, queued = connect(server), connect(server)
    for client in (active, queued):
        client.chat("Stay")
    until(lambda: server.stats().models["mock-model"].in_flight == 2)
    queued.socket.close()
    until(lambda: server.stats().models["mock-model"].cancelled == 1)
    active.socket.close()
    assert chat(server).status == 200
    figures = server.stats().models["mock-model"]
    assert (figures.cancelled, figures.replies, figures.in_flight, figures.requests) == (2, 1, 0, 3)


def test_the_handshake_is_counted_apart(serve: Serve, handshake: Call) -> None:
    server = serve(latency=Latency(0.002))
    assert handshake(server).message["content"] == "CONFIRM"
    figures = server.stats().models["mock-model"]
    assert (figures.handshakes, figures.requests, figures.replies, figures.first_in) == (1, 0, 0, None)
    assert (figures.busy_seconds, figures.utilisation) == (0, 0)


def test_utilisation_is_busy_time_over_all_slots() -> None:
    assert ModelStats(4, busy_seconds=6.0, first_in=10.0, last_out=12.0).utilisation == pytest.approx(0.75)


def test_utilisation_until_the_last_leaves_out_the_slots_that_ran_out_of_work() -> None:
    figures = ModelStats(2, first_in=10.0)
    figures.slot_taken(10.0, counted=True)
    figures.slot_taken(10.0, counted=True)
    figures.slot_freed(11.0, counted=True)
    figures.slot_taken(12.0, counted=True)
    figures.slot_freed(13.0, counted=True)
    figures.slot_freed(18.0, counted=True)
    assert figures.utilisation_until_last == pytest.approx(0.75)
    assert figures.busy_seconds == pytest.approx(10.0)


def test_two_models_asked_at_once_are_seen(serve: Serve, connect: Connect, until: Until) -> None:
    models = (ModelSpec("a", latency=Latency(5)), ModelSpec("b"))
    server = serve(models=models)
    first, second = connect(server), connect(server)
    first.chat(model="a")
    until(lambda: server.stats().models["a"].in_flight > 0)
    second.chat(model="b")
    second.read()
    assert server.stats().peak_models_in_flight == 2


def test_a_constant_latency_is_constant() -> None:
    assert {Latency(0.5).draw(headline, 1) for headline in "abc"} == {0.5}


def test_a_log_normal_latency_has_its_mean_and_does_not_depend_on_order() -> None:
    latency = Latency(0.2, sigma=0.5, seed=3)
    draws = [latency.draw(f"headline {number}", 1) for number in range(4000)]
    assert statistics.fmean(draws) == pytest.approx(0.2, rel=0.05)
    assert min(draws) > 0
    assert draws[17] == latency.draw("headline 17", 1)
    assert draws[17] != latency.draw("headline 17", 2)


def test_a_rules_latency_is_its_own(serve: Serve, chat: Call) -> None:
    server = serve(Rule(latency=0.0), latency=Latency(60))
    assert chat(server).status == 200
