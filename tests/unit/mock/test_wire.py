from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from plotbot.mock import SHAPES, MockServer, Rule

Serve = Callable[..., MockServer]
Connect = Callable[[MockServer], Any]
CLOSE = "Connection: close\r\n"


def sees(serve: Serve, connect: Connect, shape: str, seconds: float = 0.0) -> tuple[bytes, bytes]:
    """Head and body of a good answer in this shape, read until the server closes."""
    raw = connect(serve(Rule(shape=shape, seconds=seconds, route="greeting")))
    raw.send("GET /lmstudio-greeting", headers=CLOSE)
    head, _, body = raw.read_all().partition(b"\r\n\r\n")
    return head, body


def unchunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        whole += rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :]
    return whole


GOOD = b'{"lmstudio":true}'


def test_the_greeting_is_whole_in_the_shapes_that_only_take_longer(serve: Serve, connect: Connect) -> None:
    for shape in ("slow_headers", "trickle", "trickle_until_close", "big_headers"):
        head, body = sees(serve, connect, shape, 0.0001)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert body == GOOD
        assert (b"Content-Length: 17" in head) == (shape != "trickle_until_close")


def test_chunks_are_chunks(serve: Serve, connect: Connect) -> None:
    head, body = sees(serve, connect, "chunked")
    assert b"Transfer-Encoding: chunked" in head
    assert b"Content-Length" not in head
    assert unchunked(body) == GOOD


def test_gzip_unpacks(serve: Serve, connect: Connect) -> None:
    head, body = sees(serve, connect, "gzip")
    assert b"Content-Encoding: gzip" in head
    assert gzip.decompress(body) == GOOD


def test_a_bomb_is_small_and_becomes_large(serve: Serve, connect: Connect) -> None:
    _, body = sees(serve, connect, "gzip_bomb")
    assert len(body) < 60_000
    assert len(gzip.decompress(body)) == 50_000_000


def test_torn_gzip_does_not_unpack(serve: Serve, connect: Connect) -> None:
    _, body = sees(serve, connect, "gzip_torn")
    with pytest.raises((zlib.error, gzip.BadGzipFile, EOFError)):
        gzip.decompress(body)


def test_big_headers_are_big(serve: Serve, connect: Connect) -> None:
    head, _ = sees(serve, connect, "big_headers")
    assert len(head) > 1_000_000


def test_bytes_that_are_no_http_and_no_utf8(serve: Serve, connect: Connect) -> None:
    assert not sees(serve, connect, "garbage")[0].startswith(b"HTTP")
    _, body = sees(serve, connect, "not_utf8")
    with pytest.raises(UnicodeDecodeError):
        body.decode()
    assert len(body) == len(GOOD) + 1


def test_a_cut_body_is_half(serve: Serve, connect: Connect) -> None:
    head, body = sees(serve, connect, "cut")
    assert (b"Content-Length: 17" in head, body) == (True, GOOD[:8])
    head, body = sees(serve, connect, "cut_quietly")
    assert (b"Content-Length" in head, b"Connection: close" in head, body) == (False, True, GOOD[:8])


def test_closing_and_resetting_send_nothing(serve: Serve, connect: Connect) -> None:
    assert sees(serve, connect, "close") == (b"", b"")
    with pytest.raises(ConnectionResetError):
        sees(serve, connect, "reset")


def test_a_hang_sends_nothing_and_stays_open(serve: Serve, connect: Connect) -> None:
    raw = connect(serve(Rule(shape="hang", route="greeting")))
    raw.send("GET /lmstudio-greeting")
    raw.socket.settimeout(0.02)
    with pytest.raises(TimeoutError):
        raw.socket.recv(1)


def test_an_endless_body_goes_on(serve: Serve, connect: Connect) -> None:
    raw = connect(serve(Rule(shape="endless", route="greeting")))
    raw.send("GET /lmstudio-greeting")
    received = 0
    while received < 5_000_000:
        received += len(raw.socket.recv(1_000_000))


def test_a_huge_length_is_announced_and_not_sent(serve: Serve, connect: Connect) -> None:
    raw = connect(serve(Rule(shape="huge_length", route="greeting")))
    raw.send("GET /lmstudio-greeting")
    data = b""
    while not data.endswith(GOOD):
        data += raw.socket.recv(65_536)
    assert b"Content-Length: 1099511627776\r\n" in data


def test_a_trickle_takes_its_time(serve: Serve, connect: Connect) -> None:
    started = time.monotonic()
    sees(serve, connect, "trickle", 0.001)
    assert time.monotonic() - started >= 0.017


def test_a_scripted_reply_can_have_a_shape(serve: Serve, connect: Connect) -> None:
    raw = connect(serve(Rule(reply="[1]", shape="chunked")))
    raw.send("POST /v1/chat/completions", {"model": "mock-model", "messages": []}, CLOSE)
    body = unchunked(raw.read_all().partition(b"\r\n\r\n")[2])
    assert json.loads(body)["choices"][0]["message"]["content"] == "[1]"


def test_every_shape_says_what_it_does() -> None:
    assert all(shape.does for shape in SHAPES.values())
