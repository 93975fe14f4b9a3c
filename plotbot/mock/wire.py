"""A request as received, a response to send, and how Express writes one."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

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
