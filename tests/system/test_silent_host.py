"""A server that accepts connections and says nothing: at the start, in the handshake, alone and beside another one."""

from __future__ import annotations

import contextlib
import importlib
import json
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from plotbot.mock import MockServer, Rule

pytest_plugins = ("pytester",)

StartMock = Callable[..., MockServer]
RunPytest = Callable[..., CompletedProcess[str]]


@pytest.fixture
def project(pytester: pytest.Pytester, make_project: Callable[[Path], Path]) -> Path:
    return make_project(pytester.path)


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server whose connections the kernel accepts, and which never reads them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def full() -> Iterator[str]:
    """The URL of a server that lets no connection in and refuses none, like a machine that is switched off."""
    with contextlib.ExitStack() as opened, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.settimeout(0.0)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def connect_within(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the connects of the session that comes. A session before it may have left an old module behind."""
    monkeypatch.setattr(importlib.import_module("plotbot.ask.transport.http"), "CONNECT_SECONDS", seconds)


def one_line(result: pytest.RunResult) -> str:
    return " ".join(f"{result.stdout.str()} {result.stderr.str()}".split())


@pytest.mark.parametrize("silent_first", [True, False])
@pytest.mark.usefixtures("project")
def test_it_is_set_aside_at_the_start_where_there_is_another(
    pytester: pytest.Pytester, start_mock: StartMock, silent: str, silent_first: bool
) -> None:
    urls = [silent, start_mock().url]
    listed = ",".join(urls if silent_first else urls[::-1])
    result = pytester.runpytest_inprocess("evals", f"--lm-studio-url={listed}", "--request-timeout=0.5")
    result.assert_outcomes(passed=10)
    assert result.ret == 0
    assert f"{silent.partition('://')[2]} is set aside until it answers: " in one_line(result)


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels refuse a connection that has no room")
@pytest.mark.parametrize("given", [(), ("--request-timeout=0.3",)], ids=["by the connect", "by the deadline"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.usefixtures("project")
def test_one_that_lets_no_connection_in_is_set_aside_too(
    pytester: pytest.Pytester, start_mock: StartMock, full: str, monkeypatch: pytest.MonkeyPatch,
    given: tuple[str, ...], scheme: str,
) -> None:  # fmt: skip
    connect_within(0.3, monkeypatch)
    url = full.replace("http", scheme)
    result = pytester.runpytest_inprocess("evals", f"--lm-studio-url={url},{start_mock().url}", *given)
    result.assert_outcomes(passed=10)
    assert result.ret == 0
    name = url.partition("://")[2]
    said = f"{name} is set aside until it answers: {url} accepted no connection within 0.3 seconds."
    assert said in one_line(result)


@pytest.mark.usefixtures("project")
def test_one_without_a_tls_handshake_is_set_aside_too(
    pytester: pytest.Pytester, start_mock: StartMock, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_within(0.3, monkeypatch)
    url = silent.replace("http", "https")
    result = pytester.runpytest_inprocess("evals", f"--lm-studio-url={start_mock().url},{url}")
    result.assert_outcomes(passed=10)
    assert result.ret == 0


@pytest.mark.usefixtures("project")
def test_it_is_asked_once_it_answers(pytester: pytest.Pytester, start_mock: StartMock) -> None:
    late = start_mock(rules=[Rule(route="GET /", nth=(1,), shape="hang")])
    other = start_mock(rules=[Rule(latency=0.3)])
    result = pytester.runpytest_inprocess(
        "evals", f"--lm-studio-url={late.url},{other.url}", "--request-timeout=2", "--test-sample-size=12"
    )
    result.assert_outcomes(passed=12)
    assert f"{late.url.partition('://')[2]} came and is asked, too." in one_line(result)


@pytest.mark.usefixtures("project")
def test_alone_it_refuses_the_run_in_words_about_the_server(pytester: pytest.Pytester, silent: str) -> None:
    result = pytester.runpytest_inprocess("evals", f"--lm-studio-url={silent}", "--request-timeout=0.3")
    said = one_line(result)
    assert result.ret == 4
    assert f"{silent} accepts connections, but gave no complete answer within 0.3 seconds" in said
    assert "MAX_TOKENS" not in said


@pytest.mark.usefixtures("project")
def test_a_handshake_without_an_answer_holds_up_no_other_host(
    pytester: pytest.Pytester, start_mock: StartMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plotbot.run.servers.GRACE_SECONDS", 0.1)
    deaf, other = start_mock(rules=[Rule(handshake=True, shape="hang")]), start_mock()
    result = pytester.runpytest_inprocess("evals", f"--lm-studio-url={deaf.url},{other.url}")
    result.assert_outcomes(passed=10)
    assert result.ret == 0


@pytest.mark.usefixtures("project")
def test_a_handshake_that_fails_on_one_host_sets_it_aside(pytester: pytest.Pytester, start_mock: StartMock) -> None:
    deaf, other = start_mock(rules=[Rule(handshake=True, status=500, body="<html>")]), start_mock()
    result = pytester.runpytest_inprocess("evals", f"--lm-studio-url={deaf.url},{other.url}")
    result.assert_outcomes(passed=10)
    assert f"{deaf.url.partition('://')[2]} is set aside" in one_line(result)


@pytest.mark.usefixtures("project")
def test_alone_its_handshake_is_told_about_the_server(pytester: pytest.Pytester, start_mock: StartMock) -> None:
    deaf = start_mock(rules=[Rule(handshake=True, shape="hang")])
    result = pytester.runpytest_inprocess(
        "evals", f"--lm-studio-url={deaf.url}", "--load-timeout=0.3", "--request-retry-limit=0"
    )
    said = one_line(result)
    assert result.ret == 4
    assert "accepted the handshake and gave no answer within 0.3 seconds" in said
    assert "LOAD_TIMEOUT" in said
    assert "MAX_TOKENS" not in said


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
@pytest.mark.parametrize("arguments", [("--max-in-flight=64",), ("--max-in-flight=64", "-n2")])
def test_too_few_open_files_are_told_before_anything_is_asked(
    project: Path, start_mock: StartMock, run_pytest: RunPytest, arguments: tuple[str, ...]
) -> None:
    (project / "conftest.py").write_text(
        (project / "conftest.py").read_text(encoding="utf-8")
        + "\nimport resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n",
        encoding="utf-8",
    )
    server = start_mock()
    result = run_pytest(project, "evals", f"--lm-studio-url={server.url}", *arguments)
    output = " ".join(f"{result.stdout} {result.stderr}".split())
    assert result.returncode == 4, output
    assert "may have 64 files and sockets open (ulimit -n), but 65 requests at once need about" in output
    assert "Traceback" not in output
    assert [request for request in server.requests if request.method == "POST"] == []


def test_a_configuration_that_came_with_a_repository_does_not_get_the_token(
    project: Path, run_pytest: RunPytest, start_mock: StartMock
) -> None:
    server = start_mock()
    (project / "config").mkdir(exist_ok=True)
    elsewhere = server.url.replace("127.0.0.1", "models.example")
    (project / "config" / "config.json").write_text(json.dumps({"LM_STUDIO_URL": elsewhere}), encoding="utf-8")
    result = run_pytest(project, "evals", LM_API_TOKEN="sk-lm-abcdefgh:01234567890123456789")
    output = " ".join(f"{result.stdout} {result.stderr}".split())
    assert result.returncode == 4, output
    assert "LM_API_TOKEN is not sent to" in output
    assert "LM_API_TOKEN_HOSTS=models.example" in output
    assert "sk-lm" not in output
