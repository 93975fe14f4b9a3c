"""The pool whose servers are asked by Dask workers."""

from __future__ import annotations

import ipaddress
import pkgutil
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from typing import Any
from urllib.parse import urlsplit

from plotbot.ask.dask import worker as worker_tasks
from plotbot.ask.dask.cluster import Cluster, LocalCluster, scheme
from plotbot.ask.dask.worker import PortableSpec, WorkerFacts
from plotbot.ask.dask.worker_executor import WorkerExecutor
from plotbot.ask.schedule.host_queue import HostLostError, HostQueue
from plotbot.ask.schedule.pool import FoundServer
from plotbot.ask.schedule.thread_executor import ThreadExecutor
from plotbot.ask.servers.discovery import ServerFacts
from plotbot.ask.servers.host import Host
from plotbot.ask.servers.host_client import RunSpec
from plotbot.ask.transport.urls import base_url
from plotbot.errors import ServerProblem, UsageProblem
from plotbot.safe import one_line
from plotbot.settings import Settings

LOCAL = "dask"
WORKER_SECONDS = 4.0
"""How long to wait for the first worker; workers that this run starts itself need two to three seconds."""
LOOK_ROUND_SECONDS = 0.3


@dataclass(slots=True, eq=False)
class _DaskWorker:
    """A worker and its server; `executor` is there once the run asks the server."""

    address: str
    found: FoundServer
    threads: int
    executor: WorkerExecutor | None = field(default=None)


class DaskPool:
    """The servers that the workers of a scheduler ask, or those of a cluster on this machine that ends with the run.

    *version* is plotbot's own here, `warn` takes sentences for the user. A worker that is lost counts as a new one when
    it comes back.
    """

    def __init__(self, settings: Settings, *, version: str, warn: Callable[[str], None]) -> None:
        self._settings = settings
        self._version = version
        self._warn = warn
        self._local: LocalCluster | None = None
        self._connected: Cluster | None = None
        self._workers: list[_DaskWorker] = []
        self._described: set[str] = set()
        self._threads = ThreadExecutor("plotbot-dask")
        self._closed = threading.Event()

    @property
    def several(self) -> bool:
        return len(self._workers) > 1

    def first(self) -> ServerFacts:
        return self.servers()[0].facts

    def servers(self) -> list[FoundServer]:
        if not self._workers:
            self._workers = self._described_workers()
            _check_no_shared_server(self._workers)
        return [worker.found for worker in self._workers]

    def host_queues(self, hosts: Sequence[Host], spec: RunSpec, *, spare: int) -> list[HostQueue]:
        portable = PortableSpec.of(spec)
        workers = {worker.found.name: worker for worker in self._workers}
        return [self._host_queue(workers[host.name], host, portable, spare) for host in hosts]

    def watch(self, arrived: Callable[[FoundServer], None]) -> None:
        threading.Thread(target=self._watch, args=(arrived,), name="plotbot-dask-watch", daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        for worker in self._workers:
            if worker.executor is not None:
                worker.executor.shutdown()
        if self._connected is not None:
            self._connected.close(self._leave_run)
        if self._local is not None:
            self._local.close()
        self._threads.shutdown(wait=False)

    @property
    def _cluster(self) -> Cluster:
        """The connection, made when it is first needed. Raises `ServerProblem`."""
        if self._connected is None:
            address = self._scheduler()
            self._connected = Cluster(address, None if self._local is None else self._local.security)
        return self._connected

    def _scheduler(self) -> str:
        if self._settings.executor == LOCAL:
            self._local = LocalCluster(self._settings.lm_studio_url)
            return self._local.scheduler
        if self._settings.origins["LM_STUDIO_URL"] != "default":
            self._warn(
                f"LM_STUDIO_URL ({self._settings.origins['LM_STUDIO_URL']}) is not used: each Dask worker asks the "
                f"server that its own {worker_tasks.URL_VARIABLE} names, else {worker_tasks.USUAL_URL}"
            )
        return self._settings.executor.replace("dask", scheme(), 1)

    def _described_workers(self) -> list[_DaskWorker]:
        addresses = self._first_workers()
        try:
            self._check_versions(addresses)
            told = self._cluster.on_all(addresses, worker_tasks.describe_worker, self._settings.to_json())
        except HostLostError as lost:
            raise ServerProblem(f"{lost}. Look at its terminal, and start it again.") from None
        self._described |= addresses
        workers = (_dask_worker(address, told.get(address)) for address in addresses)
        return sorted(workers, key=lambda worker: worker.found.name)

    def _first_workers(self) -> frozenset[str]:
        """The addresses of the workers. Raises `ServerProblem` where none comes within `WORKER_SECONDS`."""
        wanted = 1 if self._local is None else len(self._settings.lm_studio_url)
        give_up = time.monotonic() + WORKER_SECONDS
        while len(workers := self._cluster.workers()) < wanted and time.monotonic() < give_up:
            self._closed.wait(LOOK_ROUND_SECONDS)
        if not workers:
            raise ServerProblem(
                f"The Dask scheduler at {self._cluster.address} has no worker. Start one beside each LM Studio: "
                f"dask worker {self._cluster.address} --nworkers 1 --nthreads SLOTS"
            )
        return workers

    def _check_versions(self, workers: Iterable[str]) -> None:
        """Raise `ServerProblem` for a worker without plotbot, or with another version of it.

        What is called there is not plotbot's, which the worker may not have.
        """
        told = self._cluster.on_all(workers, pkgutil.resolve_name, "plotbot.__version__")
        for worker in sorted(workers):
            there = told.get(worker)
            if isinstance(there, Exception):
                raise ServerProblem(
                    f"Dask worker {worker} cannot import plotbot ({one_line(str(there), 120)}). Install it there: "
                    f"pip install 'plotbot[dask]=={self._version}'"
                )
            if there != self._version:
                raise ServerProblem(
                    f"Dask worker {worker} has plotbot {one_line(str(there), 40)}, this side {self._version}. "
                    "Install the same on both."
                )

    def _host_queue(self, worker: _DaskWorker, host: Host, portable: PortableSpec, spare: int) -> HostQueue:
        run, address, threads = self._run, worker.address, worker.threads
        if threads < host.wanted:
            self._warn(
                f"{host.name}: its Dask worker has {threads} threads for {host.wanted} slots, and asks no more at "
                f"once. Start it with --nthreads {host.wanted}."
            )
        try:
            self._cluster.on(address, worker_tasks.join_run, run, host, portable)
        except HostLostError as lost:
            raise ServerProblem(f"Dask worker {address} was lost before anything was asked: {lost}") from None
        executor = worker.executor = self._cluster.executor(address, self._threads)
        return HostQueue(
            host,
            executor,
            ask=partial(worker_tasks.ask, run),
            start_turn=partial(worker_tasks.start_turn, run),
            probe=partial(self._probe, executor),
            look=partial(self._look, address),
            # A case that waits in the worker starts without a message from here: one for each that may end at a time.
            spare=spare * host.window,
        )

    @property
    def _run(self) -> str:
        """The name of this run in its workers."""
        return f"plotbot-{self._cluster.id}"

    def _probe(self, executor: WorkerExecutor) -> None:
        if executor.lost is not None:
            raise HostLostError(executor.lost)
        self._cluster.on(executor.address, worker_tasks.probe, self._run)

    def _look(self, address: str) -> Host:
        try:
            host: Host = self._cluster.on(address, worker_tasks.look, self._run)
        except HostLostError as lost:
            raise ServerProblem(str(lost)) from None
        return host

    def _watch(self, arrived: Callable[[FoundServer], None]) -> None:
        while not self._closed.wait(LOOK_ROUND_SECONDS):
            addresses = self._cluster.workers()
            for worker in list(self._workers):
                if worker.address not in addresses:
                    self._lose(worker)
            self._described &= addresses
            for address in addresses - self._described:
                self._described.add(address)
                self._threads.submit(self._admit, address, arrived)

    def _lose(self, worker: _DaskWorker) -> None:
        self._workers.remove(worker)
        alive, scheduler = self._cluster.alive, self._cluster.address
        gone = f"Dask worker {worker.address}" if alive else f"the Dask scheduler at {scheduler}"
        if worker.executor is not None:
            worker.executor.lose(f"{gone} is gone.")

    def _admit(self, address: str, arrived: Callable[[FoundServer], None]) -> None:
        """Check a worker that joined during the run, and call *arrived* with its server unless it cannot be used."""
        try:
            self._check_versions([address])
            told = self._cluster.on(address, worker_tasks.describe_worker, self._settings.to_json())
            worker = _dask_worker(address, told)
            _check_no_shared_server([*self._workers, worker])
        except (UsageProblem, HostLostError) as problem:
            self._warn(f"Dask worker {address} came and is not used: {problem}")
        else:
            self._workers.append(worker)
            arrived(worker.found)

    def _leave_run(self) -> None:
        addresses = [worker.address for worker in self._workers if worker.executor is not None]
        if addresses:
            self._cluster.on_all(addresses, worker_tasks.leave_run, self._run)


def _dask_worker(address: str, told: Any) -> _DaskWorker:
    """Raises `ServerProblem` where *told* is not what a worker says of its server, but an error."""
    if not isinstance(told, WorkerFacts):
        raise ServerProblem(
            f"Dask worker {address}: {told} Its own {worker_tasks.URL_VARIABLE} says which server it asks "
            f"(else {worker_tasks.USUAL_URL})."
        )
    name = server_name(address, told.url)
    limit = told.threads if told.slots is None else min(told.threads, max(told.slots, 1))
    facts = ServerFacts(f"http://{name}", told.facts.kind, told.facts.version, told.facts.models)
    return _DaskWorker(address, FoundServer(name, facts.url, facts, limit), told.threads)


def server_name(worker: str, url: str) -> str:
    """The host and port of a worker's server, with the worker's machine for an address such as 127.0.0.1."""
    server, machine = urlsplit(base_url(url)), urlsplit(worker).hostname or ""
    if not _is_loopback(server.hostname or ""):
        return server.netloc
    host = f"[{machine}]" if ":" in machine else machine
    return host if server.port is None else f"{host}:{server.port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_no_shared_server(workers: Sequence[_DaskWorker]) -> None:
    """Raise `ServerProblem` where two workers ask the same server."""
    for one, other in combinations(workers, 2):
        if one.found.name == other.found.name:
            raise ServerProblem(
                f"Dask workers {one.address} and {other.address} both ask {one.found.name}, which would get more "
                "requests than it has slots. Start one worker for each server (--nworkers 1)."
            )
