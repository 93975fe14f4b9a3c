from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from plotbot.ask.servers.discovery import ServerFacts
from plotbot.ask.servers.host import Host
from plotbot.ask.servers.host_client import FairSemaphore, HostClient, RunSpec
from plotbot.ask.servers.model_listing import ModelFacts
from plotbot.ask.servers.preflight import Demand
from plotbot.settings import load_settings

WAIT_SECONDS = 10.0


@pytest.mark.parametrize(
    ("max_in_flight", "seconds", "at_once"),
    [
        pytest.param(None, 0.05, 5, id="a quick server gets one more than it has slots"),
        pytest.param(None, 5.0, 4, id="a slow one is never made to queue"),
        pytest.param(4, 0.05, 4, id="what is set is kept to"),
    ],
)
def test_how_many_requests_are_let_through(
    tmp_path: Path, max_in_flight: int | None, seconds: float, at_once: int
) -> None:
    settings = replace(load_settings(tmp_path, {}, {}), max_in_flight=max_in_flight)
    facts = ServerFacts("http://127.0.0.1:1", "lmstudio", None, (ModelFacts("m", slots=4),))
    host = Host("h", "http://127.0.0.1:1", facts, ["m"], max_in_flight=max_in_flight)
    client = HostClient(host, RunSpec(settings, {}, Demand(0, 0, 1)), token=None)
    assert client.at_once == (max_in_flight or 4), "before anything is known of it"
    for _ in range(20):
        client.took(seconds)
    assert client.at_once == at_once


def most_at_once(semaphore: FairSemaphore, together: int) -> int:
    """The most threads inside at once, of 4 x *together* threads that each wait inside for *together* of them."""
    inside, most, lock = 0, 0, threading.Lock()
    all_inside = threading.Barrier(together)

    def visit() -> None:
        nonlocal inside, most
        with semaphore:
            with lock:
                inside += 1
                most = max(most, inside)
            all_inside.wait(WAIT_SECONDS)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(4 * together) as pool:
        for visited in [pool.submit(visit) for _ in range(4 * together)]:
            visited.result()
    return most


def test_as_many_are_let_in_as_the_limit_says_and_no_more() -> None:
    assert most_at_once(FairSemaphore(lambda: 3), 3) == 3


def test_the_limit_is_looked_at_anew_each_time() -> None:
    limit = 1
    semaphore = FairSemaphore(lambda: limit)
    assert most_at_once(semaphore, 1) == 1
    limit = 4
    assert most_at_once(semaphore, 4) == 4


def test_an_exception_leaves_the_slot_free() -> None:
    semaphore = FairSemaphore(lambda: 1)
    for _ in range(2):
        with contextlib.suppress(ZeroDivisionError), semaphore:
            1 / 0  # noqa: B018  it raises
    with semaphore:
        assert semaphore._taken == 1
    assert semaphore._taken == 0


def test_slots_that_are_known_later_are_used() -> None:
    count = [1]
    semaphore, both = FairSemaphore(lambda: count[0]), threading.Barrier(2, timeout=10)

    def work(_number: int) -> None:
        with semaphore:
            both.wait()

    count[0] = 2
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, range(2)))
