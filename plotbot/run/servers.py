"""The servers of a run, in the order in which things happen: found, checked, loaded, handshaken, asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import cached_property, partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from plotbot import __version__
from plotbot.ask.schedule.host_queue import HostQueue
from plotbot.ask.schedule.pool import FoundServer, LocalPool, Pool
from plotbot.ask.schedule.scheduler import ExchangeStore, Scheduler
from plotbot.ask.servers.discovery import resolve_models
from plotbot.ask.servers.host import Host
from plotbot.ask.servers.host_client import RunSpec, TurnStart, context_warnings
from plotbot.ask.servers.loading import check_loadable, is_loaded
from plotbot.ask.servers.model_patterns import expand_models, is_pattern
from plotbot.ask.servers.pin import Pin, ServedOtherwise, read_pin
from plotbot.ask.servers.preflight import (
    context_wanted,
    demand_of,
    impossible_context,
    needless_waiting,
    unenforced_schema,
)
from plotbot.errors import AskError, ServerProblem, UsageProblem
from plotbot.fingerprint import Fingerprint
from plotbot.records import Case, Exchange, Question
from plotbot.run.embedded_models import EmbeddedModel, embedded_models
from plotbot.run.engine_pool import EnginePool
from plotbot.run.eval_files import EvalFiles, Schemas, read_questions
from plotbot.settings import Settings

if TYPE_CHECKING:
    from plotbot.run.kept_engine import WatchLink

THREADS = "threads"
GRACE_SECONDS = 2.0
"""How long a run waits for its other hosts once one of them has started the first model's turn."""
SPARE_FILES = 24
"""Files and sockets beside the requests: the journal, title files and their locks, what evals open."""
FILES_A_WORKER = 4


class Servers:
    """One run's servers.

    *embedded* has the embedded engine alone asked, and so has EMBEDDED_MODEL; *load* has LM Studio load each model at
    its turn, *pinned* refuses every model but the pinned ones. *workers* is the number of xdist workers, *watch* leads
    to the `plotbot watch` that has started this run. `ask_user` puts a yes-or-no question to a person; None without a
    terminal. `warn` takes sentences for the user.
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
        watch: WatchLink | None = None,
    ) -> None:
        self._settings = settings
        self._embedded = embedded or bool(settings.embedded_model)
        self._load = load
        self._pinned = pinned
        self._workers = workers
        self._watch = watch
        self._ask_user = ask_user
        self._warn = warn
        self._opened_pool: Pool | None = None
        self._hosts: list[Host] = []
        self._host_queues: list[HostQueue] = []
        self._recorded: dict[str, dict[str, Any]] = {}
        self._late_turns: list[tuple[HostQueue, str, Future[TurnStart]]] = []
        self._asked_meanwhile: list[tuple[HostQueue, Case, Future[Exchange]]] = []
        self._spec: RunSpec | None = None
        self._context_wanted: int | None = None
        self._spare = 0
        self._alone = True
        self._started: set[str] = set()

    def models(self) -> tuple[str, ...]:
        """The models to plan for: those of the settings, else the pinned ones, else the one that is loaded.

        Only for the last, and for `all` and patterns, the servers are asked. Raises `ServerProblem`, and `InputError`
        for a pin that cannot be used.
        """
        if self._embedded:
            return tuple(model.name for model in self.embedded_models)
        if any(map(is_pattern, self._settings.model)):
            return expand_models([found.facts for found in self._pool.servers()], self._settings.model)
        if self._settings.model:
            return self._settings.model
        if self._pin is not None:
            return tuple(self._pin.models)
        return resolve_models(self._pool.first(), ())

    def find(self, models: Sequence[str]) -> list[Host]:
        """Find every server, by GET; of the embedded engine's models only the files are read.

        Raises `EngineError`, and `ServerProblem` for a server that does not answer or lacks one of the *models*.
        """
        servers = self._pool.servers()
        self._alone = not self._pool.several
        self._hosts = [self._host(found, models) for found in servers]
        self._record_fingerprints()
        return self._hosts

    def connect(self, cases: Sequence[Case], questions: Mapping[str, Question], *, spare: int) -> None:
        """Find every server and check it for the run, by GET.

        *spare* is the number of cases that may be in hand for each slot beyond the slots. Raises as `find` does;
        `ServerProblem` also for a server that serves another model than the pinned one or can answer none of the
        cases; `InputError` for a pin that cannot be used.
        """
        longest = max([len(case.title.text.encode("utf-8", "replace")) for case in cases])
        self._context_wanted = context_wanted(questions.values(), longest, self._settings.max_tokens)
        hosts = self.find(tuple(dict.fromkeys([case.model for case in cases])))
        demand = demand_of(cases, questions, self._settings.max_tokens)
        spec = RunSpec(self._settings, questions, demand, self._pin, load=self._load, alone=self._alone)
        for host in hosts:
            self._check(host, spec)
        self._warn_of_waiting()
        constrained = {case.prompt_hash for case in cases if case.response_format == "json_schema"}
        self._warn_of_schemas([questions[key] for key in constrained])
        self._spec, self._spare = spec, spare
        self._host_queues = self._pool.host_queues(hosts, spec, spare=spare)
        _check_open_files(self.window + len(hosts), self._workers)

    @cached_property
    def embedded_models(self) -> tuple[EmbeddedModel, ...]:
        """The models of the embedded engine; none without it. Raises `EngineError` for a file that cannot be used."""
        return embedded_models(self._settings) if self._embedded else ()

    def sized_models(self) -> tuple[EmbeddedModel, ...]:
        """These with the context that they will have: CONTEXT_LENGTH, else the pin's, else what the run needs."""
        pinned = {} if self._pin is None else {name: told.context_length for name, told in self._pin.models.items()}
        return tuple(
            model
            if model.packaged
            else model.with_context(self._settings.context_length or pinned.get(model.name) or self._context())
            for model in self.embedded_models
        )

    @property
    def activity(self) -> str | None:
        """What is waited for before a model can be asked, for the progress line; None while nothing is."""
        return self._opened_pool.activity if isinstance(self._opened_pool, EnginePool) else None

    @property
    def window(self) -> int:
        """How many requests may be in flight, over all hosts: MAX_IN_FLIGHT, else the slots that the servers name."""
        return self._settings.max_in_flight or sum(host.window for host in self._hosts)

    @property
    def fingerprints(self) -> Mapping[str, Fingerprint]:
        """The fingerprints of the models on the first host."""
        return self._hosts[0].fingerprints if self._hosts else {}

    def fingerprints_by_host(self) -> dict[str, list[Fingerprint]]:
        """By model: its fingerprint on each host."""
        models = dict.fromkeys(model for host in self._hosts for model in host.models)
        return {model: [host.fingerprints.get(model, Fingerprint()) for host in self._hosts] for model in models}

    def facts(self) -> dict[str, Any]:
        """What the run's header says of its servers and models.

        Its fingerprints are completed at each turn, because a server tells more of a model once it is loaded.
        """
        servers = [{"url": host.url, "kind": host.facts.kind, "version": host.facts.version} for host in self._hosts]
        return {
            "servers": servers,
            "fingerprints": self._recorded,
            "params": self._settings.params,
            "embedded": self._embedded,
        }

    def start_first_turn(self, model: str, cases: Sequence[Case] = ()) -> None:
        """Start the first model's turn, on all hosts at once: it is loaded where `--load` says so, and handshaken.

        With several hosts it is enough that one of them starts it: the scheduler takes over what is slow or has failed.
        The first of *cases* are asked meanwhile, where slots would wait for the handshake alone. Their exchanges are
        kept once there is a scheduler, so none of a refused model is.
        Raises `AskError` where no answer came, the model cannot be loaded, or the loaded model is not the pinned one;
        `ServerProblem` where the model does not answer CONFIRM and the settings or the user end the run for that.
        """
        # Found out first: the handshake may load the model, which then looks as if it had been loaded before.
        asks_meanwhile = self._asks_meanwhile(model)
        starting = {queue: queue.executor.submit(queue.start_turn, model) for queue in self._host_queues}
        if asks_meanwhile:
            self._ask_meanwhile(model, cases)
        _wait_until_one_has_started(list(starting.values()))
        for host_queue, start in starting.items():
            if start.done() and not isinstance(start.exception(), AskError):
                self.accept_turn(host_queue, model, start.result())
                host_queue.model = model
            else:
                self._late_turns.append((host_queue, model, start))

    def _asks_meanwhile(self, model: str) -> bool:
        """Whether cases are asked beside the handshake: it must neither load the model nor be able to end the run."""
        [queue, *others] = self._host_queues
        confirm = self._settings.confirm
        goes_on = confirm == "continue" or (confirm == "ask" and self._ask_user is None)
        is_ready = goes_on and not self._load and queue.host.listed(model).loaded is True
        # The embedded engine is started by the turn, and lists its models as loaded before.
        return is_ready and not others and not self._embedded and self._settings.executor == THREADS

    def _ask_meanwhile(self, model: str, cases: Sequence[Case]) -> None:
        queue = self._host_queues[0]
        first = {case.id: case for case in cases if case.model == model}.values()
        self._asked_meanwhile = [
            (queue, case, queue.executor.submit(queue.ask, case)) for case in islice(first, queue.window - 1)
        ]

    def accept_turn(self, host_queue: HostQueue, model: str, start: TurnStart) -> None:
        """Take note of how a model's turn started on a host. Raises as `start_first_turn` does."""
        host_queue.host = self._hosts[self._host_queues.index(host_queue)] = start.host
        self._record_fingerprints()
        self._warn_all(start.warnings)
        if start.said is not None:
            self._unacknowledged(model, start.said)
        self._started.add(model)

    def scheduler(self, recorder: ExchangeStore, *, ahead: int | None) -> Scheduler:
        """The scheduler that asks all hosts from now on, those too that join later."""
        scheduler = Scheduler(
            self._host_queues,
            recorder,
            on_turn_start=self.accept_turn,
            tell=self._warn,
            ahead=ahead,
            # A single host's own window is MAX_IN_FLIGHT already, and leaves room for a spare request.
            max_in_flight=None if self._alone else self._settings.max_in_flight,
            retry_limit=self._settings.request_retry_limit,
        )
        for host_queue, case, asked in self._asked_meanwhile:
            scheduler.take_over(host_queue, case, asked)
        for host_queue, model, start in self._late_turns:
            scheduler.await_turn(host_queue, model, start)
        self._pool.watch(partial(self._admit, scheduler))
        return scheduler

    def served_otherwise(self) -> list[ServedOtherwise]:
        """How the models that were asked differ from the pin now, one for each; by GET. Empty without a pin.

        A model that was unloaded after its turn has no context and no slots any more, so these are not compared.
        """
        if self._pin is None:
            return []
        return [why for host_queue in self._host_queues for why in self._differences(host_queue, self._pin)]

    def stop(self) -> None:
        """End every request at once, and the embedded engine with them."""
        if self._opened_pool is not None:
            self._opened_pool.close()

    @cached_property
    def _pin(self) -> Pin | None:
        return read_pin(self._settings.pin_path) if self._pinned else None

    @property
    def _pool(self) -> Pool:
        """The pool, made when it is first needed."""
        if self._opened_pool is None:
            self._opened_pool = self._embedded_pool() if self._embedded else pool_of(self._settings, self._warn)
        return self._opened_pool

    def _embedded_pool(self) -> Pool:
        if self._settings.executor != THREADS:
            raise UsageProblem(
                f"--embedded and EXECUTOR={self._settings.executor} do not go together: the embedded engine is "
                "asked by the main process alone. Leave one of them out."
            )
        return EnginePool(self.sized_models(), self._settings, self._warn, self._watch)

    def _context(self) -> int:
        """The context that the run's cases need, else, where there are none yet, that of the settings' own files."""
        if self._context_wanted is None:
            questions = read_questions(
                EvalFiles.of_marker((), {}, self._settings, "settings"), self._settings, Schemas()
            )
            self._context_wanted = context_wanted(questions.values(), 0, self._settings.max_tokens)
        return self._context_wanted

    def _host(self, found: FoundServer, models: Sequence[str]) -> Host:
        return Host(
            found.name,
            found.url,
            found.facts,
            models,
            # Several hosts share MAX_IN_FLIGHT, and none of them gets more than it has slots.
            max_in_flight=self._settings.max_in_flight if self._alone else None,
            client_limit=found.limit,
        )

    def _record_fingerprints(self) -> None:
        self._recorded.update({model: served.to_json() for model, served in self.fingerprints.items()})

    def _check(self, host: Host, spec: RunSpec) -> None:
        """Raise `ServerProblem` where the host cannot serve the run; warn where a context may be too small.

        A model that is not loaded yet is checked again at its turn.
        """
        for model in host.models:
            listed = host.listed(model)
            if spec.load:
                check_loadable(host.facts, listed, spec.settings.context_length)
            stays = not spec.load or is_loaded(listed, spec.settings.context_length)
            if spec.pin is not None:
                host.check_pin(spec.pin, model, loaded=stays)
                self._warn_all(spec.pin.other_server(host.fingerprints[model]))
            if stays:
                if problem := impossible_context(listed, spec.demand):
                    raise ServerProblem(problem)
                self._warn_all(context_warnings(host, model, spec))

    def _warn_of_waiting(self) -> None:
        known = [host.slots for host in self._hosts]
        slots = None if None in known else sum(filter(None, known))
        self._warn_all(needless_waiting(self._workers, self._settings.max_in_flight, slots, self.window))

    def _warn_of_schemas(self, constrained: Sequence[Question]) -> None:
        may_think = self._settings.reasoning_effort != ("none",)
        for host in self._hosts:
            for model in map(host.listed, host.models):
                for question in constrained:
                    self._warn_all(unenforced_schema(host.facts, model, question.schema, may_think=may_think))

    def _warn_all(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            self._warn(sentence)

    def _unacknowledged(self, model: str, excerpt: str) -> None:
        said = f"{model} did not answer the handshake with CONFIRM, but with {excerpt!r}"
        if self._settings.confirm == "require" and self._started:
            raise AskError("model_unavailable", f"{said}: CONFIRM=require asks it nothing more.")
        if self._settings.confirm == "require":
            raise ServerProblem(f"{said}: CONFIRM=require stops here; --confirm continue goes on all the same")
        if self._settings.confirm == "ask" and self._ask_user is not None and not self._started:
            if not self._ask_user(f"{said}. Go on?"):
                raise ServerProblem(f"{said}: stopped, as you said")
            return
        self._warn(f"{said}. The run goes on.")

    def _admit(self, scheduler: Scheduler, found: FoundServer) -> None:
        """Have a server asked that joined during the run, unless a check says that it cannot be."""
        assert self._spec is not None, "a scheduler is made after the servers have been checked"
        try:
            host = self._host(found, self._hosts[0].models)
            self._check(host, self._spec)
            [host_queue] = self._pool.host_queues([host], self._spec, spare=self._spare)
        except UsageProblem as problem:
            self._warn(f"{found.name} came and is not asked: {problem}")
            return
        self._hosts.append(host)
        self._host_queues.append(host_queue)
        self._warn(f"{found.name} came and is asked, too.")
        scheduler.add(host_queue)

    def _differences(self, host_queue: HostQueue, pin: Pin) -> list[ServedOtherwise]:
        try:
            host = host_queue.look()
        except ServerProblem as problem:
            unknown = f"it cannot be told whether the pinned model was asked to the end: {problem}"
            return [ServedOtherwise(unknown, host_queue.host.name)]
        asked = [model for model in host.models if model in self._started]
        return [ServedOtherwise(why, host.name, model) for model in asked if (why := host.pin_difference(pin, model))]


def _wait_until_one_has_started(starting: Sequence[Future[TurnStart]]) -> None:
    """Wait until a turn has started, and a moment longer for the others. Raises the first AskError if none starts."""
    pending = set(starting)
    while pending:
        done, pending = wait(pending, return_when=FIRST_COMPLETED)
        if any(not isinstance(start.exception(), AskError) for start in done):
            wait(pending, GRACE_SECONDS)
            return
    starting[0].result()


def _check_open_files(requests: int, workers: int) -> None:
    """Raise `UsageProblem` if this process may not open as many files as so many requests at once need."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415  Windows does not have it

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = len(os.listdir("/dev/fd")) + requests + workers * FILES_A_WORKER + SPARE_FILES  # noqa: PTH208
    if resource.RLIM_INFINITY != limit < needed:
        raise UsageProblem(
            f"This process may have {limit} files and sockets open (ulimit -n), but {requests} requests at once need "
            f"about {needed}. Raise the limit (ulimit -n 1024), or lower MAX_IN_FLIGHT."
        )


def pool_of(settings: Settings, warn: Callable[[str], None]) -> Pool:
    """The pool of servers that the settings name; nothing is asked or started yet. `warn` takes sentences for the user.

    Raises UsageProblem where EXECUTOR names Dask and Dask is not installed.
    """
    if settings.executor == THREADS:
        return LocalPool(settings.lm_studio_url, settings, warn)
    try:
        from plotbot.ask.dask.pool import DaskPool  # noqa: PLC0415  it takes half a second, and an extra
    except ModuleNotFoundError as missing:
        raise UsageProblem(
            f"EXECUTOR={settings.executor} needs Dask, but there is no {missing.name}: pip install 'plotbot[dask]'"
        ) from None
    return DaskPool(settings, version=__version__, warn=warn)
