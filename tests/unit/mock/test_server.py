from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from plotbot.mock import MockServer
from plotbot.mock.routes import Routes

Serve = Callable[..., MockServer]
Call = Callable[..., Any]


def test_a_taken_port_is_an_os_error() -> None:
    with MockServer() as server, pytest.raises(OSError, match=r"in use|Only one usage"):
        MockServer(port=server.port)


def test_after_the_end_the_port_is_closed_and_the_figures_stay(chat: Call) -> None:
    with MockServer() as server:
        chat(server)
    server.stop()
    assert server.stats().models["mock-model"].replies == 1
    assert len(server.requests) == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_a_server_that_was_never_started_can_be_stopped() -> None:
    server = MockServer()
    server.stop()
    assert server.url.startswith("http://127.0.0.1:")


def test_only_the_newest_requests_are_kept(call: Call) -> None:
    with MockServer(keep_requests=2) as server:
        for name in "abc":
            call(server, f"GET /{name}")
        assert [request.path for request in server.requests] == ["/b", "/c"]


def test_a_fault_inside_the_mock_is_not_hidden(monkeypatch: pytest.MonkeyPatch, call: Call) -> None:
    async def fail(_self: Routes, _request: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Routes, "answer", fail)
    server = MockServer()
    server.start()
    with pytest.raises((AssertionError, ConnectionError)):
        call(server, "GET /x")
    with pytest.raises(RuntimeError, match="a bug"):
        server.__exit__(None, None, None)


def test_the_endpoint_is_the_full_path(serve: Serve) -> None:
    server = serve()
    assert server.endpoint == f"http://127.0.0.1:{server.port}/v1/chat/completions"
