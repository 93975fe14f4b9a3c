from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from jsonschema import Draft202012Validator

from plotbot.ask.servers.handshake import handshake_messages
from plotbot.ask.transport.prompts import messages
from plotbot.mock import MockServer, ModelSpec, Rule, Scenario

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "data" / "story_seed.schema.json").read_text("utf-8"))
PROMPT = (ROOT / "data" / "prompt.txt").read_text("utf-8")
TITLE = 'Fog "Cancels" {Fog} Festival'


@contextmanager
def command(*words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    argv = [sys.executable, "-m", "plotbot", "mock", "--port", "0", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def asked(url: str, body: dict[str, Any]) -> Any:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to send to another process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_says_its_url_first_and_its_figures_last(number: signal.Signals) -> None:
    with command("--model", "a", "--fault", "F05") as (process, first):
        assert (first["models"], first["pid"]) == (["a"], process.pid)
        body = asked(first["url"], {"model": "a", "messages": messages(PROMPT, TITLE, SCHEMA)})
        assert body["choices"][0]["message"]["content"].startswith("```json")
        process.send_signal(number)
        out, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    figures = json.loads(out)
    assert (figures["models"]["a"]["replies"], figures["faults"]) == (1, {"F05": 1})


def test_a_taken_port_and_a_bad_scenario_are_one_sentence_and_status_4(tmp_path: Path) -> None:
    path = tmp_path / "scenario.json"
    path.write_text('{"rules": [{"fault": "F99"}]}', "utf-8")
    with MockServer() as server:
        for words, says in [
            (["--port", str(server.port)], f"plotbot: cannot listen on 127.0.0.1:{server.port}: "),
            (["--port", "0", "--scenario", str(path)], f"plotbot: {path}: $.rules[0].fault: 'F99' is none of"),
        ]:
            argv = [sys.executable, "-m", "plotbot", "mock", *words]
            done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, timeout=30, check=False)
            assert (done.returncode, done.stdout) == (4, "")
            assert done.stderr.startswith(says)
            assert done.stderr.count("\n") == 1


@pytest.fixture
def client() -> Iterator[tuple[openai.OpenAI, MockServer]]:
    rules = (Rule(headline="^Broken", fault="F20.engine"), Rule(headline="^Nobody", fault="F14.404"))
    scenario = Scenario(models=(ModelSpec("qwen/qwen3-4b"),), rules=rules, token="sk-lm-test")
    with (
        MockServer(scenario) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="sk-lm-test", max_retries=0) as openai_client,
    ):
        yield openai_client, server


def chat(client: openai.OpenAI, title: str, **more: Any) -> Any:
    conversation: Any = messages(PROMPT, title, SCHEMA)
    return client.chat.completions.create(model="qwen/qwen3-4b", messages=conversation, **more)


def test_the_openai_client_can_talk_to_it(client: tuple[openai.OpenAI, MockServer]) -> None:
    openai_client, server = client
    assert [model.id for model in openai_client.models.list()] == ["qwen/qwen3-4b"]
    shape = {"type": "json_schema", "json_schema": {"name": "seeds", "strict": True, "schema": SCHEMA}}
    for more in ({}, {"response_format": shape}):
        completion = chat(openai_client, TITLE, seed=1, max_tokens=800, **more)
        seeds = json.loads(completion.choices[0].message.content)
        Draft202012Validator(SCHEMA).validate(seeds)
        assert seeds[0]["title"] == TITLE
        assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    assert server.stats().models["qwen/qwen3-4b"].replies == 2


def test_the_openai_client_understands_its_errors(client: tuple[openai.OpenAI, MockServer]) -> None:
    openai_client, server = client
    with pytest.raises(openai.BadRequestError, match="exceeds the available context size"):
        chat(openai_client, "Broken Window Sings")
    with pytest.raises(openai.NotFoundError, match="not found"):
        chat(openai_client, "Nobody Answers")
    with (
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="sk-lm-wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError, match="Malformed LM Studio API token"),
    ):
        chat(stranger, TITLE)


def test_plotbots_own_handshake_is_confirmed() -> None:
    with MockServer() as server:
        body = asked(server.url, {"model": "mock-model", "messages": handshake_messages()})
        assert body["choices"][0]["message"]["content"] == "CONFIRM"
        assert server.stats().models["mock-model"].handshakes == 1
