"""The servers of a run's Dask workers, asked through them."""

from __future__ import annotations

import ipaddress
import pkgutil
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from plotbot.ask.dask import worker as worker_tasks
from plotbot.ask.dask.cluster import Cluster
from plotbot.ask.dask.local import LocalWorkers
from plotbot.ask.dask.worker import PortableSpec, Surroundings
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
"""How long the first worker is waited for: workers that were started with this run need two to three."""
LOOK_ROUND_SECONDS = 0.3


@dataclass(slots=True, eq=False)
class _DaskWorker:
    """A worker that has been looked at, the server next to it, and who runs its jobs once it is asked."""

    worker: str
    found: FoundServer
    threads: int
    executor: WorkerExecutor | None = field(default=None)


class DaskPool:
    """The servers next to the workers of a scheduler, or of a cluster on this machine that ends with the run.

    *version* is plotbot's here, `warn` takes sentences for the user. A worker that comes later is told of, once it is
    watched for; one that goes takes its host_queue with it, and is a new one when it comes back.
    """

    def __init__(self, settings: Settings, *, version: str, warn: Callable[[str], None]) -> None:
        self._settings = settings
        self._version = version
        self._warn = warn
        self._local: LocalWorkers | None = None
        self._connected: Cluster | None = None
        self._seats: list[_DaskWorker] = []
        self._looked_at: set[str] = set()
        self._threads = ThreadExecutor("plotbot-dask")
        self._closed = threading.Event()

    def first(self) -> ServerFacts:
        return self.servers()[0].facts

    def servers(self) -> list[FoundServer]:
        if not self._seats:
            self._seats = self._all_seats()
            _check_once_each(self._seats)
        return [seat.found for seat in self._seats]

    def host_queues(self, hosts: Sequence[Host], spec: RunSpec, *, spare: int) -> list[HostQueue]:
        portable = PortableSpec.of(spec)
        seats = {seat.found.name: seat for seat in self._seats}
        return [self._host_queue(seats[host.name], host, portable, spare) for host in hosts]

    def watch(self, arrived: Callable[[FoundServer], None]) -> None:
        threading.Thread(target=self._watch, args=(arrived,), name="plotbot-dask-watch", daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        for seat in self._seats:
            if seat.executor is not None:
                seat.executor.shutdown()
        if self._connected is not None:
            self._connected.close(self._move_out)
        if self._local is not None:
            self._local.close()
        self._threads.shutdown(wait=False)

    @property
    def _cluster(self) -> Cluster:
        """The connection, made when it is first needed. Raises `ServerProblem`."""
        if self._connected is None:
            self._connected = Cluster(self._scheduler())
        return self._connected

    def _scheduler(self) -> str:
        if self._settings.executor == LOCAL:
            self._local = LocalWorkers(self._settings.lm_studio_url)
            return self._local.scheduler
        if self._settings.origins["LM_STUDIO_URL"] != "default":
            self._warn(
                f"LM_STUDIO_URL ({self._settings.origins['LM_STUDIO_URL']}) is not used: each Dask worker asks the "
                f"server that its own {worker_tasks.URL_VARIABLE} names, else {worker_tasks.USUAL_URL}"
            )
        return self._settings.executor.replace("dask", "tcp", 1)

    def _all_seats(self) -> list[_DaskWorker]:
        workers = self._first_workers()
        try:
            self._check_versions(workers)
            seen = self._cluster.on_all(workers, worker_tasks.look_around, self._settings.to_json())
        except HostLostError as lost:
            raise ServerProblem(f"{lost}. Look at its terminal, and start it again.") from None
        self._looked_at |= workers
        return sorted((_seat(worker, seen.get(worker)) for worker in workers), key=lambda seat: seat.found.name)

    def _first_workers(self) -> frozenset[str]:
        """The workers that are there. Raises `ServerProblem` where none comes in a few seconds."""
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
        """Raise `ServerProblem` for a worker without plotbot, or with another one. Nothing of ours is run there yet."""
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

    def _host_queue(self, seat: _DaskWorker, host: Host, portable: PortableSpec, spare: int) -> HostQueue:
        name, worker = f"plotbot-{self._cluster.id}", seat.worker
        if seat.threads < host.wanted:
            self._warn(
                f"{host.name}: its Dask worker has {seat.threads} threads for {host.wanted} slots, and asks no more at "
                f"once. Start it with --nthreads {host.wanted}."
            )
        try:
            self._cluster.on(worker, worker_tasks.move_in, name, host, portable)
        except HostLostError as lost:
            raise ServerProblem(f"Dask worker {worker} was lost before anything was asked: {lost}") from None
        executor = seat.executor = self._cluster.executor(worker, self._threads)
        return HostQueue(
            host,
            executor,
            ask=partial(worker_tasks.ask, name),
            start_turn=partial(worker_tasks.enter, name),
            probe=partial(self._probe, executor, name),
            look=partial(self._look, worker, name),
            # What waits in the worker begins without a word to the front: as many as may end at the same time.
            spare=spare * host.window,
        )

    def _probe(self, executor: WorkerExecutor, name: str) -> None:
        if executor.lost is not None:
            raise HostLostError(executor.lost)
        self._cluster.on(executor.address, worker_tasks.probe, name)

    def _look(self, worker: str, name: str) -> Host:
        try:
            host: Host = self._cluster.on(worker, worker_tasks.look, name)
        except HostLostError as lost:
            raise ServerProblem(str(lost)) from None
        return host

    def _watch(self, arrived: Callable[[FoundServer], None]) -> None:
        while not self._closed.wait(LOOK_ROUND_SECONDS):
            workers = self._cluster.workers()
            for seat in list(self._seats):
                if seat.worker not in workers:
                    self._lose(seat)
            self._looked_at &= workers
            for worker in workers - self._looked_at:
                self._looked_at.add(worker)
                self._threads.submit(self._welcome, worker, arrived)

    def _lose(self, seat: _DaskWorker) -> None:
        self._seats.remove(seat)
        gone = f"Dask worker {seat.worker}" if self._cluster.alive else f"the Dask scheduler at {self._cluster.address}"
        if seat.executor is not None:
            seat.executor.lose(f"{gone} is gone.")

    def _welcome(self, worker: str, arrived: Callable[[FoundServer], None]) -> None:
        """Look at a worker that came while the run was on; it is told of where it is as good as the others."""
        try:
            self._check_versions([worker])
            seat = _seat(worker, self._cluster.on(worker, worker_tasks.look_around, self._settings.to_json()))
            _check_once_each([*self._seats, seat])
        except (UsageProblem, HostLostError) as problem:
            self._warn(f"Dask worker {worker} came and is not used: {problem}")
        else:
            self._seats.append(seat)
            arrived(seat.found)

    def _move_out(self) -> None:
        workers = [seat.worker for seat in self._seats if seat.executor is not None]
        if workers:
            self._cluster.on_all(workers, worker_tasks.move_out, f"plotbot-{self._cluster.id}")


def _seat(worker: str, seen: Any) -> _DaskWorker:
    """Raises `ServerProblem` where the worker has no server next to it."""
    if not isinstance(seen, Surroundings):
        raise ServerProblem(
            f"Dask worker {worker}: {seen} Its own {worker_tasks.URL_VARIABLE} says which server it asks "
            f"(else {worker_tasks.USUAL_URL})."
        )
    name = server_name(worker, seen.url)
    limit = seen.threads if seen.slots is None else min(seen.threads, max(seen.slots, 1))
    facts = ServerFacts(f"http://{name}", seen.facts.kind, seen.facts.version, seen.facts.models)
    return _DaskWorker(worker, FoundServer(name, facts.url, facts, limit), seen.threads)


def server_name(worker: str, url: str) -> str:
    """How a worker's server is called: by the worker's machine where the server's address means just that."""
    address, machine = urlsplit(base_url(url)), urlsplit(worker).hostname or ""
    if not _is_here(address.hostname or ""):
        return address.netloc
    host = f"[{machine}]" if ":" in machine else machine
    return host if address.port is None else f"{host}:{address.port}"


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_once_each(seats: Sequence[_DaskWorker]) -> None:
    """Raise `ServerProblem` where two workers ask the same server."""
    for place, seat in enumerate(seats):
        for other in seats[:place]:
            if other.found.name == seat.found.name:
                raise ServerProblem(
                    f"Dask workers {other.worker} and {seat.worker} both ask {seat.found.name}, which would get more "
                    "requests than it has slots. Start one worker for each server (--nworkers 1)."
                )
