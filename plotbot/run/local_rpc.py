"""Authenticated connections between processes of one user on one machine.

A connection is a Unix socket in a folder that is private to the user, else one of the loopback interface. Messages are
JSON; nothing is unpickled.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Any

HANDSHAKE_SECONDS = 5.0
_PAUSE_SECONDS = 0.05
_BACKLOG = 64
_PREFIX, _SOCKET = "plotbot-", "rpc"


class LocalServer:
    """Calls *serve* with each connection, in a thread of its own, and closes the connection when *serve* returns.

    A process that connects has *patience* seconds to prove that it knows the key.
    """

    def __init__(
        self, serve: Callable[[Connection[bytes, bytes]], None], *, patience: float = HANDSHAKE_SECONDS
    ) -> None:
        self._serve = serve
        self._patience = patience
        self._key = secrets.token_bytes(32)
        self._listener = _listen()
        self._address = self._listener.address
        self._open = True
        threading.Thread(target=self._accept, name="plotbot-rpc", daemon=True).start()

    @property
    def ticket(self) -> dict[str, Any]:
        """What another process needs in order to connect, in builtin types."""
        address = self._address if isinstance(self._address, str) else list(self._address)
        return {"address": address, "key": self._key.hex()}

    def close(self) -> None:
        self._open = False
        self._listener.close()
        remove_folder(self.ticket)

    def _accept(self) -> None:
        while self._open:
            try:
                connection = self._listener.accept()
            except OSError:
                # Without a free file descriptor this fails at once, again and again.
                time.sleep(_PAUSE_SECONDS)
            else:
                threading.Thread(target=self._authenticate_and_serve, args=(connection,), daemon=True).start()

    def _authenticate_and_serve(self, connection: Connection[bytes, bytes]) -> None:
        """Serve a process that knows the key, in its own thread: others can connect while it is slow or silent."""
        with connection, contextlib.suppress(OSError, EOFError, AuthenticationError, ValueError):
            limit = threading.Timer(self._patience, shut_down, (connection,))
            limit.daemon = True
            limit.start()
            try:
                deliver_challenge(connection, self._key)
                answer_challenge(connection, self._key)
            finally:
                limit.cancel()
            self._serve(_without_delay(connection))


def _listen() -> Listener:
    """A listener on a Unix socket in a private folder if possible, else on the loopback interface.

    A path of a Unix socket has about a hundred bytes at most, which a folder for temporary files may exceed.
    """
    for place in (tempfile.gettempdir(), "/tmp") if sys.platform != "win32" else ():  # noqa: S108  mkdtemp is private
        with contextlib.suppress(OSError):
            _remove_left_over(Path(place))
            folder = tempfile.mkdtemp(prefix=_PREFIX, dir=place)
            try:
                return Listener(os.path.join(folder, _SOCKET), "AF_UNIX", _BACKLOG)  # noqa: PTH118
            except OSError:
                os.rmdir(folder)  # noqa: PTH106
    return Listener(("127.0.0.1", 0), "AF_INET", _BACKLOG)


def _remove_left_over(place: Path) -> None:
    """Remove the folders of servers that were killed, and of whose clients none was left to do so."""
    for folder in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if os.listdir(folder) == [_SOCKET] and _is_dead(folder / _SOCKET):  # noqa: PTH208
                (folder / _SOCKET).unlink()
                folder.rmdir()


def _is_dead(path: Path) -> bool:
    """Whether a socket refuses connections: its server has ended. One that is busy or has just been made does not."""
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.settimeout(0.0)
        try:
            stranger.connect(str(path))
        except ConnectionRefusedError:
            return time.time() - path.lstat().st_mtime > HANDSHAKE_SECONDS
        return False


def remove_folder(ticket: Mapping[str, Any]) -> None:
    """Remove a Unix socket and its folder. A client may do that too, for a server that was killed."""
    address = ticket["address"]
    if isinstance(address, str):
        shutil.rmtree(Path(address).parent, ignore_errors=True)


def call(ticket: Mapping[str, Any]) -> Connection[bytes, bytes]:
    """Connect to the server of a ticket. Raises OSError, EOFError and AuthenticationError where that fails."""
    address = ticket["address"]
    place = address if isinstance(address, str) else tuple(address)
    return _without_delay(Client(place, authkey=bytes.fromhex(ticket["key"])))


def send(connection: Connection[bytes, bytes], message: Mapping[str, Any]) -> None:
    """Send a message. Raises OSError where the other end is gone."""
    connection.send_bytes(json.dumps(message).encode("ascii"))


def receive(connection: Connection[bytes, bytes]) -> dict[str, Any]:
    """Wait for a message. Raises OSError or EOFError where the other end is gone."""
    message: dict[str, Any] = json.loads(connection.recv_bytes())
    return message


def shut_down(connection: Connection[bytes, bytes]) -> None:
    """End a connection from another thread. Reading from it then raises EOFError."""
    with contextlib.suppress(OSError), _socket_of(connection) as same:
        same.shutdown(socket.SHUT_RDWR)


def _without_delay(connection: Connection[bytes, bytes]) -> Connection[bytes, bytes]:
    """Send every message at once (TCP_NODELAY); a Unix socket does so anyway.

    TCP alone holds the second of two messages back until the first is acknowledged, which takes up to 40 ms: a
    worker reports what it has folded and then requests the next exchange.
    """
    with contextlib.suppress(OSError), _socket_of(connection) as same:
        same.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _socket_of(connection: Connection[bytes, bytes]) -> socket.socket:
    """The connection's socket under another descriptor. Neither call on it looks at the family."""
    return socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM)
