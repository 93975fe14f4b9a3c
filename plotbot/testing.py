r"""A test kit for evals: a stand-in server with scripted replies, and projects to run evals in, without a model.

pytest_plugins = ["plotbot.testing"]    # in the conftest.py of the tests, for the fixtures

def test_my_eval_refuses_a_fence(plotbot_mock, tmp_path):
    server = plotbot_mock(scripted({"goose": "```json\n[]\n```"}))
    done = run_evals(make_project(tmp_path, titles=["A goose is elected"]), server)
    assert done.returncode == 1
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from plotbot.commands.init import starter_file
from plotbot.mock import Latency, MockServer, ModelSpec, Rule, Scenario

__all__ = [
    "Latency",
    "MockServer",
    "ModelSpec",
    "Rule",
    "Scenario",
    "StartMock",
    "make_project",
    "plotbot_mock",
    "run_evals",
    "scripted",
]

_PROJECT_FILES = (
    "conftest.py",
    "pytest.ini",
    "evals/test_story_seeds.py",
    "data/prompt.txt",
    "data/story_seed.schema.json",
)
_TITLES = "data/titles_index.json"


class StartMock(Protocol):
    """What the fixture `plotbot_mock` is: called with a scenario it starts a server, which ends with the test."""

    def __call__(self, scenario: Scenario = ..., /) -> MockServer: ...


@pytest.fixture
def plotbot_mock() -> Iterator[StartMock]:
    """Start a stand-in server for a `Scenario`, on a free port of this machine; it ends with the test.

    Its `url` is what LM_STUDIO_URL takes, and `stats()` counts what it was asked.
    """

    def start(scenario: Scenario = Scenario(), /) -> MockServer:  # noqa: B008  it is frozen
        return servers.enter_context(MockServer(scenario))

    with contextlib.ExitStack() as servers:
        yield start


def scripted(replies: Mapping[str, str], *, model: str = "mock-model") -> Scenario:
    """A scenario whose model answers a headline that contains a key with that key's text, letter for letter.

    The first key that is found counts. A headline with none of them gets a valid story seed.
    """
    rules = tuple(Rule(headline=re.escape(part), reply=reply) for part, reply in replies.items())
    return Scenario(models=(ModelSpec(model),), rules=rules)


def make_project(
    folder: Path, *, titles: Sequence[str] | Mapping[str, str] | None = None, evals: Mapping[str, str] | None = None
) -> Path:
    """Turn *folder* into a project and return it. Raises `InputError` where this installation lacks a file.

    *titles* are headlines, with ids of one's own where they are a mapping; without them it is the index that `plotbot
    init` writes. *evals* are file names with their text, in place of the story seeds' eval: `{"test_own.py": "…"}`.
    """
    for name in _PROJECT_FILES if titles is not None else (*_PROJECT_FILES, _TITLES):
        if evals is None or not name.startswith("evals/"):
            _write(folder / name, starter_file(name))
    for name, text in (evals or {}).items():
        _write(folder / "evals" / name, text.encode())
    if titles is not None:
        named = titles if isinstance(titles, Mapping) else {f"t{n:02}": title for n, title in enumerate(titles, 1)}
        index = {title_id: {"title": title} for title_id, title in named.items()}
        _write(folder / _TITLES, json.dumps(index).encode())
    return folder


def run_evals(
    folder: Path, server: MockServer, *arguments: str, seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run `pytest evals` in a process of its own, in a project's folder, against *server*.

    Settings of the environment do not reach it. Raises `subprocess.TimeoutExpired` after *seconds*.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PLOTBOT_", "LM_API_"))}
    # This plotbot, installed or not.
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), environ.get("PYTHONPATH")]))
    return subprocess.run(  # noqa: S603  the interpreter that runs this
        [sys.executable, "-m", "pytest", "evals", "--lm-studio-url", server.url, *arguments],
        cwd=folder,
        env={**environ, "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=seconds,
        check=False,
    )


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
