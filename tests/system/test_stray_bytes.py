"""A server that sends more than it was asked for: no title gets another title's answer, also where no check could tell.

The eval accepts any text. The server answers with the headline that it was asked about, so a test can tell whose answer
a title got.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ("pytester",)

MODEL = "echo"
TITLES = {f"t{number:02}": f"Headline {number:02}" for number in range(24)}
EVAL = """
import pytest

@pytest.mark.eval
def test_echo(reply, schema, results):
    results.keep(reply)
"""
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
UNKNOWN_INTERIM = b"HTTP/1.1 199 Whatever\r\nX-Any: thing\r\n\r\n"
PAUSE_SECONDS = 0.005

Pieces = Callable[[bytes], list[bytes]]
"""What is sent for one answer, in pieces with a pause between each two."""

MODES: dict[str, Pieces] = {
    "interim answer, then the final one": lambda answer: [EARLY_HINTS, answer],
    "interim answer in one segment with the final one": lambda answer: [EARLY_HINTS + answer],
    "many interim answers": lambda answer: [PROCESSING * 40 + CONTINUE, UNKNOWN_INTERIM, EARLY_HINTS + answer],
    "interim answers after the final one": lambda answer: [answer, PROCESSING, EARLY_HINTS],
    "the same answer twice at once": lambda answer: [answer + answer],
    "the same answer twice, late": lambda answer: [answer, answer],
    "three more answers, later and later": lambda answer: [answer, b"", answer, b"", answer, answer],
    "garbage after the answer": lambda answer: [answer + b"\x00\xff\r\n\r\nGET /", b"HTTP/1.1 200"],
    "half an answer after the answer": lambda answer: [answer, answer[: len(answer) // 2]],
}


class StrayServer:
    """A raw socket server that keeps its connections and sends *mode*'s pieces for each chat completion."""

    def __init__(self, mode: Pieces) -> None:
        self._mode = mode
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as received:
            while line := received.readline():
                length = 0
                while (header := received.readline().strip().lower()) != b"":
                    if header.startswith(b"content-length:"):
                        length = int(header[15:])
                body = received.read(length)
                for number, piece in enumerate(self._pieces(line, body)):
                    time.sleep(PAUSE_SECONDS * min(number, 1))
                    connection.sendall(piece)

    def _pieces(self, line: bytes, body: bytes) -> list[bytes]:
        if line.startswith(b"GET /v1/models"):
            return [_answer({"object": "list", "data": [{"id": MODEL, "object": "model"}]})]
        if line.startswith(b"GET"):
            return [_answer({"error": "Unexpected endpoint or method"})]
        asked = json.loads(body)["messages"][-1]["content"].rpartition("Headline: ")[2]
        return self._mode(
            _answer({"model": MODEL, "choices": [{"message": {"content": asked}, "finish_reason": "stop"}]})
        )


def _answer(data: dict[str, Any]) -> bytes:
    body = json.dumps(data).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@contextmanager
def stray(mode: Pieces) -> Iterator[str]:
    server = StrayServer(mode)
    try:
        yield server.url
    finally:
        server.close()


@pytest.fixture
def project(pytester: pytest.Pytester, make_project: Callable[[Path], Path]) -> Path:
    project = make_project(pytester.path)
    (project / "evals" / "test_story_seeds.py").write_text(EVAL, encoding="utf-8")
    (project / "data" / "titles_index.json").write_text(json.dumps(TITLES), encoding="utf-8")
    (project / "data" / "story_seed.schema.json").write_text('{"type": "string"}', encoding="utf-8")
    return project


def kept_answers(project: Path) -> Iterator[tuple[str, str]]:
    """Each title of the dataset with the answer that is kept for it; the dataset is emptied."""
    for file in (project / "data" / "generated_data").glob("*.json"):
        document = json.loads(file.read_bytes())
        [kept] = document["llm_models"][MODEL].values()
        file.unlink()
        yield document["title"], kept["response"]


@pytest.mark.parametrize("in_flight", [1, 4])
def test_no_title_gets_another_titles_answer(pytester: pytest.Pytester, project: Path, in_flight: int) -> None:
    for name, mode in MODES.items():
        with stray(mode) as url:
            result = pytester.runpytest_inprocess(
                "evals", f"--lm-studio-url={url}", "--test-sample-size=0", f"--max-in-flight={in_flight}"
            )
        answers = list(kept_answers(project))
        assert [(title, answer) for title, answer in answers if title != answer] == [], name
        assert (len(answers), result.ret) == (len(TITLES), 0), name
