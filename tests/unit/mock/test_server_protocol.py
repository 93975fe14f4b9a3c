from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from plotbot.mock import MockServer

Serve = Callable[..., MockServer]
Connect = Callable[[MockServer], Any]
Call = Callable[..., Any]


def test_the_head_is_express_own_line_by_line(serve: Serve, connect: Connect) -> None:
    raw = connect(serve())
    raw.send("GET /lmstudio-greeting", headers="Connection: close\r\n")
    head, _, body = raw.read_all().partition(b"\r\n\r\n")
    assert body == b'{"lmstudio":true}'
    tag = b64encode(hashlib.sha1(body).digest())[:27].decode()
    lines = head.decode().split("\r\n")
    assert re.fullmatch(r"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", lines.pop(5))
    assert lines == [
        "HTTP/1.1 200 OK",
        "X-Powered-By: Express",
        "Content-Type: application/json; charset=utf-8",
        "Content-Length: 17",
        f'ETag: W/"11-{tag}"',
        "Connection: close",
    ]


def test_a_connection_is_kept_and_says_for_how_long(serve: Serve, connect: Connect) -> None:
    raw = connect(serve())
    for _ in range(3):
        raw.send("GET /lmstudio-greeting")
        headers = raw.read().headers
        assert (headers["Connection"], headers["Keep-Alive"]) == ("keep-alive", "timeout=5")


def test_an_idle_connection_is_closed_in_the_end(serve: Serve, connect: Connect) -> None:
    raw = connect(serve(keep_alive=0.02))
    raw.send("GET /lmstudio-greeting")
    assert raw.read().status == 200
    assert raw.read_all() == b""


def test_two_requests_sent_at_once_are_answered_in_order(serve: Serve, connect: Connect) -> None:
    raw = connect(serve())
    request = "GET /{} HTTP/1.1\r\nHost: x\r\n\r\n"
    raw.socket.sendall((request.format("one") + "GET /two HTTP/1.1\r\nConnection: close\r\n\r\n").encode())
    answer = raw.read_all()
    assert answer.index(b"(GET /one)") < answer.index(b"(GET /two)")


def test_a_request_that_arrives_byte_by_byte_is_understood(serve: Serve, connect: Connect) -> None:
    raw = connect(serve())
    for byte in b"POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}":
        raw.socket.sendall(bytes([byte]))
    assert raw.read().data == {"error": "Unexpected endpoint or method. (POST /x)"}


def test_head_gets_no_body_and_the_connection_lives_on(serve: Serve, connect: Connect) -> None:
    raw = connect(serve())
    raw.send("HEAD /v1/models")
    raw.send("GET /lmstudio-greeting", headers="Connection: close\r\n")
    heads = raw.read_all().split(b"\r\n\r\n")
    assert heads[1].startswith(b"HTTP/1.1 200 OK")
    assert heads[2] == b'{"lmstudio":true}'


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"hello\r\n\r\n", b"400 Bad Request"),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400 Bad Request"),
        (b"POST / HTTP/1.1\r\nContent-Length: 9999999999\r\n\r\n", b"413 Payload Too Large"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411 Length Required"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, b"431 Request Header Fields Too Large"),
    ],
)
def test_bytes_that_are_no_request_are_refused(serve: Serve, connect: Connect, sent: bytes, status: bytes) -> None:
    raw = connect(serve())
    raw.socket.sendall(sent)
    assert raw.read_all() == b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n"


def test_the_log_has_every_request_before_its_answer(serve: Serve, connect: Connect) -> None:
    server = serve()
    raw = connect(server)
    raw.send("POST /a?b=c", b"\x00\xff", headers="X-Thing: 1\r\n")
    raw.read()
    raw.chat()
    raw.read()
    first, second = server.requests
    assert (first.method, first.target, first.path, first.body) == ("POST", "/a?b=c", "/a", b"\x00\xff")
    assert (first.headers["x-thing"], first.connection, first.reused) == ("1", 1, False)
    assert (second.json()["model"], second.connection, second.reused) == ("mock-model", 1, True)


def test_the_log_shows_no_token(serve: Serve, call: Call) -> None:
    server = serve()
    call(server, "GET /x", headers="Authorization: Bearer sk-lm-secret\r\n")
    assert "secret" not in repr(server.requests)


def test_a_lone_surrogate_is_sent_as_an_escape(serve: Serve, chat: Call) -> None:
    answer = chat(serve(), headline="\ud800")
    assert b"\\ud800" in answer.body
    assert "\ud800" in answer.message["content"]
