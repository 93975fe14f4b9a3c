import json
import socket
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from plotbot.ask.servers.handshake import shake_hands
from plotbot.ask.transport.chat_client import RAW_CAP_BYTES, ChatClient
from plotbot.ask.transport.retries import RetryPolicy
from plotbot.records import Case, Exchange, Question, Title

LONG_SECONDS = 60.0
TOKEN = "sk-lm-abcdefgh:01234567890123456789"
OK_HEAD = b"HTTP/1.1 200 OK\r\n"
SCHEMA = {"type": "array", "items": {"type": "object", "properties": {"tone": {"type": "string"}}}}
CASE = Case("c1", "m-t1-r1", "qwen/qwen3-4b", Title("t1", "Man bites dog"), "abc", "json_schema", 1, 77)
QUESTION = Question("Write well.", SCHEMA, "json_schema", "abc")


class Peer:
    """A raw socket server: each request is answered with the next of *replies*; None leaves it unanswered.

    A reply without Content-Length ends with its connection.
    """

    def __init__(self, *replies: bytes | None) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.heard: list[bytes] = []
        self._replies = list(replies)
        self._gone = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._gone.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while request := _read_request(connection):
                self.heard.append(request)
                reply = self._replies.pop(0)
                if reply is None:
                    self._gone.wait(LONG_SECONDS)
                    return
                connection.sendall(reply)
                if b"Content-Length" not in reply:
                    return


def _read_request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        if not (chunk := connection.recv(65536)):
            return b""
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    length = next((int(h[15:]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def peer(*replies: bytes | None) -> Iterator[Peer]:
    server = Peer(*replies)
    try:
        yield server
    finally:
        server.close()


def http(body: bytes | dict[str, Any], status: str = "200 OK", headers: str = "") -> bytes:
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(encoded)}\r\n{headers}\r\n".encode() + encoded


def completion(content: str = "[]", **rest: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": content}, "finish_reason": "stop"}], **rest}


def client_for(url: str, **settings: Any) -> ChatClient:
    params = {"temperature": 0.0, "max_tokens": 9, "reasoning_effort": None}
    quick: dict[str, Any] = {"request_timeout": LONG_SECONDS, "retries": RetryPolicy(first_backoff=0.0)}
    return ChatClient(url, params=params, **(quick | settings))


def asking(url: str, **settings: Any) -> Exchange:
    client = client_for(url, **settings)
    try:
        return client.ask(CASE, QUESTION)
    finally:
        client.close()


def category(exchange: Exchange) -> str:
    assert (exchange.reply is None) == (exchange.fault is not None)
    return exchange.fault.category if exchange.fault else "ok"


def test_no_proxy_netrc_or_redirect_takes_a_request_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with peer(http(b"stolen")) as thief:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password netrc-secret\n", encoding="ascii")
        (tmp_path / ".netrc").chmod(0o600)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, thief.url)
        moved = http(b"", "307 Temporary Redirect", f"Location: {thief.url}/v1/chat/completions\r\n")
        with peer(moved) as server:
            exchange = asking(server.url, token=TOKEN)
        assert exchange.fault is not None
        assert (exchange.fault.category, thief.heard) == ("http_error", [])
        assert f"Authorization: Bearer {TOKEN}".encode() in server.heard[0]
        assert b"netrc-secret" not in server.heard[0]


def test_a_request_goes_out_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[bytes] = []
    send = socket.socket.sendall

    def noted(self: socket.socket, data: bytes, *flags: int) -> None:
        pieces.append(bytes(data))
        send(self, data, *flags)

    monkeypatch.setattr(socket.socket, "sendall", noted)
    with peer(http(completion()), http(completion())) as server:
        client = client_for(server.url)
        exchanges = [client.ask(CASE, QUESTION) for _ in range(2)]
        client.close()
    assert [category(exchange) for exchange in exchanges] == ["ok", "ok"]
    assert [piece for piece in pieces if not piece.startswith(b"HTTP/1.1 200")] == server.heard


def test_a_request_says_everything_and_its_answer_becomes_an_exchange() -> None:
    answer = completion('[{"tone":"dry"}]', model="qwen3-4b@q4_k_m:2", usage={"prompt_tokens": 5})
    with peer(http(answer)) as server:
        exchange = asking(server.url + "/v1/")
    head, _, body = server.heard[0].partition(b"\r\n\r\n")
    sent = json.loads(body)
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert b"Content-Type: application/json" in head
    assert [message["role"] for message in sent.pop("messages")] == ["system", "user"]
    assert sent == {
        "model": "qwen/qwen3-4b",
        "stream": False,
        "temperature": 0.0,
        "max_tokens": 9,
        "seed": 77,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
        },
    }
    assert exchange.params == {"temperature": 0.0, "max_tokens": 9, "seed": 77, "response_format": "json_schema"}
    assert exchange.reply is not None
    assert (exchange.reply.content, exchange.reply.prompt_tokens) == ('[{"tone":"dry"}]', 5)
    assert (len(exchange.attempts), exchange.attempts[0].status) == (1, 200)
    assert exchange.attempts[0].host == f"127.0.0.1:{server.port}"
    assert Exchange.from_json(json.loads(json.dumps(exchange.to_json()))) == exchange


CRASHED = http({"error": "The model has crashed without additional information. (Exit code: null)"}, "400 Bad Request")
BUSY = http({"error": {"message": "server busy, please try again."}}, "503 Unavailable", "Retry-After: 0\r\n")
UNKNOWN = http({"error": {"message": 'Invalid model identifier "x".', "code": "model_not_found"}}, "400 Bad Request")
FINE = http(completion())


@pytest.mark.parametrize(
    ("replies", "ended", "attempts"),
    [
        ((FINE,), "ok", ["ok"]),
        ((CRASHED, FINE), "ok", ["model_crashed", "ok"]),
        ((BUSY, CRASHED, FINE), "ok", ["server_busy", "model_crashed", "ok"]),
        ((CRASHED,) * 9, "model_crashed", ["model_crashed"] * 4),
        ((CRASHED, UNKNOWN, FINE), "model_unavailable", ["model_crashed", "model_unavailable"]),
        ((http(completion(""), "200 OK"), FINE), "ok", ["ok"]),
        ((http(completion(model="gemma-3-1b:2")), FINE), "wrong_model", ["wrong_model"]),
        ((http(completion(model="")), FINE), "ok", ["ok"]),
        ((http(b'{"choices":[{"message":{"content":"Model unloaded.'), FINE), "protocol", ["protocol"]),
        ((http(b"\xff"), FINE), "protocol", ["protocol"]),
        ((http({"choices": [{}]}), FINE), "protocol", ["protocol"]),
        ((http({"error": "Unexpected endpoint or method. (POST /x)"}), FINE), "http_error", ["http_error"]),
    ],
)
def test_transport_faults_are_retried_and_every_attempt_is_recorded(
    replies: tuple[bytes, ...], ended: str, attempts: list[str]
) -> None:
    with peer(*replies) as server:
        exchange = asking(server.url)
    assert category(exchange) == ended
    assert [attempt.fault.category if attempt.fault else "ok" for attempt in exchange.attempts] == attempts


def test_a_body_that_the_closing_of_its_connection_cut_is_asked_for_again() -> None:
    with peer(OK_HEAD + b"\r\n" + json.dumps(completion()).encode()[:30], FINE) as server:
        exchange = asking(server.url)
    assert (category(exchange), len(exchange.attempts)) == ("ok", 2)


def test_a_hanging_server_ends_in_a_timeout_for_each_attempt() -> None:
    with peer(None, None) as server:
        exchange = asking(server.url, request_timeout=0.2, retries=RetryPolicy(1, first_backoff=0.0))
    assert (category(exchange), len(exchange.attempts)) == ("timeout", 2)


def test_a_model_may_answer_under_the_name_of_its_instance() -> None:
    with peer(http(completion(model="my-qwen"))) as server:
        assert category(asking(server.url, known_as={CASE.model: ["my-qwen"]})) == "ok"


def test_what_cannot_be_read_is_kept_as_it_came_up_to_a_limit() -> None:
    with peer(http(b"{" + b"x" * 200_000)) as server:
        raw = asking(server.url).raw
    assert (len(raw), raw[:3]) == (RAW_CAP_BYTES, b"{xx")


def test_a_server_that_repeats_the_token_does_not_get_it_into_an_exchange() -> None:
    answer = http({"error": f"proxy dump: Authorization: Bearer {TOKEN}"}, "500 Oops")
    with peer(answer) as server:
        exchange = asking(server.url, token=TOKEN)
    assert "proxy dump" in str(exchange.fault)
    assert "abcdefgh" not in repr(exchange)
    assert b"abcdefgh" not in exchange.raw


def test_a_traceback_with_locals_does_not_show_the_token() -> None:
    client = client_for("http://127.0.0.1:9", token=TOKEN)
    client.close()
    with pytest.raises(CancelledError) as caught:
        client.ask(CASE, QUESTION)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    assert "abcdefgh" not in "".join(shown).replace(f'TOKEN = "{TOKEN}"', "")


class Stop(threading.Event):
    """An event that tells what it was waited for, and waits only where it is answer to."""

    def __init__(self, *, waits: bool) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self.waited_for = threading.Event()
        self._waits = waits

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout or 0.0)
        self.waited_for.set()
        return super().wait(timeout if self._waits else 0.0)


def test_pauses_grow_and_are_as_long_as_the_server_asks() -> None:
    asks_for_time = http(b"", "429 Too Many Requests", "Retry-After: 7\r\n")
    stop = Stop(waits=False)
    with peer(CRASHED, CRASHED, CRASHED, asks_for_time, FINE) as server:
        assert category(asking(server.url, stop=stop, retries=RetryPolicy(4, first_backoff=1.0))) == "ok"
    bounds = [(0.5, 1.0), (1.0, 2.0), (2.0, 4.0), (7.0, 8.0)]
    assert [low <= pause <= high for pause, (low, high) in zip(stop.pauses, bounds, strict=True)] == [True] * 4


def test_closing_the_client_ends_a_pause() -> None:
    stop = Stop(waits=True)
    with peer(*[CRASHED] * 9) as server, ThreadPoolExecutor(1) as threads:
        client = client_for(server.url, retries=RetryPolicy(first_backoff=LONG_SECONDS), stop=stop)
        asked = threads.submit(client.ask, CASE, QUESTION)
        assert stop.waited_for.wait(LONG_SECONDS)
        client.close()
        assert isinstance(asked.exception(timeout=LONG_SECONDS), CancelledError)


@pytest.mark.parametrize(
    ("message", "acknowledged"),
    [
        ({"content": "CONFIRM"}, True),
        ({"content": "I CONFIRM."}, True),
        ({"content": "", "reasoning_content": "They want CONFIRM"}, True),
        ({"content": "No.", "reasoning_content": "They want CONFIRM"}, False),
        ({"content": "UNCONFIRMED"}, False),
        ({"content": ""}, False),
    ],
)
def test_a_handshake_is_acknowledged_by_the_word(message: dict[str, str], acknowledged: bool) -> None:
    with peer(http({"choices": [{"message": message}]})) as server:
        client = client_for(server.url)
        handshake = shake_hands(client, "m", load_timeout=LONG_SECONDS)
        client.close()
    assert (handshake.acknowledged, category(handshake.exchange)) == (acknowledged, "ok")


def test_a_handshake_with_a_server_at_fault_is_not_acknowledged() -> None:
    with peer(UNKNOWN) as server:
        client = client_for(server.url)
        handshake = shake_hands(client, "m", load_timeout=LONG_SECONDS)
        client.close()
    assert (handshake.acknowledged, category(handshake.exchange)) == (False, "model_unavailable")
