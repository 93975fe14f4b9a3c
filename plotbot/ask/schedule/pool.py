"""The hosts of a run, and the pool that asks them from threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from plotbot.ask.schedule.host_queue import HostQueue
from plotbot.ask.schedule.thread_executor import ThreadExecutor
from plotbot.ask.servers.discovery import ServerFacts
from plotbot.ask.servers.host import Host, find_server
from plotbot.ask.servers.host_client import HostClient, RunSpec
from plotbot.ask.transport.urls import base_url
from plotbot.errors import ServerProblem
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

    def first(self) -> ServerFacts:
        """What the first server says of itself. Raises `ServerProblem`."""

    def servers(self) -> Sequence[FoundServer]:
        """Every server, found by GET. Raises `ServerProblem` for the first that cannot be used."""

    def host_queues(self, hosts: Sequence[Host], spec: RunSpec, *, spare: int) -> list[HostQueue]:
        """A queue for each of *hosts*, which were made of `servers`, in their order. For *spare* see `HostQueue`."""

    def watch(self, arrived: Callable[[FoundServer], None]) -> None:
        """Call *arrived*, from a thread, with every server that joins from now on."""

    def close(self) -> None:
        """End every request, and every process that was started to make them."""


class LocalPool:
    """Servers that this process asks itself, from a thread for each slot. *token* is sent to all of them."""

    def __init__(self, urls: Sequence[str], settings: Settings, token: str | None) -> None:
        self._urls = urls
        self._settings = settings
        self._token = token
        self._facts: dict[str, ServerFacts] = {}
        self._clients: list[HostClient] = []
        self._executor: ThreadExecutor | None = None

    def first(self) -> ServerFacts:
        return self._discover(self._urls[0])

    def servers(self) -> list[FoundServer]:
        _check_each_is_listed_once(self._urls)
        with ThreadExecutor("plotbot-discovery") as executor:
            found = [executor.submit(self._discover, url) for url in self._urls]
            return [
                FoundServer(base_url(url).partition("://")[2], url, facts.result())
                for url, facts in zip(self._urls, found, strict=True)
            ]

    def host_queues(self, hosts: Sequence[Host], spec: RunSpec, *, spare: int) -> list[HostQueue]:
        executor = self._executor = ThreadExecutor()
        self._clients = [HostClient(host, spec, self._token) for host in hosts]
        return [
            HostQueue(client.host, executor, client.ask, client.start_turn, client.probe, client.look, spare)
            for client in self._clients
        ]

    def watch(self, arrived: Callable[[FoundServer], None]) -> None:
        """Do nothing: no server joins those that the settings name."""

    def close(self) -> None:
        for client in self._clients:
            client.close()
        if self._executor is not None:
            self._executor.shutdown(wait=False)

    def _discover(self, url: str) -> ServerFacts:
        if url not in self._facts:
            self._facts[url] = find_server(url, self._settings, self._token)
        return self._facts[url]


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
