"""What runs inside a Dask worker: it asks the server that its own environment names.

PLOTBOT_LM_STUDIO_URL and LM_API_TOKEN are read in the worker: 127.0.0.1 is another machine there, and no token travels.
Expected errors come back as values, because Dask writes the traceback of every exception to the worker's terminal.
"""

from __future__ import annotations

import asyncio
import copy
import os
import signal
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
from plotbot.fingerprint import Fingerprint
from plotbot.records import Case, Exchange, Question
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
    """A run spec on its way to a worker: without a token, and with paths as text, for another operating system."""

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
        """The run spec again, with the *settings* of this worker."""
        pin = None if self.pin is None else Pin(Path(self.pin[0]), self.pin[1])
        return RunSpec(settings, self.questions, self.demand, pin, load=self.load, alone=self.alone)


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """A worker's server, its number of threads, and the slots that its command line declares, if any."""

    url: str
    facts: ServerFacts
    threads: int
    slots: int | None


class HostWorker(WorkerPlugin):
    """Asks a worker's server for one run. Tasks in any thread of the worker use it."""

    def __init__(self, host: Host, spec: RunSpec, worker: Worker) -> None:
        self._public_url = host.url
        self._worker = worker
        [host.url] = spec.settings.lm_studio_url
        self.client = HostClient(host, spec, _revealed(spec.settings.lm_api_token))

    async def setup(self, worker: Worker) -> None:
        """Declare as many Dask resources as the server has slots; all runs on this worker share them."""
        await worker.set_resources(**{SLOTS: self.client.host.window})

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002  Dask's signature
        """End every request: the run is over, or the worker is."""
        self.client.close()

    def start_turn(self, model: str) -> TurnStart:
        """Start a model's turn, after which the server may tell its slots. Raises as `HostClient.start_turn` does."""
        before = self.client.host.window
        start = self.client.start_turn(model)
        if self.client.host.window != before:
            sync(self._worker.loop, self.setup, self._worker, callback_timeout=_PATIENCE_SECONDS)
        return replace(start, host=self.host)

    def look(self) -> Host:
        """The host as it is now. Raises `ServerProblem`."""
        self.client.look()
        return self.host

    @property
    def host(self) -> Host:
        """What is known of the host, under the address by which the main process knows it."""
        host = copy.copy(self.client.host)
        host.url = self._public_url
        host.facts = replace(host.facts, url=self._public_url)
        return host


def dask_setup(_worker: object) -> None:
    """Ignore Ctrl-C in the workers that a run starts itself, for which this module is a Dask preload.

    The terminal sends SIGINT to them as well as to the main process, which ends them when it has their last answers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def attempt(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Exception:
    """Call a function, and give an expected error as a value."""
    try:
        return function(*args, **kwargs)
    except (PlotbotError, HostLostError) as problem:
        return problem


def ask(run: str, case: Case) -> Exchange:
    """Task: ask a case of a run. Raises `HostLostError` where the worker is shutting down or does not know the run."""
    try:
        return _host_worker(run, get_worker()).client.ask(case)
    except CancelledError:
        raise HostLostError("the Dask worker is shutting down") from None


def start_turn(run: str, model: str) -> TurnStart:
    """Task: start a model's turn. Raises as `ask` and `HostWorker.start_turn` do."""
    try:
        return _host_worker(run, get_worker()).start_turn(model)
    except CancelledError:
        raise HostLostError("the Dask worker is shutting down") from None


async def describe_worker(settings: Mapping[str, Any], dask_worker: Worker) -> WorkerFacts | Exception:
    """Find the worker's server, by GET."""
    try:
        own = _own(settings)
        [url] = own.lm_studio_url
        facts = await asyncio.to_thread(find_server, url, own, _revealed(own.lm_api_token), advise=False)
    except PlotbotError as problem:
        return problem
    return WorkerFacts(url, facts, dask_worker.state.nthreads, _declared_slots(dask_worker))


async def join_run(run: str, host: Host, portable: PortableSpec, dask_worker: Worker) -> Exception | None:
    """Make the worker ask its server for a run from now on."""
    try:
        spec = portable.spec(_own(portable.settings))
    except PlotbotError as problem:
        return problem
    await dask_worker.plugin_add(HostWorker(host, spec, dask_worker), name=run, catch_errors=False)
    return None


async def leave_run(run: str, dask_worker: Worker) -> None:
    """End every request of a run at once."""
    if run in dask_worker.plugins:
        await dask_worker.plugin_remove(run)


async def probe(run: str, dask_worker: Worker) -> Exception | None:
    """`HostClient.probe` in the worker."""
    return await asyncio.to_thread(attempt, _probe, run, dask_worker)


async def look(run: str, dask_worker: Worker) -> Host | Exception:
    """`HostWorker.look` in the worker."""
    return await asyncio.to_thread(attempt, _look, run, dask_worker)


def _probe(run: str, worker: Worker) -> None:
    _host_worker(run, worker).client.probe()


def _look(run: str, worker: Worker) -> Host:
    return _host_worker(run, worker).look()


def _host_worker(run: str, worker: Worker) -> HostWorker:
    plugin = worker.plugins.get(run)
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
    """The slots that the worker's command line declares; those that an earlier run declared do not limit this one."""
    if _DECLARED not in worker.extensions:
        worker.extensions[_DECLARED] = worker.state.total_resources.get(SLOTS)
    declared = worker.extensions[_DECLARED]
    return None if declared is None else int(declared)
