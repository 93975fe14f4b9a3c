import gzip
import json
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from plotbot.ask.client import RAW_CAP_BYTES, Client
from plotbot.ask.handshake import shake_hands
from plotbot.ask.http import HttpAnswer, HttpSession
from plotbot.errors import AskError
from plotbot.records import Case, Exchange, Question, Title

DEADLINE_SECONDS = 0.4
LONG_SECONDS = 60.0
CAP_BYTES = 1_000_000
TOKEN = "sk-lm-abcdefgh:01234567890123456789"

Answer = Callable[["Line"], None]


class Line:
    """One accepted connection. `requests` reads them one by one; what is sent to a peer that left is lost."""

    def __init__(self, connection: socket.socket, gone: threading.Event) -> None:
        self.connection = connection
        self.gone = gone

    def read_request(self) -> bytes:
        """Head and body of one request; empty at the end of the connection."""
        received = b""
        while b"\r\n\r\n" not in received:
            if not (chunk := self.connection.recv(65536)):
                return b""
            received += chunk
        head, _, body = received.partition(b"\r\n\r\n")
        length = next((int(h[15:]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0)
        while len(body) < length:
            body += self.connection.recv(65536)
        return head + b"\r\n\r\n" + body

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def trickle(self, byte: bytes) -> None:
        """One byte at a time until the other side has left: no single read ever times out."""
        while not self.gone.wait(0.02):
            self.send(byte)

    def flood(self, chunk: bytes) -> None:
        while not self.gone.is_set():
            self.send(chunk)

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.connection.close()


class Peer:
    """A raw socket server. Each connection is handed to the next answer, the last answer to all further ones."""

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.heard: list[bytes] = []
        self.connections = 0
        self._answers = list(answers)
        self._tls = tls
        self._gone = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections += 1
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                threading.Thread(target=self._serve, args=(connection, answer), daemon=True).start()

    def _serve(self, connection: socket.socket, answer: Answer) -> None:
        with suppress(OSError), connection:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                answer(Line(connection, self._gone))

    def close(self) -> None:
        self._gone.set()
        # Only a shutdown wakes the thread that accepts, on Linux; only the close does, elsewhere.
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@contextmanager
def peer(*answers: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Peer]:
    server = Peer(*answers, tls=tls)
    try:
        yield server
    finally:
        server.close()


def replying(*replies: bytes) -> Answer:
    """Read a request, send a reply, for each reply; then read on without an answer until the peer leaves."""

    def answer(line: Line) -> None:
        for reply in replies:
            if line.read_request():
                line.send(reply)
        line.read_request()

    return answer


def http(body: bytes | dict[str, Any], status: str = "200 OK", headers: str = "") -> bytes:
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(encoded)}\r\n{headers}\r\n".encode() + encoded


def completion(content: str = "[]", **rest: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": content}, "finish_reason": "stop"}], **rest}


def get(url: str, seconds: float = DEADLINE_SECONDS, verify: bool | str = True) -> HttpAnswer:
    session = HttpSession(verify=verify)
    try:
        return session.request("GET", url, headers={}, deadline_seconds=seconds, cap_bytes=CAP_BYTES)
    finally:
        session.close()


def category_of(url: str, seconds: float = DEADLINE_SECONDS, verify: bool | str = True) -> str:
    """The category in which a request ends. It has to end: a watchdog that sleeps would hang here for a minute."""
    with ThreadPoolExecutor(1) as threads:
        error = threads.submit(get, url, seconds, verify).exception(timeout=LONG_SECONDS)
    assert isinstance(error, AskError), error
    return error.category


OK_HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def silence(line: Line) -> None:
    line.read_request()
    line.gone.wait(LONG_SECONDS)


def slow_headers(line: Line) -> None:
    line.read_request()
    line.send(OK_HEAD + b"X-Slow: ")
    line.trickle(b"a")


def endless_hundreds(line: Line) -> None:
    line.read_request()
    line.trickle(b"HTTP/1.1 100 Continue\r\n\r\n")


def slow_body(line: Line) -> None:
    line.read_request()
    line.send(OK_HEAD + b"Content-Length: 100000\r\n\r\n")
    line.trickle(b" ")


def close_delimited_trickle(line: Line) -> None:
    line.read_request()
    line.send(OK_HEAD + b"\r\n")
    line.trickle(b" ")


def slow_chunks(line: Line) -> None:
    line.read_request()
    line.send(CHUNKED)
    line.trickle(b"1\r\n \r\n")


def slow_trailers(line: Line) -> None:
    line.read_request()
    line.send(CHUNKED + b"0\r\n")
    line.trickle(b"X: y\r\n")


@pytest.mark.parametrize(
    "answer",
    [silence, slow_headers, endless_hundreds, slow_body, close_delimited_trickle, slow_chunks, slow_trailers],
)
def test_a_server_that_takes_its_time_is_cut_off_at_the_deadline(answer: Answer) -> None:
    with peer(answer) as server:
        assert category_of(server.url) == "timeout"


def test_a_silent_tls_handshake_is_cut_off_too() -> None:
    with peer(silence) as server:
        assert category_of(server.url.replace("http", "https")) == "timeout"


def endless_body(line: Line) -> None:
    line.read_request()
    line.send(OK_HEAD + b"\r\n")
    line.flood(b" " * 65536)


def endless_chunks(line: Line) -> None:
    line.read_request()
    line.send(CHUNKED)
    line.flood(b"1\r\n \r\n" * 4096)


GZIP = "Content-Encoding: gzip\r\n"
BOMB = gzip.compress(b" " * 50_000_000)


@pytest.mark.parametrize(
    "answer",
    [
        endless_body,
        endless_chunks,
        replying(OK_HEAD + b"Content-Length: 1099511627776\r\n\r\n"),
        replying(OK_HEAD + b"Content-Length: 1000001\r\n\r\n"),
        replying(http(BOMB, headers=GZIP)),
        replying(http(BOMB, "307 Temporary Redirect", GZIP + "Location: /\r\n")),
    ],
    ids=["endless", "chunks", "terabyte", "one_over", "bomb", "bomb_in_a_redirect"],
)
def test_a_body_beyond_the_cap_is_not_read(answer: Answer) -> None:
    with peer(answer) as server:
        assert category_of(server.url, LONG_SECONDS) == "too_large"


@pytest.mark.parametrize(
    ("sent", "category"),
    [
        (b"220 smtp.example ESMTP\r\n", "protocol"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "protocol"),
        (b"\x15\x03\x01\x00\x02\x02\x50", "protocol"),
        (OK_HEAD + b"X: y\r\n" * 200 + b"\r\n", "protocol"),
        (CHUNKED + b"nonsense\r\n", "protocol"),
        (OK_HEAD + b"Content-Length: 5, 6\r\n\r\nhello", "protocol"),
        (http(b"hello", headers=GZIP), "protocol"),
        (http(gzip.compress(b"hello")[:-4], headers=GZIP), "protocol"),
        (http(b"hello", headers="Content-Encoding: br\r\n"), "protocol"),
        (b"", "unreachable"),
        (OK_HEAD, "unreachable"),
        (OK_HEAD + b"Content-Length: 50\r\n\r\nhalf", "unreachable"),
        (CHUNKED + b"5\r\nhel", "unreachable"),
    ],
)
def test_an_answer_that_is_broken_has_a_category(sent: bytes, category: str) -> None:
    def answer(line: Line) -> None:
        line.read_request()
        line.send(sent)

    with peer(answer) as server:
        assert category_of(server.url, LONG_SECONDS) == category


def test_nobody_listening_is_unreachable() -> None:
    with peer(silence) as server:
        pass
    assert category_of(server.url, LONG_SECONDS) == "unreachable"


@pytest.mark.parametrize("body", [b"plain", gzip.compress(b"plain")])
def test_a_gzip_body_is_decoded_and_a_plain_one_left_alone(body: bytes) -> None:
    headers = "" if body == b"plain" else GZIP
    with peer(replying(http(body, headers=headers))) as server:
        assert get(server.url, LONG_SECONDS).body == b"plain"


def test_a_connection_is_kept_and_one_that_broke_meanwhile_is_replaced_once() -> None:
    def one_then_reset(line: Line) -> None:
        replying(http(b"1"), http(b"2"))(line)
        line.reset()

    with peer(one_then_reset, replying(http(b"3"))) as server:
        session = HttpSession()
        bodies = [
            session.request("GET", server.url, headers={}, deadline_seconds=LONG_SECONDS, cap_bytes=CAP_BYTES).body
            for _ in range(3)
        ]
        session.close()
        assert (bodies, server.connections) == ([b"1", b"2", b"3"], 2)


def test_a_fresh_connection_that_breaks_is_not_replaced() -> None:
    def hang_up(line: Line) -> None:
        line.read_request()
        line.reset()

    with peer(hang_up) as server:
        assert category_of(server.url, LONG_SECONDS) == "unreachable"
        assert server.connections == 1


def test_closing_a_session_ends_what_is_in_flight_and_what_comes_later() -> None:
    arrived = threading.Barrier(5)

    def hold(line: Line) -> None:
        line.read_request()
        arrived.wait(LONG_SECONDS)
        line.gone.wait(LONG_SECONDS)

    with peer(hold) as server, ThreadPoolExecutor(4) as threads:
        session = HttpSession()

        def ask() -> HttpAnswer:
            return session.request("GET", server.url, headers={}, deadline_seconds=600, cap_bytes=CAP_BYTES)

        asked = [threads.submit(ask) for _ in range(4)]
        arrived.wait(LONG_SECONDS)
        session.close()
        assert [type(one.exception(timeout=LONG_SECONDS)) for one in asked] == [CancelledError] * 4
        with pytest.raises(CancelledError):
            ask()


def test_no_proxy_netrc_or_redirect_takes_a_request_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with peer(replying(http(b"stolen"))) as thief:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password netrc-secret\n", encoding="ascii")
        (tmp_path / ".netrc").chmod(0o600)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, thief.url)
        moved = http(b"", "307 Temporary Redirect", f"Location: {thief.url}/v1/chat/completions\r\n")
        heard: list[bytes] = []

        def redirect(line: Line) -> None:
            heard.append(line.read_request())
            line.send(moved)

        with peer(redirect) as server:
            exchange = asking(server.url, token=TOKEN)
        assert exchange.fault is not None
        assert (exchange.fault.category, thief.connections) == ("http_error", 0)
        assert f"Authorization: Bearer {TOKEN}".encode() in heard[0]
        assert b"netrc-secret" not in heard[0]


# The client: from a case to an exchange.

SCHEMA = {"type": "array", "items": {"type": "object", "properties": {"tone": {"type": "string"}}}}
CASE = Case("c1", "m-t1-r1", "qwen/qwen3-4b", Title("t1", "Man bites dog"), "abc", "json_schema", 1, 77)
QUESTION = Question("Write well.", SCHEMA, "json_schema", "abc")


def client_for(url: str, **settings: Any) -> Client:
    params = {"temperature": 0.0, "max_tokens": 9, "reasoning_effort": None}
    return Client(url, params=params, **({"request_timeout": LONG_SECONDS, "backoff_seconds": 0.0} | settings))


def asking(url: str, **settings: Any) -> Exchange:
    client = client_for(url, **settings)
    try:
        return client.ask(CASE, QUESTION)
    finally:
        client.close()


def category(exchange: Exchange) -> str:
    assert (exchange.reply is None) == (exchange.fault is not None)
    return exchange.fault.category if exchange.fault else "ok"


def test_a_request_says_everything_and_its_answer_becomes_an_exchange() -> None:
    heard: list[bytes] = []

    def answer(line: Line) -> None:
        heard.append(line.read_request())
        line.send(http(completion('[{"tone":"dry"}]', model="qwen3-4b@q4_k_m:2", usage={"prompt_tokens": 5})))

    with peer(answer) as server:
        exchange = asking(server.url + "/v1/")
    head, _, body = heard[0].partition(b"\r\n\r\n")
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
    with peer(replying(*replies)) as server:
        exchange = asking(server.url)
    assert category(exchange) == ended
    assert [attempt.fault.category if attempt.fault else "ok" for attempt in exchange.attempts] == attempts


def test_a_body_that_the_closing_of_its_connection_cut_is_asked_for_again() -> None:
    def cut(line: Line) -> None:
        line.read_request()
        line.send(OK_HEAD + b"\r\n" + json.dumps(completion()).encode()[:30])

    with peer(cut, replying(FINE)) as server:
        exchange = asking(server.url)
    assert (category(exchange), len(exchange.attempts)) == ("ok", 2)


def test_a_hanging_server_ends_in_a_timeout_for_each_attempt() -> None:
    with peer(silence) as server:
        exchange = asking(server.url, request_timeout=0.2, retry_limit=1)
    assert (category(exchange), len(exchange.attempts)) == ("timeout", 2)


def test_a_model_may_answer_under_the_name_of_its_instance() -> None:
    with peer(replying(http(completion(model="my-qwen")))) as server:
        assert category(asking(server.url, known_as={CASE.model: ["my-qwen"]})) == "ok"


def test_what_cannot_be_read_is_kept_as_it_came_up_to_a_limit() -> None:
    with peer(replying(http(b"{" + b"x" * 200_000))) as server:
        raw = asking(server.url).raw
    assert (len(raw), raw[:3]) == (RAW_CAP_BYTES, b"{xx")


def test_a_server_that_repeats_the_token_does_not_get_it_into_an_exchange() -> None:
    told = http({"error": f"proxy dump: Authorization: Bearer {TOKEN}"}, "500 Oops")
    with peer(replying(told)) as server:
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


def test_closing_the_client_ends_a_pause() -> None:
    with peer(replying(*[CRASHED] * 9)) as server, ThreadPoolExecutor(1) as threads:
        client = client_for(server.url, backoff_seconds=LONG_SECONDS)
        asked = threads.submit(client.ask, CASE, QUESTION)
        client.close()
        assert isinstance(asked.exception(timeout=LONG_SECONDS / 2), CancelledError)


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
    with peer(replying(http({"choices": [{"message": message}]}))) as server:
        client = client_for(server.url)
        handshake = shake_hands(client, "m", "Write well.", load_timeout=LONG_SECONDS)
        client.close()
    assert (handshake.acknowledged, category(handshake.exchange)) == (acknowledged, "ok")


def test_a_handshake_with_a_server_at_fault_is_not_acknowledged() -> None:
    with peer(replying(UNKNOWN)) as server:
        client = client_for(server.url)
        handshake = shake_hands(client, "m", "Write well.", load_timeout=LONG_SECONDS)
        client.close()
    assert (handshake.acknowledged, category(handshake.exchange)) == (False, "model_unavailable")
