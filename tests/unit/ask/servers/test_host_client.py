from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from plotbot.ask.servers.discovery import ServerFacts
from plotbot.ask.servers.host import Host
from plotbot.ask.servers.host_client import HostClient, RunSpec
from plotbot.ask.servers.model_listing import ModelFacts
from plotbot.ask.servers.preflight import Demand
from plotbot.settings import load_settings


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
