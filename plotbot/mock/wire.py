"""A request as received, a response to send, and the shapes in which its bytes travel: plain, late, cut, endless.

Each shape is one function that writes to the connection and tells whether the connection may be used again.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import struct
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import cache
from http import HTTPStatus
from typing import Any, Protocol

JSON = "application/json; charset=utf-8"
_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as received. `at` is `time.monotonic()`; `connection` counts connections from 1.

    `reused` says that the connection had carried a request before. Header names are in lower case; headers stay out of
    the repr because they may hold a token.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    connection: int
    reused: bool
    at: float

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def json(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Response:
    """What to send; `shape` says how, if not plainly, with `seconds` between its pieces."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON
    shape: str | None = None
    seconds: float = 0.0


class Refused(Exception):  # noqa: N818  an answer that is sent, not a fault of the mock
    """A request ends here, with this response."""

    def __init__(self, response: Response) -> None:
        super().__init__(response)
        self.response = response


def json_bytes(value: Any) -> bytes:
    """As Express writes JSON: compact, UTF-8, only lone surrogates escaped. [UNVERIFIED] whether LM Studio indents."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def json_response(value: Any, status: int = 200) -> Response:
    return Response(status, json_bytes(value))


def head(response: Response, keep_alive: float | None, changed: Mapping[str, str | None] | None = None) -> bytes:
    """The head of a response, in Express' order.

    *keep_alive* is in seconds, None closes. *changed* headers replace Express' own; None leaves one out.
    """
    body_hash = base64.b64encode(hashlib.sha1(response.body, usedforsecurity=False).digest())[:27].decode("ascii")
    headers: dict[str, str | None] = {
        "X-Powered-By": "Express",
        "Content-Type": response.content_type,
        "Content-Length": str(len(response.body)),
        "ETag": f'W/"{len(response.body):x}-{body_hash}"',
        **response.headers,
        "Date": formatdate(usegmt=True),
        "Connection": "close" if keep_alive is None else "keep-alive",
        "Keep-Alive": None if keep_alive is None else f"timeout={int(keep_alive)}",
        **(changed or {}),
    }
    lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


_BOMB_BYTES = 50_000_000
_BOMB_BLOCKS = 50
_GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_PIECES = 40


class Wire(Protocol):
    """What a shape may do to a connection."""

    keep_alive: float | None

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...

    async def pause(self, seconds: float | None) -> None:
        """Wait; for ever where *seconds* is None. Ends early when the client goes away."""

    def reset(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Shape:
    does: str
    send: Callable[[Wire, Response], Awaitable[bool]]


async def plainly(wire: Wire, response: Response) -> bool:
    wire.write(head(response, wire.keep_alive) + response.body)
    return True


async def _head_only(wire: Wire, response: Response) -> bool:
    wire.write(head(response, wire.keep_alive))
    return True


async def _close(_wire: Wire, _response: Response) -> bool:
    return False


async def _reset(wire: Wire, _response: Response) -> bool:
    wire.reset()
    return False


async def _hang(wire: Wire, _response: Response) -> bool:
    await wire.pause(None)
    return False


async def _cut(wire: Wire, response: Response) -> bool:
    wire.write(head(response, wire.keep_alive) + response.body[: len(response.body) // 2])
    return False


async def _cut_quietly(wire: Wire, response: Response) -> bool:
    wire.write(head(response, None, {"Content-Length": None}) + response.body[: len(response.body) // 2])
    return False


async def _slow_headers(wire: Wire, response: Response) -> bool:
    await _in_pieces(wire, head(response, wire.keep_alive), response.seconds)
    wire.write(response.body)
    return True


async def _trickle(wire: Wire, response: Response) -> bool:
    wire.write(head(response, wire.keep_alive))
    await _in_pieces(wire, response.body, response.seconds)
    return True


async def _trickle_until_close(wire: Wire, response: Response) -> bool:
    wire.write(head(response, None, {"Content-Length": None}))
    await _in_pieces(wire, response.body, response.seconds)
    return False


async def _chunked(wire: Wire, response: Response) -> bool:
    wire.write(_chunked_head(response, wire.keep_alive))
    for piece in _pieces(response.body):
        wire.write(_chunk(piece))
        await wire.pause(response.seconds)
    wire.write(b"0\r\n\r\n")
    return True


async def _endless(wire: Wire, response: Response) -> bool:
    wire.write(_chunked_head(response, wire.keep_alive))
    while True:
        wire.write(_chunk(b" " * 65_536))
        await wire.drain()
        await wire.pause(response.seconds)


async def _huge_length(wire: Wire, response: Response) -> bool:
    wire.write(head(response, wire.keep_alive, {"Content-Length": str(2**40)}) + response.body)
    await wire.pause(None)
    return False


async def _gzip(wire: Wire, response: Response) -> bool:
    return _packed(wire, response, gzip.compress(response.body, mtime=0))


async def _gzip_bomb(wire: Wire, response: Response) -> bool:
    return _packed(wire, response, _bomb())


async def _gzip_torn(wire: Wire, response: Response) -> bool:
    packed = gzip.compress(response.body, mtime=0)
    return _packed(wire, response, packed[:12] + b"\xff" * 8 + packed[20:])


async def _big_headers(wire: Wire, response: Response) -> bool:
    changed: Mapping[str, str | None] = {f"X-Padding-{number}": "x" * 8_000 for number in range(128)}
    wire.write(head(response, wire.keep_alive, changed) + response.body)
    return True


async def _garbage(wire: Wire, _response: Response) -> bool:
    wire.write(b"\x15\x03\x01\x00\x02\x02\x16 this is not HTTP\r\n\r\n")
    return False


async def _not_utf8(wire: Wire, response: Response) -> bool:
    spoilt = Response(response.status, response.body[:-1] + b"\xff" + response.body[-1:], response.headers)
    return await plainly(wire, spoilt)


SHAPES: Mapping[str, Shape] = {
    "head_only": Shape("sends the head, as for HEAD, and no body", _head_only),
    "close": Shape("closes the connection without a byte", _close),
    "reset": Shape("resets the connection without a byte", _reset),
    "hang": Shape("sends nothing and keeps the connection open", _hang),
    "cut": Shape("sends half of the body that Content-Length announced, then closes", _cut),
    "cut_quietly": Shape("sends half of a body that only closing delimits, so that it looks whole", _cut_quietly),
    "slow_headers": Shape("sends the head in pieces, `seconds` apart", _slow_headers),
    "trickle": Shape("sends the body in pieces, `seconds` apart", _trickle),
    "trickle_until_close": Shape("the same without Content-Length: closing ends it", _trickle_until_close),
    "chunked": Shape("sends the body in chunks, `seconds` apart", _chunked),
    "endless": Shape("sends chunks of spaces without end", _endless),
    "huge_length": Shape("announces a Content-Length of 2^40, sends the body and waits", _huge_length),
    "gzip": Shape("packs the body with gzip, rightly", _gzip),
    "gzip_bomb": Shape("sends 50 KB of gzip that unpack to 50 MB", _gzip_bomb),
    "gzip_torn": Shape("packs the body with gzip, damaged", _gzip_torn),
    "big_headers": Shape("sends 1 MB of headers", _big_headers),
    "garbage": Shape("sends bytes that are no HTTP, then closes", _garbage),
    "not_utf8": Shape("spoils the body's UTF-8", _not_utf8),
}


async def _in_pieces(wire: Wire, data: bytes, seconds: float) -> None:
    for piece in _pieces(data):
        wire.write(piece)
        await wire.pause(seconds)


def _pieces(data: bytes) -> list[bytes]:
    size = max(1, -(-len(data) // _PIECES))
    return [data[start : start + size] for start in range(0, len(data), size)]


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode("ascii") + data + b"\r\n"


def _chunked_head(response: Response, keep_alive: float | None) -> bytes:
    return head(response, keep_alive, {"Content-Length": None, "Transfer-Encoding": "chunked"})


def _packed(wire: Wire, response: Response, packed: bytes) -> bool:
    changed: Mapping[str, str | None] = {"Content-Length": str(len(packed)), "Content-Encoding": "gzip"}
    wire.write(head(response, wire.keep_alive, changed) + packed)
    return True


@cache
def _bomb() -> bytes:
    """Spaces, packed once and repeated: packing all of them would stop the server for a second."""
    spaces = b" " * (_BOMB_BYTES // _BOMB_BLOCKS)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(spaces) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(_BOMB_BLOCKS):
        checksum = zlib.crc32(spaces, checksum)
    return _GZIP_HEAD + block * _BOMB_BLOCKS + packer.flush() + struct.pack("<II", checksum, _BOMB_BYTES)
