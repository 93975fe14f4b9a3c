from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from plotbot.mock import MockServer, Rule, Scenario

Serve = Callable[..., MockServer]
END = b"\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = self.data["choices"][0]["message"]
        return message

    @property
    def error(self) -> Any:
        return self.data["error"]


class Raw:
    """A socket, and nothing that would make up for what a server does wrong."""

    def __init__(self, server: MockServer) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=5)

    def send(self, route: str, body: object = None, headers: str = "") -> None:
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = f"{route} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n{headers}\r\n"
        self.socket.sendall(lines.encode() + data)

    def chat(self, headline: str = "Goose Wins", **changes: Any) -> None:
        self.send("POST /v1/chat/completions", chat_body(headline, **changes))

    def read(self) -> Answer:
        """One response that Content-Length delimits."""
        data = b""
        while END not in data:
            data += self._some()
        head, _, body = data.partition(END)
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        while len(body) < int(headers["Content-Length"]):
            body += self._some()
        return Answer(int(first.split()[1]), headers, body)

    def read_all(self) -> bytes:
        data = b""
        while piece := self.socket.recv(1_000_000):
            data += piece
        return data

    def _some(self) -> bytes:
        piece = self.socket.recv(1_000_000)
        assert piece, "the connection ended before the response did"
        return piece


def chat_body(headline: str = "Goose Wins", **changes: Any) -> dict[str, Any]:
    text = f"Write a story seed.\nHeadline: {json.dumps(headline)}"
    return {"model": "mock-model", "messages": [{"role": "user", "content": text}], "seed": 1, **changes}


HANDSHAKE = [{"role": "user", "content": "Reply CONFIRM when you are ready."}]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(*rules: Rule, **settings: Any) -> MockServer:
            return stack.enter_context(MockServer(Scenario(rules=rules, **settings)))

        yield start


@pytest.fixture
def connect() -> Iterator[Callable[[MockServer], Raw]]:
    with ExitStack() as stack:

        def open_one(server: MockServer) -> Raw:
            raw = Raw(server)
            stack.callback(raw.socket.close)
            return raw

        yield open_one


@pytest.fixture
def chat(connect: Callable[[MockServer], Raw]) -> Callable[..., Answer]:
    def ask(server: MockServer, headline: str = "Goose Wins", **changes: Any) -> Answer:
        raw = connect(server)
        raw.chat(headline, **changes)
        return raw.read()

    return ask


@pytest.fixture
def call(connect: Callable[[MockServer], Raw]) -> Callable[..., Answer]:
    def ask(server: MockServer, route: str, body: object = None, headers: str = "") -> Answer:
        raw = connect(server)
        raw.send(route, body, headers)
        return raw.read()

    return ask


@pytest.fixture
def handshake(chat: Callable[..., Answer]) -> Callable[..., Answer]:
    return lambda server, **changes: chat(server, messages=HANDSHAKE, **changes)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Looks again until it is so; asking the server for its figures is what lets it go on meanwhile."""

    def look(is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not is_so():
            assert time.monotonic() < deadline, "it never came to pass"

    return look
