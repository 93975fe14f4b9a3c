"""The servers that a run asks: found, checked, loaded, greeted, asked. Nothing here knows of pytest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from plotbot import __version__
from plotbot.ask.embedded import MODEL_ID, EmbeddedEngine
from plotbot.ask.schedule.host_queue import HostQueue
from plotbot.ask.schedule.pool import FoundServer, LocalPool, Pool
from plotbot.ask.schedule.scheduler import ExchangeStore, Scheduler
from plotbot.ask.servers.discovery import resolve_models
from plotbot.ask.servers.host import DEFAULT_SLOTS, Host
from plotbot.ask.servers.host_client import RunSpec, TurnStart, tight_words
from plotbot.ask.servers.loading import check_loadable, is_loaded
from plotbot.ask.servers.pin import Pin, read_pin
from plotbot.ask.servers.preflight import demand_of, hopeless, too_many, unconstrained
from plotbot.errors import AskError, ServerProblem, UsageProblem
from plotbot.records import Case, Fingerprint, Question
from plotbot.settings import Settings

THREADS = "threads"


class Servers:
    """One run's servers.

    *embedded* has the embedded engine asked, *load* has LM Studio load each model at its turn, *pinned* refuses to ask
    any model but the pinned ones. *workers* is how many processes will ask this one, 0 where none do. `ask_user` puts
    a yes-or-no question to a person, or is None where nobody is there; `warn` takes a sentence that the user shall
    read.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        embedded: bool,
        ask_user: Callable[[str], bool] | None,
        warn: Callable[[str], None],
        load: bool = False,
        pinned: bool = False,
        workers: int = 0,
    ) -> None:
        self._settings = settings
        self._embedded = embedded
        self._load = load
        self._pinned = pinned
        self._workers = workers
        self._ask_user = ask_user
        self._warn = warn
        self._engine: EmbeddedEngine | None = None
        self._pool: Pool | None = None
        self._hosts: list[Host] = []
        self._host_queues: list[HostQueue] = []
        self._errand: RunSpec | None = None
        self._spare = 0
        self._alone = True
        self._entered: set[str] = set()

    def models(self) -> tuple[str, ...]:
        """The models to plan for: what the settings name, else what is pinned, else the one that is loaded.

        Only for the last the server is asked. Raises `ServerProblem`, and `InputError` for a pin that cannot be used.
        """
        if self._embedded:
            return (MODEL_ID,)
        if self._settings.model:
            return self._settings.model
        if self._pin is not None:
            return tuple(self._pin.models)
        return resolve_models(self._the_pool().first(), ())

    def connect(self, cases: Sequence[Case], questions: Mapping[str, Question], *, spare: int) -> None:
        """Start the embedded engine where it is wanted, and look every server over, by GET only.

        *spare* cases may be made ready for each host beyond its slots. Raises `EngineError`; `ServerProblem` for a
        server that is not there, lacks a model, serves another one than the pinned or can answer none of the cases;
        `InputError` for a pin that cannot be used.
        """
        models = tuple(dict.fromkeys(case.model for case in cases))
        pool = self._the_pool()
        servers = pool.servers()
        self._alone = len(servers) == 1
        self._hosts = [self._host(found, models) for found in servers]
        spec = self._errand = RunSpec(
            self._settings,
            questions,
            demand_of(cases, questions, self._settings.max_tokens),
            self._pin,
            load=self._load,
            alone=self._alone,
        )
        for host, model in self._pairs():
            self._look_over(host, model, spec)
        self._look_over_load()
        constrained = {case.prompt_hash for case in cases if case.response_format == "json_schema"}
        self._look_over_schemas(constrained, questions)
        self._spare = spare
        self._host_queues = pool.host_queues(self._hosts, spec, spare=spare)

    @property
    def window(self) -> int:
        """How many requests may be in flight, over all hosts: MAX_IN_FLIGHT, else the slots that the servers name."""
        return self._settings.max_in_flight or sum(host.window for host in self._hosts)

    def facts(self) -> dict[str, Any]:
        """What the run's header says of its servers and models."""
        servers = [{"url": host.url, "kind": host.facts.kind, "version": host.facts.version} for host in self._hosts]
        return {
            "servers": servers,
            "fingerprints": {model: told.to_json() for model, told in self.fingerprints.items()},
            "params": self._settings.params,
            "embedded": self._embedded,
        }

    @property
    def fingerprints(self) -> Mapping[str, Fingerprint]:
        """The models' fingerprints on the first host; more is known of a model once it is loaded."""
        return self._hosts[0].fingerprints if self._hosts else {}

    def start_first_turn(self, model: str) -> None:
        """The first model's turn begins, on all hosts at once.

        Raises `AskError` where no answer came, where the model cannot be loaded or is not the pinned one then;
        `ServerProblem` where the user wants no run with a model that does not say the CONFIRM that is required.
        """
        starting = [host_queue.executor.submit(host_queue.start_turn, model) for host_queue in self._host_queues]
        for host_queue, start in zip(self._host_queues, starting, strict=True):
            self.accept_turn(host_queue, model, start.result())
            host_queue.model = model

    def accept_turn(self, host_queue: HostQueue, model: str, start: TurnStart) -> None:
        """Take note of how a model's turn started on a host. Raises as `start_first_turn` does."""
        host_queue.host = self._hosts[self._host_queues.index(host_queue)] = start.host
        for word in start.warnings:
            self._warn(word)
        if start.said is not None:
            self._unacknowledged(model, start.said)
        self._entered.add(model)

    def scheduler(self, recorder: ExchangeStore, *, ahead: int | None) -> Scheduler:
        """The scheduler that asks from now on, on all hosts."""
        scheduler = Scheduler(
            self._host_queues,
            recorder,
            on_turn_start=self.accept_turn,
            tell=self._warn,
            ahead=ahead,
            # One host's own window is that already, and leaves room for a request that is made ready.
            max_in_flight=None if self._alone else self._settings.max_in_flight,
            retry_limit=self._settings.request_retry_limit,
        )
        self._the_pool().watch(partial(self._arrived, scheduler))
        return scheduler

    def served_otherwise(self) -> list[str]:
        """In what the models that were asked are not the pinned ones any more, a sentence for each; by GET.

        Empty without a pin. Of a model that was unloaded after its turn its context and slots are not known any more.
        """
        if self._pin is None:
            return []
        return [why for host_queue in self._host_queues for why in self._served_otherwise(host_queue, self._pin)]

    def stop(self) -> None:
        """End every request at once, and the embedded engine with them."""
        if self._pool is not None:
            self._pool.close()
        if self._engine is not None:
            self._engine.stop()

    @cached_property
    def _pin(self) -> Pin | None:
        return read_pin(self._settings.pin_path) if self._pinned else None

    def _the_pool(self) -> Pool:
        if self._pool is None:
            self._pool = self._new_pool()
        return self._pool

    def _new_pool(self) -> Pool:
        if self._embedded:
            if self._settings.executor != THREADS:
                raise UsageProblem(
                    f"--embedded and EXECUTOR={self._settings.executor} do not go together: the embedded engine is "
                    "asked by the main process alone. Leave one of them out."
                )
            self._engine = start_embedded(self._settings)
            return LocalPool((self._engine.url,), self._settings, None)
        return pool_of(self._settings, version=__version__, warn=self._warn)

    def _host(self, found: FoundServer, models: Sequence[str]) -> Host:
        engine = self._engine
        embedded = {} if engine is None else {"sha256": engine.sha256, "engine": engine.version}
        # Of several hosts none gets more than it has slots: there MAX_IN_FLIGHT is for all of them together.
        most = self._settings.max_in_flight if self._alone else None
        return Host(found.name, found.url, found.facts, models, most=most, limit=found.limit, embedded=embedded)

    def _arrived(self, scheduler: Scheduler, found: FoundServer) -> None:
        """A server that comes while the run is on is asked, too, where it is as good as the others."""
        assert self._errand is not None, "a scheduler comes after the servers have been looked over"
        try:
            host = self._host(found, self._hosts[0].models)
            for model in host.models:
                self._look_over(host, model, self._errand)
            [host_queue] = self._the_pool().host_queues([host], self._errand, spare=self._spare)
        except UsageProblem as problem:
            self._warn(f"{found.name} came and is not asked: {problem}")
            return
        self._hosts.append(host)
        self._host_queues.append(host_queue)
        self._warn(f"{found.name} came and is asked, too.")
        scheduler.add(host_queue)

    def _pairs(self) -> Iterator[tuple[Host, str]]:
        return ((host, model) for host in self._hosts for model in host.models)

    def _look_over(self, host: Host, model: str, spec: RunSpec) -> None:
        """What can be said of a model before anything is asked; what is still to be loaded is looked over then."""
        told, context_length = host.told(model), self._settings.context_length
        if self._load:
            check_loadable(host.facts, told, context_length)
        as_it_will_be = not self._load or is_loaded(told, context_length)
        if self._pin is not None:
            if problem := host.otherwise(self._pin, model, loaded=as_it_will_be):
                raise ServerProblem(problem)
            self._say(self._pin.other_server(host.fingerprints[model]))
        if as_it_will_be:
            if problem := hopeless(told, spec.demand):
                raise ServerProblem(problem)
            for word in tight_words(host, model, spec):
                self._warn(word)

    def _look_over_load(self) -> None:
        known = [host.slots for host in self._hosts]
        slots = None if None in known else sum(filter(None, known))
        for word in too_many(self._workers, self._settings.max_in_flight, slots, self.window):
            self._warn(word)

    def _look_over_schemas(self, constrained: set[str], questions: Mapping[str, Question]) -> None:
        may_think = self._settings.reasoning_effort != "none"
        for host, model in self._pairs():
            for key in constrained:
                for word in unconstrained(host.facts, host.told(model), questions[key].schema, may_think=may_think):
                    self._warn(word)

    def _say(self, word: str | None) -> None:
        if word is not None:
            self._warn(word)

    def _unacknowledged(self, model: str, excerpt: str) -> None:
        said = f"{model} did not answer the handshake with CONFIRM, but with {excerpt!r}"
        if self._settings.confirm == "require" and self._entered:
            raise AskError("model_unavailable", f"{said}: CONFIRM=require asks it nothing more.")
        if self._settings.confirm == "require":
            raise ServerProblem(f"{said}: CONFIRM=require stops here; --confirm continue goes on all the same")
        if self._settings.confirm == "ask" and self._ask_user is not None and not self._entered:
            if not self._ask_user(f"{said}. Go on?"):
                raise ServerProblem(f"{said}: stopped, as you said")
            return
        self._warn(f"{said}. The run goes on.")

    def _served_otherwise(self, host_queue: HostQueue, pin: Pin) -> list[str]:
        try:
            host = host_queue.look()
        except ServerProblem as problem:
            return [f"it cannot be told whether the pinned model was asked to the end: {problem}"]
        found = (
            host.otherwise(pin, model, loaded=host.told(model).loaded is not False)
            for model in host.models
            if model in self._entered
        )
        return [why for why in found if why is not None]


def start_embedded(settings: Settings) -> EmbeddedEngine:
    """The embedded engine with as many slots, each with as much context, as the settings ask for.

    Raises EngineError where it does not start.
    """
    slots = settings.max_in_flight or DEFAULT_SLOTS
    return EmbeddedEngine.start(slots=slots, context_length=settings.context_length)


def pool_of(settings: Settings, *, version: str, warn: Callable[[str], None]) -> Pool:
    """The pool that the settings ask for; nothing is asked or started yet.

    *version* is plotbot's here, which is to be every Dask worker's. `warn` takes sentences for the user.

    Raises UsageProblem where Dask is wanted and not installed.
    """
    if settings.executor == THREADS:
        token = settings.lm_api_token
        return LocalPool(settings.lm_studio_url, settings, None if token is None else token.reveal())
    try:
        from plotbot.ask.dask.pool import DaskPool  # noqa: PLC0415  it takes half a second, and an extra
    except ModuleNotFoundError as missing:
        raise UsageProblem(
            f"EXECUTOR={settings.executor} needs Dask, but there is no {missing.name}: pip install 'plotbot[dask]'"
        ) from None
    return DaskPool(settings, version=version, warn=warn)
