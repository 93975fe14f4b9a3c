"""What all tests share: no network but loopback, no settings from outside, a project to run in, a stand-in server."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plotbot import testing
from plotbot.mock import MockServer, Scenario
from plotbot.testing import plotbot_mock  # noqa: F401  a fixture
from tests.processes import run_module

REPOSITORY = Path(__file__).parents[1]
TITLES = {f"t{number:02}": {"title": f"Headline {number:02}: a goose is elected"} for number in range(1, 13)}


@pytest.fixture(scope="session", autouse=True)
def sealed_off() -> Iterator[None]:
    """Sockets reach nothing but this machine, and nothing that is set outside changes what a test does."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As in a shell's background job; whatever a test starts would be deaf to Ctrl-C too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _loopback_only(getattr(socket.socket, name)))
        for name in [name for name in os.environ if name.startswith("PLOTBOT_") or name == "LM_API_TOKEN"]:
            patch.delenv(name)
        patch.setenv("COLUMNS", "80")
        # Sessions inside tests load hypothesis' plugin: those that only parse options would leave it waiting for their
        # start, and warning of all of hypothesis' tests from then on.
        patch.setenv("HYPOTHESIS_EXTEND_INITIALIZATION", "1")
        yield


@pytest.fixture(scope="session")
def make_project() -> Callable[[Path], Path]:
    """Turn a folder into a project: this one's plugin, eval, prompt and schema, and twelve titles."""

    def make(folder: Path) -> Path:
        testing.make_project(folder, titles={name: entry["title"] for name, entry in TITLES.items()})
        # This project's own, where warnings are errors.
        shutil.copyfile(REPOSITORY / "pytest.ini", folder / "pytest.ini")
        return folder

    return make


@pytest.fixture(scope="session")
def start_mock() -> Iterator[Callable[..., MockServer]]:
    """Start a stand-in server for a `Scenario`'s fields; it is stopped when the tests are over."""
    with contextlib.ExitStack() as servers:
        yield lambda **fields: servers.enter_context(MockServer(Scenario(**fields)))


@pytest.fixture(scope="session")
def run_pytest() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run pytest in a process of its own, in a project's folder, with nobody at the terminal."""

    return lambda folder, *arguments, **environ: run_module(folder, "pytest", *arguments, **environ)


@pytest.fixture(scope="session")
def run_file() -> Callable[[Path, str], Any]:
    """The content of a JSON file of a project's newest run (`plan.json`, `summary.json`)."""

    def read(folder: Path, name: str) -> Any:
        newest = max((folder / "data" / "runs").iterdir())
        return json.loads((newest / name).read_bytes())

    return read


def _loopback_only(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_here(str(address[0])):
            raise RuntimeError(f"a test wants to connect to {address}, but tests stay on this machine")
        return connect(self, address)

    return guarded


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
