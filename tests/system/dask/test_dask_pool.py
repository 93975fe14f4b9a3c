"""What can be told of Dask's side without a scheduler: names, what travels to a worker, who is told of a lost one."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plotbot.ask.schedule.host_queue import HostLostError
from plotbot.ask.schedule.thread_executor import ThreadExecutor
from plotbot.ask.servers.host_client import RunSpec
from plotbot.ask.servers.pin import Pin
from plotbot.ask.servers.preflight import Demand
from plotbot.fingerprint import Fingerprint
from plotbot.records import Question
from plotbot.settings import Secret, load_settings

pytest.importorskip("distributed", reason="the extra dask is not installed")

from plotbot.ask.dask.pool import server_name
from plotbot.ask.dask.worker import PortableSpec
from plotbot.ask.dask.worker_executor import WorkerExecutor, _reason

PATIENCE = 10.0


@pytest.mark.parametrize(
    ("worker", "url", "name"),
    [
        ("tcp://192.168.1.7:40001", "http://127.0.0.1:1234", "192.168.1.7:1234"),
        ("tcp://192.168.1.7:40001", "http://localhost:1234/v1/chat/completions", "192.168.1.7:1234"),
        ("tcp://192.168.1.7:40001", "http://[::1]:1234", "192.168.1.7:1234"),
        ("tcp://[fe80::7]:40001", "http://127.0.0.1:1234", "[fe80::7]:1234"),
        ("tls://box.local:40001", "https://127.0.0.1", "box.local"),
        ("tcp://192.168.1.7:40001", "http://192.168.1.9:1234/v1", "192.168.1.9:1234"),
        ("tcp://192.168.1.7:40001", "https://localhost.example.org:99", "localhost.example.org:99"),
    ],
)
def test_a_server_is_called_by_the_machine_that_its_worker_is_on(worker: str, url: str, name: str) -> None:
    assert server_name(worker, url) == name


def spec(tmp_path: Path) -> RunSpec:
    question = Question("Write.", {"type": "array"}, "none", "9f2c41d0ab37")
    settings = replace(load_settings(tmp_path, {}, {"TEMPERATURE": "0.3"}), lm_api_token=Secret("tok-main-1"))
    pin = Pin(tmp_path / "pin.json", {"m": Fingerprint(key="m", slots=4)})
    demand = Demand(100, 200, 10)
    return RunSpec(settings, {question.hash: question}, demand, pin, load=True, alone=False)


def test_a_run_spec_travels_without_the_token_and_arrives_whole(tmp_path: Path) -> None:
    sent = spec(tmp_path)
    portable: PortableSpec = pickle.loads(pickle.dumps(PortableSpec.of(sent)))
    assert b"tok-main-1" not in pickle.dumps(portable)
    assert b"pathlib" not in pickle.dumps(portable), "a path of this system cannot be read on another one"
    there = portable.spec(replace(sent.settings, lm_api_token=None))
    assert isinstance(there.demand, Demand)
    assert there == replace(sent, settings=there.settings)
    assert json.loads(json.dumps(portable.settings))["values"]["TEMPERATURE"] == 0.3


class Task:
    """A task on a worker that answers when the test says so."""

    def __init__(self) -> None:
        self.released = False

    def release(self) -> None:
        self.released = True


class Loop:
    """Keeps what Dask's loop would call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def add_callback(self, *call: Any) -> None:
        self.calls.append(call)


class Client:
    """As much of a `distributed.Client` as an executor uses."""

    def __init__(self, error: Exception | None = None) -> None:
        self.loop = Loop()
        self.error = error
        self.tasks: list[Task] = []
        self.submitted: list[dict[str, Any]] = []

    def submit(self, _attempt: Callable[..., Any], _job: Callable[..., Any], **how: Any) -> Task:
        if self.error is not None:
            raise self.error
        self.tasks.append(Task())
        self.submitted.append(how)
        return self.tasks[-1]


def executor_of(client: Client) -> WorkerExecutor:
    real: Any = client
    return WorkerExecutor(real, "tcp://10.0.0.7:40001", ThreadExecutor())


def test_a_job_takes_one_slot_of_its_worker_and_of_no_other() -> None:
    client = Client()
    executor_of(client).submit(len, "abc")
    assert client.submitted == [
        {"workers": ["tcp://10.0.0.7:40001"], "resources": {"slots": 1}, "pure": False, "retries": 0}
    ]


def test_a_lost_worker_ends_what_is_pending_and_what_is_to_come_once() -> None:
    client = Client()
    executor = executor_of(client)
    pending = [executor.submit(len, "abc") for _ in range(3)]
    executor.lose("the worker is gone.")
    late = executor.submit(len, "abc")
    told: list[Future[int]] = []
    for future in (*pending, late):
        future.add_done_callback(told.append)
        with pytest.raises(HostLostError, match="the worker is gone"):
            future.result(0)
    executor._arrived(pending[0], 3)
    assert len(told) == 4, "an answer that comes after all is not heard"
    assert [task.released for task in client.tasks] == [True, True, True]
    assert executor.lost == "the worker is gone."


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [(7, 7), (ValueError("ours"), ValueError), (HostLostError("gone"), HostLostError)],
    ids=["an answer", "a fault of the harness", "the worker is going"],
)
def test_what_a_task_comes_to_is_what_its_future_tells(outcome: Any, expected: Any) -> None:
    client = Client()
    future = executor_of(client).submit(len, "abc")
    [(fetch, job, _task)] = client.loop.calls
    fetch.__self__._arrived(job, outcome)
    assert job is future
    if isinstance(expected, type):
        with pytest.raises(expected):
            future.result(PATIENCE)
    else:
        assert future.result(PATIENCE) == expected


def test_a_client_that_is_closed_is_a_lost_host_and_a_stopped_executor_cancels() -> None:
    closed = executor_of(Client(RuntimeError("IOLoop is closed")))
    with pytest.raises(HostLostError, match="Dask cannot be reached any more: IOLoop is closed"):
        closed.submit(len, "abc").result(PATIENCE)
    stopped = executor_of(Client())
    pending = stopped.submit(len, "abc")
    stopped.shutdown()
    for future in (pending, stopped.submit(len, "abc")):
        with pytest.raises(CancelledError):
            future.result(PATIENCE)


def test_dask_s_reasons_are_told_in_a_few_words() -> None:
    lost: Any = SimpleNamespace(reason="scheduler-connection-lost")
    assert _reason(lost) == "scheduler connection lost"
    assert _reason(OSError("an internal key")) == "OSError"
