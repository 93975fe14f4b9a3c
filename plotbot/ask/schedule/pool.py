"""All the hosts of a run, and who asks them: threads of this process, as many on each as it has slots."""

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
class Found:
    """A server that was found: where it is asked, under which name it is reported, and what it said of itself.

    `limit` is how many requests at once whoever asks it can do; None where that is no matter.
    """

    name: str
    url: str
    facts: ServerFacts
    limit: int | None = None


class Pool(Protocol):
    """The hosts of a run as whoever asks them can reach them."""

    def first(self) -> ServerFacts:
        """What the first server says of itself. Raises `ServerProblem`."""

    def servers(self) -> Sequence[Found]:
        """Every server, found by GET. Raises `ServerProblem` for the first that cannot be used."""

    def host_queues(self, hosts: Sequence[Host], spec: RunSpec, *, spare: int) -> list[HostQueue]:
        """A host_queue for each of the hosts that were made of `servers`, in their order."""

    def watch(self, arrived: Callable[[Found], None]) -> None:
        """Tell from now on of every server that comes later than the others, from a thread."""

    def close(self) -> None:
        """End every request, and whatever was started for it."""


class LocalPool:
    """Servers that this process asks itself. *token* is sent to all of them."""

    def __init__(self, urls: Sequence[str], settings: Settings, token: str | None) -> None:
        self._urls = urls
        self._settings = settings
        self._token = token
        self._facts: dict[str, ServerFacts] = {}
        self._callers: list[HostClient] = []
        self._executor: ThreadExecutor | None = None

    def first(self) -> ServerFacts:
        return self._discover(self._urls[0])

    def servers(self) -> list[Found]:
        _check_each_is_listed_once(self._urls)
        with ThreadExecutor("plotbot-discovery") as executor:
            looking = [executor.submit(self._discover, url) for url in self._urls]
            found = [job.result() for job in looking]
        return [
            Found(base_url(url).partition("://")[2], url, facts)
            for url, facts in zip(self._urls, found, strict=True)
        ]  # fmt: skip

    def host_queues(self, hosts: Sequence[Host], spec: RunSpec, *, spare: int) -> list[HostQueue]:
        executor = self._executor = ThreadExecutor()
        self._callers = [HostClient(host, spec, self._token) for host in hosts]
        return [
            HostQueue(caller.host, executor, caller.ask, caller.enter, caller.probe, caller.look, spare)
            for caller in self._callers
        ]

    def watch(self, arrived: Callable[[Found], None]) -> None:
        """Its servers are those that were named: none comes later."""

    def close(self) -> None:
        for caller in self._callers:
            caller.close()
        if self._executor is not None:
            self._executor.shutdown(wait=False)

    def _discover(self, url: str) -> ServerFacts:
        if url not in self._facts:
            self._facts[url] = find_server(url, self._settings, self._token)
        return self._facts[url]


def _check_each_is_listed_once(urls: Sequence[str]) -> None:
    """A server that is asked twice over gets more requests than it has slots. Raises `ServerProblem`."""
    listed: dict[tuple[str, int, str], str] = {}
    for url in urls:
        earlier = listed.setdefault(_address(url), url)
        if earlier is not url:
            raise ServerProblem(
                f"LM_STUDIO_URL lists one server twice: {one_line(earlier, 120)} and {one_line(url, 120)}. Drop one."
            )


def _address(url: str) -> tuple[str, int, str]:
    """A server's host, port and path, however they are spelt."""
    parts = urlsplit(base_url(url))
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or _USUAL_PORTS[parts.scheme]
    return "localhost" if host in _THIS_MACHINE else host, port, parts.path
