"""The workers' connection to the main process: a process that connects and says nothing holds up no worker."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from plotbot.errors import UsageProblem
from plotbot.run.process import Run
from plotbot.run.worker_rpc import RpcClient, RpcServer

PATIENCE = 20.0


class FakeRun:
    """A run that notes what workers report."""

    def __init__(self) -> None:
        self.refused: list[str] = []

    def refuse(self, problem: UsageProblem) -> None:
        self.refused.append(str(problem))


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def serve(closing: ExitStack) -> Callable[..., tuple[FakeRun, RpcServer]]:
    def start(**limits: float) -> tuple[FakeRun, RpcServer]:
        run = FakeRun()
        server = RpcServer(cast("Run", run), **limits)
        closing.callback(server.close)
        return run, server

    return start


def connected(ticket: dict[str, Any]) -> socket.socket:
    """A connection to the server from a process that does not know the key."""
    address = ticket["address"]
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    stranger = socket.socket(family)
    stranger.settimeout(PATIENCE)
    stranger.connect(address if isinstance(address, str) else tuple(address))
    return stranger


def is_served(run: FakeRun, server: RpcServer) -> bool:
    """Whether a worker is answered; fails after PATIENCE where strangers hold it up, with the session's own limit."""
    client = RpcClient(server.ticket)
    client.refuse(UsageProblem("no such title"))
    client.close()
    return run.refused == ["no such title"]


def without_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise OSError("AF_UNIX path too long")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)


@pytest.mark.parametrize("unix", [True, False])
@pytest.mark.parametrize(
    "says", [b"", b"\x00", b"\x00\x00\x00\x14not the digest at all", b"\xff" * 64, b"GET / HTTP/1.1\r\n\r\n"]
)
def test_a_process_without_the_key_holds_up_no_worker(
    serve: Callable[..., tuple[FakeRun, RpcServer]],
    closing: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
    says: bytes,
    unix: bool,
) -> None:
    if not unix:
        without_folders(monkeypatch)
    run, server = serve(patience=600.0)
    for _ in range(20):
        stranger = closing.enter_context(connected(server.ticket))
        stranger.sendall(says)
    assert is_served(run, server)


def test_a_silent_process_is_cut_off(serve: Callable[..., tuple[FakeRun, RpcServer]], closing: ExitStack) -> None:
    _, server = serve(patience=0.05)
    stranger = closing.enter_context(connected(server.ticket))
    received = b""
    while chunk := stranger.recv(4096):
        received += chunk
    assert b"#CHALLENGE#" in received


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets")
def test_the_socket_is_in_a_private_folder_that_goes_with_the_server(
    serve: Callable[..., tuple[FakeRun, RpcServer]],
) -> None:
    _, server = serve()
    folder = Path(server.ticket["address"]).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    server.close()
    assert not folder.exists()


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets")
def test_the_folder_of_a_server_that_was_killed_goes_when_another_starts(
    serve: Callable[..., tuple[FakeRun, RpcServer]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    _, living = serve()
    for name, then in {"dead": -60, "new": 0}.items():
        path = tmp_path / f"plotbot-{name}" / "rpc"
        path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(str(path))
        os.utime(path, times=(time.time() + then,) * 2)
    for name in ("empty", "of_others", "busy"):
        (tmp_path / f"plotbot-{name}").mkdir()
    (tmp_path / "plotbot-of_others" / "rpc").write_text("no socket", encoding="utf-8")
    (tmp_path / "plotbot-busy" / "rpc").mkdir()
    before = set(tmp_path.iterdir())
    serve()
    assert before - set(tmp_path.iterdir()) == {tmp_path / "plotbot-dead"}
    assert Path(living.ticket["address"]).exists()


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets")
def test_a_folder_whose_path_is_too_long_for_a_socket_is_left_alone(
    serve: Callable[..., tuple[FakeRun, RpcServer]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    deep = tmp_path_factory.mktemp("deep") / ("x" * 120)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    run, server = serve()
    assert is_served(run, server)
    assert list(deep.iterdir()) == []
