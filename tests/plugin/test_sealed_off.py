"""The guard itself: a test that forgets where it is cannot reach the network."""

from __future__ import annotations

import os
import socket

import pytest
import requests

ELSEWHERE = "192.0.2.1"  # reserved for documentation: nobody is there


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_a_socket_reaches_this_machine_only(method: str) -> None:
    with socket.socket() as outward, pytest.raises(RuntimeError, match="tests stay on this machine"):
        getattr(outward, method)((ELSEWHERE, 80))


def test_a_library_does_not_get_out_either() -> None:
    with pytest.raises(RuntimeError, match="tests stay on this machine"):
        requests.get(f"http://{ELSEWHERE}/", timeout=1)


def test_this_machine_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()


def test_no_setting_of_the_developers_own_gets_in() -> None:
    assert [name for name in os.environ if name.startswith("PLOTBOT_") or name == "LM_API_TOKEN"] == []
