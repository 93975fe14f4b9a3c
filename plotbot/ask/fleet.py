"""All the hosts of a run, and who asks them: threads of this process, as many on each as it has slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from plotbot.ask.caller import Caller, Errand
from plotbot.ask.executor import SlotExecutor
from plotbot.ask.host import Host, find_server
from plotbot.ask.lanes import Lane
from plotbot.ask.names import base_url
from plotbot.ask.server import ServerFacts
from plotbot.settings import Settings


@dataclass(frozen=True, slots=True)
class Found:
    """A server that was found: where it is asked, under which name it is reported, and what it said of itself."""

    name: str
    url: str
    facts: ServerFacts


class Fleet(Protocol):
    """The hosts of a run as whoever asks them can reach them."""

    def first(self) -> ServerFacts:
        """What the first server says of itself. Raises `ServerProblem`."""

    def servers(self) -> Sequence[Found]:
        """Every server, found by GET. Raises `ServerProblem` for the first that cannot be used."""

    def lanes(self, hosts: Sequence[Host], errand: Errand, *, spare: int) -> list[Lane]:
        """A lane for each of the hosts that were made of `servers`, in their order."""

    def close(self) -> None:
        """End every request, and whatever was started for it."""


class LocalFleet:
    """Servers that this process asks itself. *token* is sent to all of them."""

    def __init__(self, urls: Sequence[str], settings: Settings, token: str | None) -> None:
        self._urls = urls
        self._settings = settings
        self._token = token
        self._facts: dict[str, ServerFacts] = {}
        self._callers: list[Caller] = []
        self._executor: SlotExecutor | None = None

    def first(self) -> ServerFacts:
        return self._discover(self._urls[0])

    def servers(self) -> list[Found]:
        with SlotExecutor("plotbot-discovery") as executor:
            looking = [executor.submit(self._discover, url) for url in self._urls]
            found = [job.result() for job in looking]
        return [
            Found(base_url(url).partition("://")[2], url, facts)
            for url, facts in zip(self._urls, found, strict=True)
        ]  # fmt: skip

    def lanes(self, hosts: Sequence[Host], errand: Errand, *, spare: int) -> list[Lane]:
        executor = self._executor = SlotExecutor()
        self._callers = [Caller(host, errand, self._token) for host in hosts]
        return [
            Lane(caller.host, executor, caller.ask, caller.enter, caller.probe, caller.look, spare)
            for caller in self._callers
        ]

    def close(self) -> None:
        for caller in self._callers:
            caller.close()
        if self._executor is not None:
            self._executor.shutdown(wait=False)

    def _discover(self, url: str) -> ServerFacts:
        if url not in self._facts:
            self._facts[url] = find_server(url, self._settings, self._token)
        return self._facts[url]
