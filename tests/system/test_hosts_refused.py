"""Several hosts of which one will not do: one sentence that names it, status 4, and nothing is asked of any."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plotbot.commands import main
from plotbot.mock import MockServer, ModelSpec

pytest_plugins = ("pytester",)

StartMock = Callable[..., MockServer]
RunPytest = Callable[..., subprocess.CompletedProcess[str]]

MODEL = ModelSpec("qwen/qwen3-4b", context=16384)
NO_SERVER = "http://127.0.0.1:9"


def refused(status: int, output: str, says: Sequence[str]) -> None:
    """One line has it all, and what stands in that line is the only complaint."""
    assert status == 4, output
    assert len([line for line in output.splitlines() if all(part in line for part in says)]) == 1, output
    assert "Traceback" not in output


def asked(*servers: MockServer) -> int:
    return sum(request.method == "POST" for server in servers for request in server.requests)


@pytest.fixture
def project(pytester: pytest.Pytester, make_project: Callable[[Path], Path]) -> Path:
    return make_project(pytester.path)


@pytest.fixture
def pin(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[MockServer], None]:
    """`plotbot pin` of what a server serves."""

    def write(server: MockServer) -> None:
        monkeypatch.chdir(project)
        assert main(["pin", "--lm-studio-url", server.url]) == 0

    return write


@pytest.mark.parametrize(
    "spelt",
    [
        "http://127.0.0.1:{port}",
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}",
        "http://LOCALHOST:{port}/v1",
        "http://127.0.0.1:{port}//v1/chat/completions/",
        "http://[::1]:{port}/api/v0",
    ],
)
def test_a_host_listed_twice(
    pytester: pytest.Pytester, project: Path, start_mock: StartMock, spelt: str
) -> None:  # fmt: skip
    server = start_mock()
    again = spelt.format(port=server.port)
    result = pytester.runpytest_inprocess("evals", "--lm-studio-url", server.endpoint, "--lm-studio-url", again)
    says = ("LM_STUDIO_URL lists one server twice", server.endpoint, again)
    refused(int(result.ret), result.stdout.str() + result.stderr.str(), says)
    assert asked(server) == 0
    assert not (project / "data" / "runs").exists()


def test_the_same_text_twice_is_a_bad_setting(pytester: pytest.Pytester, project: Path, start_mock: StartMock) -> None:
    server = start_mock()
    result = pytester.runpytest_inprocess("evals", f"--lm-studio-url={server.url},{server.url}")
    refused(int(result.ret), result.stderr.str(), ("--lm-studio-url", "it is there twice"))


def test_two_paths_of_one_gateway_are_two_servers(
    pytester: pytest.Pytester, project: Path, start_mock: StartMock
) -> None:
    server = start_mock()
    paths = f"{server.url}/one,{server.url}/two"
    result = pytester.runpytest_inprocess("evals", "--lm-studio-url", paths)
    assert int(result.ret) == 4
    assert "lists one server twice" not in result.stderr.str()


OTHERS: list[tuple[str, ModelSpec | None, Sequence[str], Sequence[str]]] = [
    ("it is not there", None, (), ("Nothing answers at http://127.0.0.1:9 ", "lms server start")),
    ("it has another model", ModelSpec("llama-3"), (), ("{url} has no model qwen/qwen3-4b", "It has llama-3")),
    ("named, it has another", ModelSpec("llama-3"), ("--model=qwen/qwen3-4b",), ("{url} has no model qwen/qwen3-4b",)),
    ("too small a context", replace(MODEL, context=120), (), ("context of 120 tokens", "the shortest prompt alone")),
]


@pytest.mark.parametrize(("name", "other", "given", "says"), OTHERS, ids=[row[0] for row in OTHERS])
@pytest.mark.parametrize("first", [True, False], ids=["after a good one", "before a good one"])
def test_one_of_two_hosts_will_not_do(
    pytester: pytest.Pytester, project: Path, start_mock: StartMock, name: str, other: ModelSpec | None,
    given: Sequence[str], says: Sequence[str], first: bool,
) -> None:  # fmt: skip
    good = start_mock(models=(MODEL,))
    bad = None if other is None else start_mock(models=(other,))
    urls = [good.url, NO_SERVER if bad is None else bad.url]
    named = given if first else ("--model=qwen/qwen3-4b",)
    result = pytester.runpytest_inprocess(
        "evals", "--lm-studio-url", ",".join(urls if first else reversed(urls)), *named
    )
    output = result.stdout.str() + result.stderr.str()
    refused(int(result.ret), output, [part.format(url=urls[1]) for part in says])
    assert asked(good, *([] if bad is None else [bad])) == 0
    assert not (project / "data" / "runs").exists()


def test_a_first_host_with_no_model_loaded_leaves_the_choice_to_the_user(
    pytester: pytest.Pytester, project: Path, start_mock: StartMock
) -> None:
    empty, good = start_mock(models=(replace(MODEL, loaded=False), ModelSpec("b", loaded=False))), start_mock()
    result = pytester.runpytest_inprocess("evals", "--lm-studio-url", f"{empty.url},{good.url}")
    refused(int(result.ret), result.stderr.str(), (f"{empty.url} has no model loaded", "--model"))
    assert asked(empty, good) == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quantization": "Q8_0"}, "quantization: pinned Q4_K_M, served Q8_0"),
        ({"context": 8192}, "context_length: pinned 16384, served 8192"),
        ({"loaded": False}, "It is not loaded: load it first"),
    ],
)
def test_pinned_wants_the_same_of_every_host(
    project: Path, run_pytest: RunPytest, start_mock: StartMock, pin: Callable[[MockServer], None],
    changes: dict[str, Any], said: str,
) -> None:  # fmt: skip
    good, other = start_mock(models=(MODEL,)), start_mock(models=(replace(MODEL, **changes),))
    pin(good)
    result = run_pytest(project, "evals", "--pinned", "--lm-studio-url", f"{good.url},{other.url}")
    refused(result.returncode, result.stderr, (f"qwen/qwen3-4b at {other.url} is not what", said))
    assert asked(good, other) == 0


def test_under_xdist_it_is_one_sentence_too(project: Path, run_pytest: RunPytest, start_mock: StartMock) -> None:
    good = start_mock(models=(MODEL,))
    result = run_pytest(project, "evals", "-n", "2", "--lm-studio-url", f"{good.url},{NO_SERVER}")
    refused(result.returncode, result.stdout + result.stderr, ("Nothing answers at http://127.0.0.1:9 ",))
    assert asked(good) == 0
