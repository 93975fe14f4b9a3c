"""A run on Dask: a scheduler and worker processes on this machine, each worker with a server of its own."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.commands import main
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import last_run
from plotbot.keep.run_reading import read_run
from plotbot.mock import MockServer, ModelSpec, Rule
from plotbot.records import Exchange

pytest.importorskip("distributed", reason="the extra dask is not installed")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

SLOTS = 4
TITLES = 12

Wait = Callable[[Callable[[], bool], str], None]
Servers = Callable[..., list[MockServer]]


def replies(project: Path) -> list[Exchange]:
    """The last run's exchanges that have a reply; fails where a case has two."""
    folder = last_run(project / "data" / "runs")
    assert folder is not None
    lines = [json.loads(line) for line in (folder.path / "journal.jsonl").read_bytes().splitlines()]
    kept = Counter(line["data"]["case"] for line in lines if line["kind"] == "exchange" and line["data"]["reply"])
    assert [case for case, times in kept.items() if times > 1] == [], "kept twice"
    run = read_run(folder, Disk())
    found = [run.exchange(case) for case in kept]
    return [exchange for exchange in found if exchange is not None]


def requests(server: MockServer) -> int:
    return server.stats().models["mock-model"].requests


def peak(server: MockServer) -> int:
    return server.stats().models["mock-model"].peak_in_flight


class Three:
    """Three workers of a scheduler of their own, each with a server of its own."""

    def __init__(self, cluster: Any, servers: list[MockServer]) -> None:
        self.cluster, self.servers = cluster, servers
        self.workers = [cluster.worker(server.url) for server in servers]
        cluster.joined(len(servers))


@pytest.fixture(scope="module")
def three(new_cluster: Callable[[], Any], servers: Servers) -> Three:
    return Three(new_cluster(), servers(3))


def test_three_workers_ask_their_own_servers_and_every_case_is_kept_once(
    three: Three, project: Path, evals: Any
) -> None:
    run = evals(three.cluster.executor, "--repeats=10", "-n2", LM_API_TOKEN="tok-main-1")
    assert run.wait() == 0, run.output
    kept = replies(project)
    assert len(kept) == 10 * TITLES
    assert {len(exchange.attempts) for exchange in kept} == {1}
    assert {exchange.attempts[0].host for exchange in kept} == {
        server.url.partition("://")[2] for server in three.servers
    }
    assert [peak(server) for server in three.servers] == [SLOTS] * 3
    greetings = [server.stats().models["mock-model"].handshakes for server in three.servers]
    assert greetings == [1, 1, 1]
    assert "planned 120 = 120 passed" in run.output
    assert "distributed" not in run.output, "Dask's log tears the terminal"
    sent = [request.headers for server in three.servers for request in server.requests]
    assert not any("tok-main-1" in str(headers) for headers in sent), "each worker has a token of its own"


def test_a_worker_that_is_killed_loses_no_case_and_comes_back_as_a_new_one(
    three: Three, project: Path, evals: Any, wait_until: Wait
) -> None:
    before = requests(three.servers[0])
    run = evals(three.cluster.executor, "--repeats=80")
    wait_until(lambda: requests(three.servers[0]) > before + 20, "requests")
    os.kill(three.workers[0].pid, signal.SIGKILL)
    three.workers[0] = three.cluster.worker(three.servers[0].url)
    assert run.wait() == 0, run.output
    kept = replies(project)
    assert len(kept) == 80 * TITLES
    lost = [exchange for exchange in kept if len(exchange.attempts) > 1]
    assert 1 <= len(lost) <= 2 * SLOTS, "what was out, and what waited in the worker"
    name = three.servers[0].url.partition("://")[2]
    for exchange in lost:
        first, last = exchange.attempts
        assert first.fault is not None
        assert (first.fault.category, first.host) == ("unreachable", name)
        assert last.fault is None
    assert f"{name} is set aside, its cases are asked elsewhere: Dask worker tcp://127.0.0.1:" in run.output
    three.cluster.joined(4)
    assert f"{name} came and is asked, too." in run.output
    assert max(peak(server) for server in three.servers) == SLOTS


def test_a_sequential_gate_is_decided_on_dask_as_it_is_in_one_process(three: Three, project: Path, evals: Any) -> None:
    run = evals(three.cluster.executor, "--gate=sequential", "--min-pass-rate=0.5", "--gate-every=4", "-n2")
    assert run.wait() == 0, run.output
    assert "gate: PASS after 8 of 12 titles" in run.output
    assert "planned 12 = 8 passed + 0 failed + 0 error + 0 skipped + 0 not run + 4 not needed" in run.output
    assert len(replies(project)) >= 8


def test_a_variant_that_is_worse_is_stopped_on_dask_too(
    cluster: Any, at_work: Callable[..., None], start_mock: Callable[..., MockServer], project: Path, evals: Any
) -> None:
    later = tuple(range(TITLES + 1, 2 * TITLES + 1))
    model = ModelSpec("mock-model", parallel=SLOTS)
    server = start_mock(models=(model,), rules=(Rule(nth=later, reply="no"), Rule(latency=0.01)))
    at_work(server.url)
    run = evals(
        cluster.executor, "--gate=sequential", "--gate-every=4", "--temperature=0.1,0.9", "--stop-when-worse", "-n2"
    )
    assert run.wait() == 1, run.output
    assert "worse than mock-model t=0.1, proved after 8 of 12 common titles, 8 of them lost, 0 won" in run.output
    assert "planned 24 = 12 passed + 8 failed + 0 error + 0 skipped + 0 not run + 4 not needed" in run.output


def test_an_interrupt_ends_the_requests_on_the_workers(three: Three, evals: Any, wait_until: Wait) -> None:
    before = requests(three.servers[1])
    run = evals(three.cluster.executor, "--repeats=200")
    wait_until(lambda: requests(three.servers[1]) > before + 5, "requests")
    os.kill(run.process.pid, signal.SIGTERM)
    assert run.wait() == 2, run.output
    asked = sum(map(requests, three.servers))
    wait_until(lambda: all(server.stats().models["mock-model"].in_flight == 0 for server in three.servers), "silence")
    assert sum(map(requests, three.servers)) <= asked + 2 * SLOTS * 3, "nothing goes on without the main process"


def test_the_doctor_and_the_pin_ask_through_the_workers(
    three: Three, project: Path, evals: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    assert main(["doctor", "--executor", three.cluster.executor]) == 0
    out = capsys.readouterr().out
    assert f"ok  executor {three.cluster.executor}: 3 workers, each with a server" in out
    assert all(f"ok  server {server.url.partition('://')[2]}: LM Studio" in out for server in three.servers)
    assert main(["pin", "--executor", three.cluster.executor]) == 0
    run = evals(three.cluster.executor, "--pinned")
    assert run.wait() == 0, run.output


def test_a_killed_scheduler_leaves_the_run_incomplete_and_resume_finishes_it(
    new_cluster: Callable[[], Any], project: Path, servers: Servers, evals: Any, wait_until: Wait
) -> None:
    [server] = servers(1, latency=0.1)
    cluster = new_cluster()
    cluster.worker(server.url)
    cluster.joined(1)
    run = evals(cluster.executor, "--repeats=10")
    wait_until(lambda: requests(server) > 20, "requests")
    cluster.scheduler.kill()
    assert run.wait() == 10, run.output
    assert "No host answers any more" in run.output
    assert "scheduler" in run.output
    assert 0 < len(replies(project)) < 10 * TITLES
    # The cases in hand were kept as they failed, the rest is open; both are asked now, by threads of the main process.
    resumed = evals("threads", "--resume", f"--lm-studio-url={server.url}")
    assert resumed.wait() == 0, resumed.output
    assert len(replies(project)) == 10 * TITLES


def test_a_local_cluster_has_a_worker_for_each_server_and_dies_with_the_main_process(
    servers: Servers, evals: Any, wait_until: Wait
) -> None:
    two = servers(2)
    urls = ",".join(server.url for server in two)
    run = evals("dask", f"--lm-studio-url={urls}")
    assert run.wait() == 0, run.output
    assert all(requests(server) > 0 for server in two)
    long = evals("dask", f"--lm-studio-url={urls}", "--repeats=200")
    wait_until(lambda: sum(map(requests, two)) > 3 * TITLES, "requests")
    workers = children(long.process.pid)
    assert len(workers) >= 2
    long.process.kill()
    long.wait()
    wait_until(lambda: not any(map(runs, workers)), "the workers' end")


def children(pid: int) -> list[int]:
    psutil = pytest.importorskip("psutil", reason="it comes with distributed")
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def runs(pid: int) -> bool:
    psutil = pytest.importorskip("psutil", reason="it comes with distributed")
    return bool(psutil.pid_exists(pid)) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_threads_and_declared_slots_are_kept_to(
    cluster: Any, servers: Servers, at_work: Callable[..., None], evals: Any
) -> None:
    threads, declared = servers(2)
    at_work(threads.url, "--nthreads", "2")
    at_work(declared.url, "--resources", "slots=3")
    run = evals(cluster.executor, "--repeats=5", "--lm-studio-url=http://127.0.0.1:9")
    assert run.wait() == 0, run.output
    assert (peak(threads), peak(declared)) == (2, 3)
    assert "has 2 threads for 4 slots, and asks no more at once. Start it with --nthreads 4." in run.output
    assert "LM_STUDIO_URL (--lm-studio-url) is not used" in run.output
