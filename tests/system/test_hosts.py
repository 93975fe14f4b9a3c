"""Several hosts in one run, each a `plotbot mock` process: all are kept busy, and killing them loses no case."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from plotbot.keep.filesystem import Disk
from plotbot.keep.journal_reading import read_journal
from plotbot.keep.run_folder import last_run
from plotbot.keep.run_reading import read_run
from plotbot.records import Exchange

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 60.0
MODEL = "mock-model"


class Mock:
    """A stand-in server in a process of its own."""

    def __init__(self, folder: Path, *options: str, port: int = 0, rules: list[dict[str, Any]] | None = None) -> None:
        scenario = Path(tempfile.mkdtemp(dir=folder)) / "scenario.json"
        scenario.write_text(json.dumps({"rules": rules or []}), encoding="utf-8")
        command = [sys.executable, "-m", "plotbot", "mock", "--port", str(port), "--scenario", str(scenario), *options]
        self.process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)

    @cached_property
    def url(self) -> str:
        """Read when it is wanted: servers start side by side."""
        assert self.process.stdout is not None
        url: str = json.loads(self.process.stdout.readline())["url"]
        return url

    @property
    def name(self) -> str:
        return self.url.partition("://")[2]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/mock/stats", timeout=PATIENCE) as answer:
            figures: dict[str, Any] = json.load(answer)
        return figures

    def model(self, name: str = MODEL) -> dict[str, Any]:
        figures: dict[str, Any] = self.stats()["models"][name]
        return figures

    def send(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()


class Evals:
    """`pytest evals` under way in a project."""

    def __init__(self, project: Path, urls: list[str], *arguments: str) -> None:
        self.project = project
        command = [sys.executable, "-m", "pytest", "evals", "--sample-seed=1", "--test-sample-size=0", *arguments]
        environ = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PLOTBOT_LM_STUDIO_URL": ",".join(urls)}
        with (project / "output.txt").open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=project, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    @property
    def output(self) -> str:
        """What it printed, on one line: sentences are wrapped."""
        return " ".join((self.project / "output.txt").read_text("utf-8").split())

    def end(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(PATIENCE)


StartMock = Callable[..., Mock]
StartEvals = Callable[..., Evals]


@pytest.fixture
def ending() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def mock(tmp_path: Path, ending: ExitStack) -> StartMock:
    def start(*options: str, latency: float = 0.1, slots: int = 2, **more: Any) -> Mock:
        server = Mock(tmp_path, "--latency", str(latency), "--parallel", str(slots), *options, **more)
        ending.callback(server.end)
        return server

    return start


@pytest.fixture
def evals(tmp_path: Path, make_project: Callable[[Path], Path], ending: ExitStack) -> StartEvals:
    """Start a run of so many titles on some servers."""
    make_project(tmp_path)

    def start(servers: list[Mock], titles: int, *arguments: str) -> Evals:
        index = {f"t{number:03}": f"Headline {number:03}: a goose is elected" for number in range(titles)}
        (tmp_path / "data" / "titles_index.json").write_text(json.dumps(index), encoding="utf-8")
        run = Evals(tmp_path, [server.url for server in servers], *arguments)
        ending.callback(run.end)
        return run

    return start


def wait_until(true: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < give_up, f"waited {PATIENCE:g} s for {what}"
        time.sleep(0.02)


def exchanges(project: Path) -> list[Exchange]:
    """Every exchange of the newest run, as its journal has them, in order."""
    folder = last_run(project / "data" / "runs")
    assert folder is not None
    return [
        Exchange.from_json(line.data) for line in read_journal(folder.journal).lines if line.kind == "exchange"
    ]  # fmt: skip


def kept_once(project: Path, cases: int) -> None:
    """Every case has one reply on record and its title file, and the run passed all of them."""
    replies = Counter(exchange.case for exchange in exchanges(project) if exchange.reply is not None)
    assert len(replies) == cases
    assert set(replies.values()) == {1}
    assert len(list((project / "data" / "generated_data").glob("*.json"))) == cases
    folder = last_run(project / "data" / "runs")
    assert folder is not None
    results = read_run(folder, Disk()).results
    assert Counter(result.outcome for result in results.values()) == {"passed": cases}


def tried_at(exchange: Exchange) -> list[str]:
    return [attempt.host for attempt in exchange.attempts]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_four_hosts_with_four_slots_share_the_cases(
    mock: StartMock, evals: StartEvals, tmp_path: Path, workers: str
) -> None:
    servers = [mock(slots=4) for _ in range(4)]
    run = evals(servers, 96, "-n", workers)
    assert run.wait() == 0, run.output
    kept_once(tmp_path, 96)
    asked = Counter(host for exchange in exchanges(tmp_path) for host in tried_at(exchange))
    assert sorted(asked) == sorted(server.name for server in servers)
    assert sum(asked.values()) == 96
    assert min(asked.values()) >= 16
    figures = [server.model() for server in servers]
    assert {figure["handshakes"] for figure in figures} == {1}
    # So quick an answer has the next request wait in the server's own queue.
    assert max(figure["peak_in_flight"] for figure in figures) <= 4 + 1


def test_no_host_is_queued_on_while_its_answers_take_long(mock: StartMock, evals: StartEvals) -> None:
    servers = [mock(latency=0.4), mock(latency=0.4, slots=3)]
    assert evals(servers, 20).wait() == 0
    assert [server.model()["peak_in_flight"] for server in servers] == [2, 3]


def test_a_host_that_is_killed_and_comes_back_loses_no_case(mock: StartMock, evals: StartEvals, tmp_path: Path) -> None:
    lasting, killed = mock(latency=0.05), mock(latency=0.5)
    run = evals([lasting, killed], 120, "-n", "2")
    wait_until(lambda: killed.model()["replies"] >= 2 and killed.model()["in_flight"] == 2, "replies of both")
    killed.end()
    before = lasting.model()["requests"]
    wait_until(lambda: lasting.model()["requests"] >= before + 5, "the other host's going on")
    # What is in flight there waits, so that the run cannot be over before the killed one is back.
    lasting.send(signal.SIGSTOP)
    back = mock(latency=0.05, port=killed.port)
    wait_until(lambda: back.model()["replies"] >= 4, "cases for the host that came back")
    lasting.send(signal.SIGCONT)
    assert run.wait() == 0, run.output
    assert back.model()["handshakes"] == 1, "it may serve another model now: it gets another handshake"
    kept_once(tmp_path, 120)
    moved = [exchange for exchange in exchanges(tmp_path) if len(exchange.attempts) > 1]
    assert 2 <= len(moved) <= 3
    for exchange in moved:
        first, *_, last = exchange.attempts
        assert (first.host, last.host) == (killed.name, lasting.name)
        assert first.fault is not None
        assert first.fault.category == "unreachable"
    # Either the requests that were in flight, or the first one after them.
    reason = f"(Nothing answers at {killed.url} \\(|{killed.url} broke the connection off)"
    aside = rf"{killed.name} is set aside, its cases are asked elsewhere: {reason}"
    assert len(re.findall(aside, run.output)) == 1, run.output
    assert run.output.count(f"{killed.name} answers again.") == 1
    assert "Is the server running?" not in run.output, "whose run is under way knows how to start one"


def test_a_host_that_hangs_is_set_aside_after_request_timeout(
    mock: StartMock, evals: StartEvals, tmp_path: Path
) -> None:
    lasting, hanging = mock(latency=0.05), mock(latency=0.3)
    run = evals([lasting, hanging], 60, "--request-timeout=1")
    wait_until(lambda: hanging.model()["in_flight"] == 2 and hanging.model()["replies"] >= 2, "both slots in use")
    hanging.send(signal.SIGSTOP)
    assert run.wait() == 0, run.output
    kept_once(tmp_path, 60)
    moved = [exchange for exchange in exchanges(tmp_path) if len(exchange.attempts) > 1]
    assert {tuple(tried_at(exchange)) for exchange in moved} == {(hanging.name, lasting.name)}
    assert {exchange.attempts[0].fault and exchange.attempts[0].fault.category for exchange in moved} == {"timeout"}
    assert f"{hanging.name} is set aside" in run.output


def test_a_host_that_answers_only_get_costs_its_cases_one_try_each(
    mock: StartMock, evals: StartEvals, tmp_path: Path
) -> None:
    lasting, hanging = mock(latency=0.1), mock(rules=[{"latency": 90}])
    run = evals([lasting, hanging], 24, "--request-timeout=1")
    assert run.wait() == 0, run.output
    kept_once(tmp_path, 24)
    tried = Counter(tuple(tried_at(exchange)) for exchange in exchanges(tmp_path))
    assert set(tried) == {(lasting.name,), (hanging.name, lasting.name)}


@pytest.mark.parametrize(("slower", "titles"), [(3, 84), (10, 30)])
def test_a_slower_host_gets_less_and_no_case_waits_for_it_longer_than_for_one_answer(
    mock: StartMock, evals: StartEvals, tmp_path: Path, slower: int, titles: int
) -> None:
    slow, *fast = (mock(latency=seconds) for seconds in (0.1 * slower, 0.1, 0.1))
    run = evals([slow, *fast], titles)
    assert run.wait() == 0, run.output
    kept_once(tmp_path, titles)
    attempts = [attempt for exchange in exchanges(tmp_path) for attempt in exchange.attempts]
    asked = Counter(attempt.host for attempt in attempts)
    quick = min(asked[server.name] for server in fast)
    assert asked[slow.name] <= 0.5 * quick
    assert slower > 3 or asked[slow.name] >= 0.25 * quick
    began = {a: datetime.fromisoformat(a.at).timestamp() for a in attempts}
    # Once the others have nothing left to do, no case waits for a slot there: each that is left has got one.
    others_end = max(began[a] + a.seconds for a in attempts if a.host != slow.name)
    assert max(began[a] for a in attempts if a.host == slow.name) <= others_end


@pytest.mark.parametrize(("hosts", "workers"), [(1, "0"), (2, "2")])
def test_when_all_hosts_are_killed_the_run_is_incomplete_and_resumes_elsewhere(
    mock: StartMock, evals: StartEvals, tmp_path: Path, hosts: int, workers: str
) -> None:
    servers = [mock() for _ in range(hosts)]
    run = evals(servers, 40, "-n", workers, "--request-retry-limit=0")
    wait_until(lambda: all(server.model()["replies"] >= 6 for server in servers), "some replies")
    for server in servers:
        server.end()
    assert run.wait() == 10, run.output
    assert "No host answers any more. Nothing answers at" in run.output
    assert "--resume goes on where this run ends." in run.output
    answered = {exchange.case for exchange in exchanges(tmp_path) if exchange.reply is not None}
    tried = {exchange.case for exchange in exchanges(tmp_path) if exchange.reply is None}
    assert len(answered) >= 6 * hosts
    assert len(tried) <= 3 * hosts
    folder = last_run(tmp_path / "data" / "runs")
    assert folder is not None
    total = json.loads(folder.summary.read_bytes())["total"]
    assert total["planned"] == 40 == sum(total[box] for box in ("passed", "failed", "error", "skipped", "not_run"))
    assert total["passed"] <= len(answered) < 40
    assert total["not_run"] >= 40 - len(answered) - len(tried) - hosts
    again = evals([mock() for _ in range(hosts)], 40, "--resume", "-n", workers)
    assert again.wait() == 0, again.output
    kept_once(tmp_path, 40)


def test_two_models_are_never_in_flight_on_one_host(mock: StartMock, evals: StartEvals, tmp_path: Path) -> None:
    given = ("--model", "one", "--model", "two")
    servers = [mock(*given, latency=0.05), mock(*given, latency=0.12)]
    run = evals(servers, 20, "--model=one,two")
    assert run.wait() == 0, run.output
    assert [server.stats()["peak_models_in_flight"] for server in servers] == [1, 1]
    asked = [server.model(name)["requests"] for server in servers for name in ("one", "two")]
    assert sum(asked) == 40
    assert min(asked) >= 2
    assert len(exchanges(tmp_path)) == 40


@pytest.mark.parametrize(
    ("rule", "category"),
    [
        ({"model": "two", "handshake": None, "fault": "F16"}, None),
        ({"model": "two", "fault": "F13"}, "model_unavailable"),
        ({"model": "two", "nth": [3], "fault": "F18"}, "model_unloaded"),
    ],
)  # fmt: skip
def test_a_host_that_has_a_model_no_more_leaves_its_cases_to_the_others(
    mock: StartMock, evals: StartEvals, tmp_path: Path, rule: dict[str, Any], category: str | None
) -> None:
    given = ("--model", "one", "--model", "two")
    good, bad = mock(*given, latency=0.05), mock(*given, latency=0.05, rules=[rule])
    run = evals([good, bad], 20, "--model=one,two", "--request-retry-limit=0")
    assert run.wait() == 0, run.output
    replies = Counter(exchange.case for exchange in exchanges(tmp_path) if exchange.reply is not None)
    assert set(replies.values()) == {1}
    assert len(replies) == 40
    faults = {
        attempt.fault.category
        for exchange in exchanges(tmp_path)
        for attempt in exchange.attempts
        if attempt.fault is not None
    }
    assert faults == ({category} if category else set())
    assert f"{bad.name} is set aside, its cases are asked elsewhere: " in run.output
