"""The hosts of a run, and the pool that asks them from threads of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from plotbot.ask.schedule.host_queue import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, HostQueue
from plotbot.ask.schedule.thread_executor import ThreadExecutor
from plotbot.ask.servers.discovery import ServerFacts
from plotbot.ask.servers.host import Host, find_server
from plotbot.ask.servers.host_client import HostClient, RunSpec
from plotbot.ask.transport.retries import backoff_seconds
from plotbot.ask.transport.urls import base_url
from plotbot.errors import ServerProblem, SilentServerProblem
from plotbot.safe import one_line
from plotbot.settings import Settings

_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
_USUAL_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class FoundServer:
    """A server that was found: its URL, the name that reports give it, and what it said of itself.

    `limit` is how many requests at once the process that asks it can make; None without such a limit.
    """

    name: str
    url: str
    facts: ServerFacts
    limit: int | None = None


class Pool(Protocol):
    """The hosts of a run, as the processes that ask them can reach them."""

    @property
    def several(self) -> bool:
        """Whether the run may ask more than one server."""

    def first(self) -> ServerFacts:
        """What the first server that answers says of itself. Raises `ServerProblem`."""

    def servers(self) -> Sequence[FoundServer]:
        """Every server, found by GET, but for those that join later. Raises `ServerProblem` for one that is no use."""

    def host_queues(self, hosts: Sequence[Host], spec: RunSpec, *, spare: int) -> list[HostQueue]:
        """A queue for each of *hosts*, which were made of `servers`, in their order. For *spare* see `HostQueue`."""

    def watch(self, arrived: Callable[[FoundServer], None]) -> None:
        """Call *arrived*, from a thread, with every server that joins from now on."""

    def close(self) -> None:
        """End every request, and every process that was started to make them."""


class LocalPool:
    """Servers that this process asks itself, from a thread for each slot. `warn` takes sentences for the user.

    A server that neither answers nor refuses the connection joins when it answers, if another one answers at the start.
    """

    def __init__(self, urls: Sequence[str], settings: Settings, warn: Callable[[str], None]) -> None:
        self._urls = urls
        self._settings = settings
        self._warn = warn
        self._facts: dict[str, ServerFacts] = {}
        self._silent: dict[str, SilentServerProblem] = {}
        self._clients: list[HostClient] = []
        self._executor = ThreadExecutor()
        self._closed = threading.Event()

    @property
    def several(self) -> bool:
        return len(self._urls) > 1

    def first(self) -> ServerFacts:
        for url in self._urls:
            with suppress(SilentServerProblem):
                return self._discover(url)
        raise self._silent[self._urls[0]]

    def servers(self) -> list[FoundServer]:
        _check_each_is_listed_once(self._urls)
        with ThreadExecutor("plotbot-discovery") as executor:
            asked = {url: executor.submit(self._discover, url) for url in self._urls}
        answering = [url for url, facts in asked.items() if not isinstance(facts.exception(), SilentServerProblem)]
        found = [_found(url, asked[url].result()) for url in answering or self._urls]
        for url, problem in self._silent.items():
            self._warn(f"{_name(url)} is set aside until it answers: {problem}")
        return found

    def host_queues(self, hosts: Sequence[Host], spec: RunSpec, *, spare: int) -> list[HostQueue]:
        clients = [HostClient(host, spec, self._settings.token_for(host.url)) for host in hosts]
        self._clients += clients
        return [
            HostQueue(client.host, self._executor, client.ask, client.start_turn, client.probe, client.look, spare)
            for client in clients
        ]

    def watch(self, arrived: Callable[[FoundServer], None]) -> None:
        for url in self._silent:
            threading.Thread(target=self._await, args=(url, arrived), name="plotbot-silent", daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        for client in self._clients:
            client.close()
        self._executor.shutdown(wait=False)

    def _discover(self, url: str) -> ServerFacts:
        if url in self._silent:
            raise self._silent[url]
        if url not in self._facts:
            try:
                self._facts[url] = find_server(url, self._settings, self._settings.token_for(url))
            except SilentServerProblem as problem:
                self._silent[url] = problem
                raise
        return self._facts[url]

    def _await(self, url: str, arrived: Callable[[FoundServer], None]) -> None:
        """Ask a silent server again, after pauses that grow, until it answers; then call *arrived*."""
        failures = 1
        while not self._closed.wait(backoff_seconds(failures, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)):
            try:
                facts = find_server(url, self._settings, self._settings.token_for(url), advise=False)
            except ServerProblem:
                failures += 1
            else:
                arrived(_found(url, facts))
                return


def _found(url: str, facts: ServerFacts) -> FoundServer:
    return FoundServer(_name(url), url, facts)


def _name(url: str) -> str:
    return base_url(url).partition("://")[2]


def _check_each_is_listed_once(urls: Sequence[str]) -> None:
    """Raise `ServerProblem` for a server that is listed twice: it would get more requests than it has slots."""
    listed: dict[tuple[str, int, str], str] = {}
    for url in urls:
        earlier = listed.setdefault(_address(url), url)
        if earlier is not url:
            raise ServerProblem(
                f"LM_STUDIO_URL lists one server twice: {one_line(earlier, 120)} and {one_line(url, 120)}. Drop one."
            )


def _address(url: str) -> tuple[str, int, str]:
    """A server's host, port and path, equal for all spellings of one URL."""
    parts = urlsplit(base_url(url))
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or _USUAL_PORTS[parts.scheme]
    return "localhost" if host in _THIS_MACHINE else host, port, parts.path
