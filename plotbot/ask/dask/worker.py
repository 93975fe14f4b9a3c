"""What runs in a Dask worker: the worker_tasks of an LM Studio server, which asks it.

The address of the server and its token come from the worker's own environment (PLOTBOT_LM_STUDIO_URL, LM_API_TOKEN):
127.0.0.1 is another machine for each worker, and no token travels. What goes wrong as foreseen comes back as a value,
because Dask writes the traceback of every exception to the worker's terminal.
"""

from __future__ import annotations

import asyncio
import copy
import os
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar

from distributed import Worker, WorkerPlugin, get_worker
from distributed.utils import sync

from plotbot.ask.schedule.host_queue import HostLostError
from plotbot.ask.servers.discovery import ServerFacts
from plotbot.ask.servers.host import Host, find_server
from plotbot.ask.servers.host_client import HostClient, RunSpec, TurnStart
from plotbot.ask.servers.pin import Pin
from plotbot.ask.servers.preflight import Demand
from plotbot.errors import PlotbotError, SettingsError
from plotbot.records import Case, Exchange, Fingerprint, Question
from plotbot.settings import Secret, Settings, token_in

SLOTS = "slots"
"""The Dask resource of which every request takes one."""
URL_VARIABLE = "PLOTBOT_LM_STUDIO_URL"
USUAL_URL = "http://127.0.0.1:1234"
_DECLARED = "plotbot-declared-slots"
_PATIENCE_SECONDS = 10.0

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PortableSpec:
    """An spec on its way to a worker: without a token, and without paths, which another system has otherwise."""

    settings: Mapping[str, Any]
    questions: Mapping[str, Question]
    demand: Demand
    pin: tuple[str, Mapping[str, Fingerprint]] | None
    load: bool
    alone: bool

    @classmethod
    def of(cls, spec: RunSpec) -> Self:
        pin = None if spec.pin is None else (str(spec.pin.path), spec.pin.models)
        settings = spec.settings.to_json()
        return cls(settings, spec.questions, spec.demand, pin, spec.load, spec.alone)

    def spec(self, settings: Settings) -> RunSpec:
        """The spec again, with the settings as this worker has them."""
        pin = None if self.pin is None else Pin(Path(self.pin[0]), self.pin[1])
        return RunSpec(settings, self.questions, self.demand, pin, load=self.load, alone=self.alone)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a worker sees around it: its server, its threads, and the slots that it was started with, if any."""

    url: str
    facts: ServerFacts
    threads: int
    slots: int | None


class HostWorker(WorkerPlugin):
    """Asks a worker's server for one run, from wherever in the worker's threads a task is run."""

    def __init__(self, host: Host, spec: RunSpec, worker: Worker) -> None:
        self._known_as = host.url
        self._worker = worker
        [host.url] = spec.settings.lm_studio_url
        self.caller = HostClient(host, spec, _revealed(spec.settings.lm_api_token))

    async def setup(self, worker: Worker) -> None:
        """Declare as many slots as the server has; whoever else asks on this worker takes of the same ones."""
        await worker.set_resources(**{SLOTS: self.caller.host.window})

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002  Dask's signature
        """The run is over, or the worker is: nobody waits for what is on its way."""
        self.caller.close()

    def enter(self, model: str) -> TurnStart:
        """Begin a model's turn; the server may tell its slots only now. Raises `AskError`, as a `HostClient` does."""
        before = self.caller.host.window
        welcome = self.caller.start_turn(model)
        if self.caller.host.window != before:
            sync(self._worker.loop, self.setup, self._worker, callback_timeout=_PATIENCE_SECONDS)
        return replace(welcome, host=self.host)

    def look(self) -> Host:
        """The host as it is now. Raises `ServerProblem`."""
        self.caller.look()
        return self.host

    @property
    def host(self) -> Host:
        """What is known of the host, under the address by which the front knows it."""
        host = copy.copy(self.caller.host)
        host.url = self._known_as
        host.facts = replace(host.facts, url=self._known_as)
        return host


def attempt(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Exception:
    """What a function gives, or what has gone wrong as foreseen."""
    try:
        return function(*args, **kwargs)
    except (PlotbotError, HostLostError) as problem:
        return problem


def ask(name: str, case: Case) -> Exchange:
    """Task: get an exchange from the worker_tasks of that name. Raises `HostLostError` where it is going."""
    try:
        return _host_worker(name, get_worker()).caller.ask(case)
    except CancelledError:
        raise HostLostError("the Dask worker is shutting down") from None


def enter(name: str, model: str) -> TurnStart:
    """Task: begin a model's turn."""
    try:
        return _host_worker(name, get_worker()).enter(model)
    except CancelledError:
        raise HostLostError("the Dask worker is shutting down") from None


async def look_around(settings: Mapping[str, Any], dask_worker: Worker) -> Surroundings | Exception:
    """Find the server next to a worker, by GET."""
    try:
        own = _own(settings)
        [url] = own.lm_studio_url
        facts = await asyncio.to_thread(find_server, url, own, _revealed(own.lm_api_token), advise=False)
    except PlotbotError as problem:
        return problem
    declared = _declared_slots(dask_worker)
    return Surroundings(url, facts, dask_worker.state.nthreads, declared)


async def move_in(name: str, host: Host, portable: PortableSpec, dask_worker: Worker) -> Exception | None:
    """Become the worker_tasks of that name, for one run."""
    try:
        spec = portable.spec(_own(portable.settings))
    except PlotbotError as problem:
        return problem
    await dask_worker.plugin_add(HostWorker(host, spec, dask_worker), name=name, catch_errors=False)
    return None


async def move_out(name: str, dask_worker: Worker) -> None:
    """End every request of a run at once."""
    if name in dask_worker.plugins:
        await dask_worker.plugin_remove(name)


async def probe(name: str, dask_worker: Worker) -> Exception | None:
    """Look whether the host still is what it was."""
    return await asyncio.to_thread(attempt, _probe, name, dask_worker)


async def look(name: str, dask_worker: Worker) -> Host | Exception:
    """The host as it is now."""
    return await asyncio.to_thread(attempt, _look, name, dask_worker)


def _probe(name: str, worker: Worker) -> None:
    _host_worker(name, worker).caller.probe()


def _look(name: str, worker: Worker) -> Host:
    return _host_worker(name, worker).look()


def _host_worker(name: str, worker: Worker) -> HostWorker:
    plugin = worker.plugins.get(name)
    if not isinstance(plugin, HostWorker):
        raise HostLostError("the Dask worker knows this run no more: it was started anew")
    return plugin


def _own(settings: Mapping[str, Any]) -> Settings:
    """The run's settings, with this worker's own server and token. Raises `SettingsError`."""
    urls = os.environ.get(URL_VARIABLE, "").strip() or USUAL_URL
    own = Settings.from_json(settings).with_values(URL_VARIABLE, lm_studio_url=urls)
    if len(own.lm_studio_url) > 1:
        raise SettingsError(f"{URL_VARIABLE} names {len(own.lm_studio_url)} servers: start a Dask worker for each.")
    return replace(own, lm_api_token=token_in(os.environ))


def _revealed(token: Secret | None) -> str | None:
    return None if token is None else token.reveal()


def _declared_slots(worker: Worker) -> int | None:
    """The slots of the worker's command line; those that a run has declared since are no limit for the next one."""
    if _DECLARED not in worker.extensions:
        worker.extensions[_DECLARED] = worker.state.total_resources.get(SLOTS)
    declared = worker.extensions[_DECLARED]
    return None if declared is None else int(declared)
