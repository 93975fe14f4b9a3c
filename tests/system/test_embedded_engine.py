"""The embedded engine, for real: a child process, a llama.cpp server, the model that ships."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from plotbot.ask.embedded import MODEL_ID, MODEL_PATH, MODEL_SHA256, EmbeddedEngine, engine
from plotbot.ask.servers.handshake import handshake_messages
from plotbot.ask.transport.prompts import messages
from plotbot.errors import EngineError

pytest.importorskip("xllamacpp")

ROOT = Path(__file__).resolve().parents[2]
PROMPT = (ROOT / "data" / "prompt.txt").read_text(encoding="utf-8").strip()
SCHEMA: dict[str, Any] = json.loads((ROOT / "data" / "story_seed.schema.json").read_text(encoding="utf-8"))
WAIT_SECONDS = 20.0
# A parent process that starts an engine, prints its URL and then waits to be killed.
PARENT = """
import sys, time
from plotbot.ask.embedded import EmbeddedEngine
print(EmbeddedEngine.start().url, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def running() -> Iterator[EmbeddedEngine]:
    with EmbeddedEngine.start(slots=4) as started:
        yield started


def ask(url: str, conversation: list[dict[str, str]], **parameters: object) -> dict[str, Any]:
    body = {"model": MODEL_ID, "messages": conversation, "max_tokens": 512, **parameters}
    answer = requests.post(f"{url}/v1/chat/completions", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    reply: dict[str, Any] = answer.json()
    return reply


def content(reply: dict[str, Any]) -> str:
    text = reply["choices"][0]["message"]["content"]
    assert isinstance(text, str)
    return text


def refuses(url: str) -> bool:
    """Whether the port at the address is closed within WAIT_SECONDS."""
    where = urlsplit(url)
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=1).close()
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_it_answers_a_case_with_the_headline_as_title(running: EmbeddedEngine) -> None:
    reply = ask(running.url, messages(PROMPT, 'Walrus "sues" zoo over £3 bathtub', SCHEMA), temperature=0)
    (seed,) = json.loads(content(reply))
    assert seed["title"] == 'Walrus "sues" zoo over £3 bathtub'
    assert list(seed) == SCHEMA["items"]["required"]
    assert reply["choices"][0]["finish_reason"] == "stop"


def test_it_confirms_the_handshake(running: EmbeddedEngine) -> None:
    assert content(ask(running.url, handshake_messages(), temperature=0)) == "CONFIRM"


def test_a_reply_names_the_model_that_is_served_whatever_was_asked_for(running: EmbeddedEngine) -> None:
    reply = ask(running.url, handshake_messages(), model="no-such-model", max_tokens=4)
    assert reply["model"] == MODEL_ID


def test_it_lists_its_model_with_the_context_of_one_slot(running: EmbeddedEngine) -> None:
    listed = requests.get(f"{running.url}/v1/models", timeout=10).json()["data"]
    assert [(model["id"], model["meta"]["n_ctx"]) for model in listed] == [(MODEL_ID, engine.CONTEXT_LENGTH)]


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_the_same_seed_gives_the_same_text_however_many_ask(running: EmbeddedEngine, temperature: float) -> None:
    def text(number: int) -> str:
        conversation = messages(PROMPT, f"Town {number} loses its only {number * 7 % 11} clocks", SCHEMA)
        return content(ask(running.url, conversation, temperature=temperature, seed=1000 + number))

    alone = [text(number) for number in range(16)]
    for at_once in (4, 8):
        with ThreadPoolExecutor(at_once) as pool:
            assert list(pool.map(text, range(16))) == alone


def test_it_is_reachable_on_loopback_alone(running: EmbeddedEngine) -> None:
    assert urlsplit(running.url).hostname == "127.0.0.1"


def test_stop_ends_it_and_may_be_called_twice() -> None:
    started = EmbeddedEngine.start(slots=1)
    started.stop()
    started.stop()
    assert refuses(started.url)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="a parent on Windows cannot be killed with a signal")
def test_it_dies_with_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        assert requests.get(f"{url}/health", timeout=10).status_code == 200
        parent.kill()
    assert refuses(url)


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill with SIGINT ends a Windows process outright")
def test_an_interrupt_from_the_terminal_does_not_end_it() -> None:
    with EmbeddedEngine.start(slots=1) as started:
        os.kill(started.pid, signal.SIGINT)
        assert requests.get(f"{started.url}/health", timeout=10).status_code == 200


def test_the_packaged_model_is_the_one_in_the_code() -> None:
    assert engine.sha256_of([MODEL_PATH]) == MODEL_SHA256
    assert MODEL_SHA256 in MODEL_PATH.with_name("MODEL.md").read_text(encoding="utf-8")


def test_another_model_file_is_refused_by_its_sha256(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    damaged = tmp_path / "story-seeds.gguf"
    whole = MODEL_PATH.read_bytes()
    damaged.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    monkeypatch.setattr(engine, "MODEL_PATH", damaged)
    with pytest.raises(EngineError, match=rf"story-seeds.gguf .*SHA-256 is [0-9a-f]{{64}}, not {MODEL_SHA256}"):
        EmbeddedEngine.start()


def test_a_missing_model_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engine, "MODEL_PATH", tmp_path / "gone.gguf")
    with pytest.raises(EngineError, match=r"gone.gguf cannot be read \(No such file"):
        EmbeddedEngine.start()


def test_a_file_that_is_no_model_is_refused_in_one_sentence(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.gguf"
    nonsense.write_bytes(b"this is not a model")
    with pytest.raises(EngineError, match=r"was not loaded: its file is damaged\. Download it again"):
        EmbeddedEngine.start(model_path=nonsense)


def test_a_child_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "START_SECONDS", 0.0)
    with pytest.raises(EngineError, match=r"was not loaded within 0 s\. Raise LOAD_TIMEOUT"):
        EmbeddedEngine.start()


def test_without_xllamacpp_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(EngineError, match=r"pip install 'plotbot\[embedded\]'"):
        EmbeddedEngine.start()


def test_importing_it_does_not_load_llama_cpp() -> None:
    code = "import sys, plotbot.ask.embedded; sys.exit('xllamacpp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
