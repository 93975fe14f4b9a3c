import gzip
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from plotbot.ask.transport.http import HttpAnswer, HttpSession
from plotbot.errors import AskError

DEADLINE_SECONDS = 0.3
LONG_SECONDS = 20.0
CAP_BYTES = 250_000

Answer = Callable[["Connection"], None]


class Connection:
    """One accepted connection; requests are read from it one by one. Bytes sent after the client left are lost."""

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
        """Send one byte at a time until the client leaves, so that no single read times out."""
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
    """A raw socket server. Each connection is given to the next of *answers*, further ones to the last."""

    def __init__(self, *answers: Answer) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.connections = 0
        self._answers = list(answers)
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
            answer(Connection(connection, self._gone))

    def close(self) -> None:
        self._gone.set()
        # Only a shutdown wakes the thread that accepts, on Linux; only the close does, elsewhere.
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@contextmanager
def peer(*answers: Answer) -> Iterator[Peer]:
    server = Peer(*answers)
    try:
        yield server
    finally:
        server.close()


def replying(*replies: bytes) -> Answer:
    """Answer one request with each reply; leave the next one unanswered until the client leaves."""

    def answer(connection: Connection) -> None:
        for reply in replies:
            if connection.read_request():
                connection.send(reply)
        connection.read_request()

    return answer


def http(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def get(url: str, seconds: float = DEADLINE_SECONDS) -> HttpAnswer:
    session = HttpSession()
    try:
        return session.request("GET", url, headers={}, deadline_seconds=seconds, cap_bytes=CAP_BYTES)
    finally:
        session.close()


def category_of(url: str, seconds: float = DEADLINE_SECONDS) -> str:
    """The error category in which a request ends. Fails if it does not end within LONG_SECONDS."""
    ended: list[str] = []

    def ask() -> None:
        with pytest.raises(AskError) as caught:
            get(url, seconds)
        ended.append(caught.value.category)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(LONG_SECONDS)
    assert ended, "the request did not end"
    return ended[0]


OK_HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def silence(connection: Connection) -> None:
    connection.read_request()
    connection.gone.wait(LONG_SECONDS)


def slow_headers(connection: Connection) -> None:
    connection.read_request()
    connection.send(OK_HEAD + b"X-Slow: ")
    connection.trickle(b"a")


def endless_hundreds(connection: Connection) -> None:
    connection.read_request()
    connection.trickle(b"HTTP/1.1 100 Continue\r\n\r\n")


def endless_hints(connection: Connection) -> None:
    connection.read_request()
    connection.flood(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100)


def slow_body(connection: Connection) -> None:
    connection.read_request()
    connection.send(OK_HEAD + b"Content-Length: 100000\r\n\r\n")
    connection.trickle(b" ")


def close_delimited_trickle(connection: Connection) -> None:
    connection.read_request()
    connection.send(OK_HEAD + b"\r\n")
    connection.trickle(b" ")


def slow_chunks(connection: Connection) -> None:
    connection.read_request()
    connection.send(CHUNKED)
    connection.trickle(b"1\r\n \r\n")


def slow_trailers(connection: Connection) -> None:
    connection.read_request()
    connection.send(CHUNKED + b"0\r\n")
    connection.trickle(b"X: y\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        silence,
        slow_headers,
        endless_hundreds,
        endless_hints,
        slow_body,
        close_delimited_trickle,
        slow_chunks,
        slow_trailers,
    ],
)
def test_a_server_that_takes_its_time_is_cut_off_at_the_deadline(answer: Answer) -> None:
    with peer(answer) as server:
        assert category_of(server.url) == "timeout"


def test_a_silent_tls_handshake_is_cut_off_too() -> None:
    with peer(silence) as server:
        assert category_of(server.url.replace("http", "https")) == "timeout"


def endless_body(connection: Connection) -> None:
    connection.read_request()
    connection.send(OK_HEAD + b"\r\n")
    connection.flood(b" " * 65536)


def endless_chunks(connection: Connection) -> None:
    connection.read_request()
    connection.send(CHUNKED)
    connection.flood(b"1\r\n \r\n" * 4096)


GZIP = "Content-Encoding: gzip\r\n"
BOMB = gzip.compress(b" " * 50_000_000, mtime=0)


@pytest.mark.parametrize(
    "answer",
    [
        endless_body,
        endless_chunks,
        replying(OK_HEAD + b"Content-Length: 1099511627776\r\n\r\n"),
        replying(OK_HEAD + b"Content-Length: 250001\r\n\r\n"),
        replying(http(BOMB, headers=GZIP)),
        replying(http(BOMB, "307 Temporary Redirect", GZIP + "Location: /\r\n")),
    ],
    ids=["endless", "chunks", "terabyte", "one_over", "bomb", "bomb_in_a_redirect"],
)
def test_a_body_beyond_the_cap_is_not_read(answer: Answer) -> None:
    with peer(answer) as server:
        tracemalloc.start()
        try:
            assert category_of(server.url, LONG_SECONDS) == "too_large"
            assert tracemalloc.get_traced_memory()[1] < 20 * CAP_BYTES
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    ("sent", "category"),
    [
        (b"220 smtp.example ESMTP\r\n", "protocol"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "protocol"),
        (b"\x15\x03\x01\x00\x02\x02\x50", "protocol"),
        (OK_HEAD + b"X: y\r\n" * 200 + b"\r\n", "protocol"),
        (CHUNKED + b"nonsense\r\n", "protocol"),
        (CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n", "protocol"),
        (CHUNKED + b"-1\r\nhello\r\n0\r\n\r\n", "protocol"),
        (CHUNKED + b"1_0\r\nhello\r\n0\r\n\r\n", "protocol"),
        (CHUNKED + b"0" * 2000, "protocol"),
        (CHUNKED + b"5\r\nhello\r\n5", "unreachable"),
        (http(b"hello", headers=GZIP), "protocol"),
        (http(gzip.compress(b"hello", mtime=0)[:-4], headers=GZIP), "protocol"),
        (http(b"hello", headers="Content-Encoding: br\r\n"), "protocol"),
        (b"", "unreachable"),
        (OK_HEAD + b"Content-Length: 50\r\n\r\nhalf", "unreachable"),
        (CHUNKED + b"5\r\nhel", "unreachable"),
    ],
)
def test_an_answer_that_is_broken_has_a_category(sent: bytes, category: str) -> None:
    def answer(connection: Connection) -> None:
        connection.read_request()
        connection.send(sent)

    with peer(answer) as server:
        assert category_of(server.url, LONG_SECONDS) == category


ODD_HEADERS = [b"Content-Length: 2\r\nno colon here", b"Content-Length: 2\r\nTransfer-Encoding: chunked"]


@pytest.mark.parametrize("header", ODD_HEADERS, ids=["no_colon", "two_lengths"])
def test_odd_headers_of_a_server_are_not_in_the_log_of_the_test_that_waits(
    header: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    body = b"2\r\nhi\r\n0\r\n\r\n" if b"chunked" in header else b"hi"
    with peer(replying(b"HTTP/1.1 200 OK\r\n" + header + b"\r\n\r\n" + body)) as server:
        assert get(server.url, LONG_SECONDS).status == 200
    assert not caplog.records


def test_an_address_without_a_listener_is_unreachable() -> None:
    with peer(silence) as server:
        pass
    assert category_of(server.url, LONG_SECONDS) == "unreachable"


@pytest.mark.parametrize("body", [b"plain", gzip.compress(b"plain", mtime=0)])
def test_a_gzip_body_is_decoded_and_a_plain_one_left_alone(body: bytes) -> None:
    headers = "" if body == b"plain" else GZIP
    with peer(replying(http(body, headers=headers))) as server:
        assert get(server.url, LONG_SECONDS).body == b"plain"


def test_a_connection_that_breaks_is_not_replaced() -> None:
    def hang_up(connection: Connection) -> None:
        connection.read_request()
        connection.reset()

    with peer(hang_up) as server:
        assert category_of(server.url, LONG_SECONDS) == "unreachable"
        assert server.connections == 1


def test_closing_a_session_ends_what_is_in_flight_and_what_comes_later() -> None:
    arrived = threading.Barrier(5)

    def hold(connection: Connection) -> None:
        connection.read_request()
        arrived.wait(LONG_SECONDS)
        connection.gone.wait(LONG_SECONDS)

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
