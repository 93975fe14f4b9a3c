"""The opening handshake: once a model, and what happens where a model does not say CONFIRM."""

from __future__ import annotations

import asyncio
import builtins
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from plotbot.mock import MockServer, ModelSpec, Rule
from plotbot.mock.slots import Slots

pytest_plugins = ("pytester",)

Evals = Callable[..., pytest.RunResult]
StartMock = Callable[..., MockServer]

NO_CONFIRM = (Rule(handshake=True, reply="Hello! How can I help?\x1b[31m"),)
WARNING = "plotbot: mock-model did not answer the handshake with CONFIRM, but with 'Hello! How can I help?*"


class Terminal:
    """Stands for a terminal at which a person sits."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "__stdin__", None)


@pytest.mark.usefixtures("no_terminal")
@pytest.mark.parametrize("confirm", ["ask", "continue"])
def test_without_a_terminal_it_warns_and_goes_on(evals: Evals, start_mock: StartMock, confirm: str) -> None:
    server = start_mock(rules=NO_CONFIRM)
    result = evals(server, f"--confirm={confirm}")
    assert result.ret == 0
    result.stdout.fnmatch_lines([WARNING])
    assert server.stats().models["mock-model"].handshakes == 1


@pytest.mark.usefixtures("no_terminal")
@pytest.mark.parametrize(
    ("said", "ready"),
    [
        ("**Confirmed.** Ask away!", True),
        ("__CONFIRM__", True),
        ("<think>They want CONFIRM.</think>\nCONFIRM", True),
        ("<think>They want CONFIRM.</think>\n[]", False),
        ("They want CONFIRM.</think>\n[]", False),
        ('You said: "Reply CONFIRM when you are ready." What is it about?', False),
        ("Unconfirmed", False),
    ],
)
def test_it_is_the_models_own_word_that_counts(evals: Evals, start_mock: StartMock, said: str, ready: bool) -> None:
    result = evals(start_mock(rules=(Rule(handshake=True, reply=said),)))
    assert result.ret == 0
    assert ("did not answer the handshake with CONFIRM" in result.stdout.str()) != ready


def test_require_stops_before_any_case_with_4(evals: Evals, start_mock: StartMock, project: Path) -> None:
    server = start_mock(rules=NO_CONFIRM)
    result = evals(server, "--confirm=require")
    assert result.ret == 4
    assert "--confirm continue" in result.stderr.str()
    assert "\x1b[31m" not in result.stderr.str()
    assert server.stats().models["mock-model"].requests == 0
    assert not (project / "data" / "runs").exists()


def test_skip_sends_no_handshake(evals: Evals, start_mock: StartMock) -> None:
    server = start_mock(rules=NO_CONFIRM)
    result = evals(server, "--confirm=skip")
    assert result.ret == 0
    assert server.stats().models["mock-model"].handshakes == 0
    assert "CONFIRM" not in result.stdout.str()


@pytest.mark.parametrize(("answer", "status", "asked"), [("", 0, 4), ("yes", 0, 4), ("n", 4, 0)])
def test_a_person_is_asked_whether_to_go_on(
    evals: Evals, start_mock: StartMock, monkeypatch: pytest.MonkeyPatch, answer: str, status: int, asked: int
) -> None:
    questions: list[str] = []
    monkeypatch.setattr(sys, "__stdin__", Terminal())

    def give_answer(question: str) -> str:
        questions.append(question)
        return answer

    monkeypatch.setattr(builtins, "input", give_answer)
    server = start_mock(rules=NO_CONFIRM)
    result = evals(server)
    assert result.ret == status
    assert [question.endswith("Go on? [Y/n] ") for question in questions] == [True]
    assert server.stats().models["mock-model"].requests == asked


@pytest.mark.usefixtures("no_terminal")
def test_two_models_are_handshaken_in_turn_and_never_asked_at_once(evals: Evals, start_mock: StartMock) -> None:
    server = start_mock(models=(ModelSpec("a/one"), ModelSpec("b/two")))
    result = evals(server, "--model=a/one,b/two", "--repeats=2", "--max-in-flight=3")
    assert result.ret == 0
    stats = server.stats()
    assert stats.peak_models_in_flight == 1
    assert [(model.handshakes, model.requests) for model in stats.models.values()] == [(1, 8), (1, 8)]
    order = [request.json()["model"] for request in server.requests if request.method == "POST"]
    assert order == sorted(order)


def test_evals_of_several_files_are_walked_model_by_model(
    evals: Evals, start_mock: StartMock, project: Path, write_eval: Callable[[str], None]
) -> None:
    write_eval(
        "import pytest\n\ndef test_default(reply):\n    assert reply\n\n"
        "@pytest.mark.eval(prompt='data/other.txt')\ndef test_other(reply):\n    assert reply\n"
    )
    (project / "data" / "other.txt").write_text("Be brief.", encoding="utf-8")
    result = evals(start_mock(models=(ModelSpec("a"), ModelSpec("b"))), "--model=b,a", "-v", "--test-sample-size=2")
    assert result.ret == 0
    walked = [line.partition("[")[2][0] for line in result.outlines if "PASSED" in line]
    assert walked == ["b"] * 4 + ["a"] * 4


def test_a_first_model_that_does_not_load_ends_the_run_before_it_begins(evals: Evals, start_mock: StartMock) -> None:
    server = start_mock(models=(ModelSpec("one", loaded=False, load_error="no memory left"),))
    result = evals(server, "--model=one")
    assert result.ret == 4
    assert "no memory left" in result.stderr.str()


def test_a_second_model_that_does_not_load_fails_its_own_cases_alone(evals: Evals, start_mock: StartMock) -> None:
    server = start_mock(models=(ModelSpec("one"), ModelSpec("two", loaded=False, load_error="no memory left")))
    result = evals(server, "--model=one,two", "--request-retry-limit=0")
    assert result.ret == 10
    result.assert_outcomes(passed=4, errors=4)
    assert "no memory left" in result.stdout.str()


@pytest.fixture
def asked_before(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many cases had been asked when each handshake was answered: it waits for one, for as long as its latency."""
    seen: list[int] = []
    hold = Slots.hold

    async def wait_for_a_case(slots: Slots, seconds: float | None, tokens: int, *, counted: bool) -> None:
        if not counted:
            for _ in range(int((seconds or 0) * 100)):
                if slots._stats.requests:
                    break
                await asyncio.sleep(0.01)
            seen.append(slots._stats.requests)
            seconds = 0
        await hold(slots, seconds, tokens, counted=counted)

    monkeypatch.setattr(Slots, "hold", wait_for_a_case)
    return seen


@pytest.mark.usefixtures("no_terminal")
def test_the_first_cases_are_asked_while_a_loaded_model_is_greeted(
    evals: Evals, start_mock: StartMock, project: Path, asked_before: list[int]
) -> None:
    def ask(*arguments: str, wait: float = 0.5, **greeting: object) -> tuple[int, int, int]:
        server = start_mock(rules=(Rule(handshake=True, latency=wait, **greeting),))  # type: ignore[arg-type]
        result = evals(server, "--test-sample-size=1", *arguments)
        return int(result.ret), server.stats().models["mock-model"].requests, asked_before[-1]

    assert ask(wait=30) == (0, 1, 1)
    assert ask("--max-in-flight=1") == (0, 1, 0)
    assert ask("--confirm=require") == (0, 1, 0), "its answer may end the run"
    runs = len(list((project / "data" / "runs").iterdir()))
    assert ask(wait=30, status=400, body='{"error": "refused"}')[0] == 4
    assert len(list((project / "data" / "runs").iterdir())) == runs, "the exchange is held back"
