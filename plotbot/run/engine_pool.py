"""The embedded engine as a pool with one host, whose address exists only while one of its models has its turn.

One engine runs at a time: it is started at its model's turn, and has ended, its memory free, before the
next one starts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from plotbot.ask.embedded.engine import EmbeddedEngine, EngineOptions, check_loadable, engine_version
from plotbot.ask.embedded.memory import memory
from plotbot.ask.schedule.host_queue import HostQueue
from plotbot.ask.schedule.pool import FoundServer
from plotbot.ask.schedule.thread_executor import ThreadExecutor
from plotbot.ask.servers.discovery import ServerFacts
from plotbot.ask.servers.host import Host, find_server
from plotbot.ask.servers.host_client import HostClient, RunSpec, TurnStart
from plotbot.errors import AskError, EngineError, ServerProblem
from plotbot.records import Attempt, Case, Exchange, Fault
from plotbot.run.embedded_models import EmbeddedModel, sha256_shown, share, size_text, too_large
from plotbot.safe import one_line
from plotbot.settings import Settings

if TYPE_CHECKING:
    from plotbot.run.kept_engine import KeptEngine, WatchLink

NAME = "embedded"
_CUT_OFF = frozenset({"unreachable", "protocol"})
"""The faults of a request whose server has just ended."""
_END_SECONDS = 1.0


class EnginePool:
    """The embedded engine's models, as a pool of one host. `warn` takes sentences for the user.

    The engines are those of *watch*, if a watch has started this run.
    """

    def __init__(
        self,
        models: Sequence[EmbeddedModel],
        settings: Settings,
        warn: Callable[[str], None],
        watch: WatchLink | None = None,
    ) -> None:
        self._models = models
        self._settings = settings
        self._warn = warn
        self._watch = watch
        self._executor: ThreadExecutor | None = None
        self._client: EngineClient | None = None
        self._reading: str | None = None

    @property
    def several(self) -> bool:
        return False

    @property
    def activity(self) -> str | None:
        """What is waited for before anything can be asked, for the progress line."""
        return self._reading or (self._client.loading if self._client else None)

    def first(self) -> ServerFacts:
        return self.servers()[0].facts

    def servers(self) -> list[FoundServer]:
        """The one host, known from the files alone.

        Raises `EngineError` for a model that cannot fit in memory, or that the engine refuses.
        """
        for model in self._models:
            if not model.packaged:
                check_loadable(model.options)
            if (problem := too_large(model, memory())) is not None:
                self._warn(problem)
        listed = tuple(model.listed(self._sha256(model)) for model in self._models)
        facts = ServerFacts(NAME, "llama-server", None, listed, engine_version())
        return [FoundServer(NAME, NAME, facts)]

    def host_queues(self, hosts: Sequence[Host], spec: RunSpec, *, spare: int) -> list[HostQueue]:
        [host] = hosts
        executor = self._executor = ThreadExecutor()
        models = {model.name: model for model in self._models}
        client = self._client = EngineClient(host, spec, models, self._warn, self._watch)
        return [HostQueue(host, executor, client.ask, client.start_turn, client.probe, client.look, spare)]

    def watch(self, arrived: Callable[[FoundServer], None]) -> None:
        """Do nothing: no other engine joins."""

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        if self._executor is not None:
            self._executor.shutdown(wait=False)

    def _sha256(self, model: EmbeddedModel) -> str:
        def show(text: str) -> None:
            self._reading = text

        try:
            return sha256_shown(model, self._settings, show)
        finally:
            self._reading = None


@dataclass(frozen=True, slots=True, eq=False)
class _Serving:
    """An engine that runs, and who asks it. `again` says that it was started in the place of one that had ended."""

    engine: EmbeddedEngine | KeptEngine
    client: HostClient
    again: bool

    @property
    def model(self) -> str:
        return self.engine.options.alias


class EngineClient:
    """Asks the engine's models, and starts, ends and once a turn restarts the engine. Any thread may call it."""

    def __init__(
        self,
        host: Host,
        spec: RunSpec,
        models: Mapping[str, EmbeddedModel],
        warn: Callable[[str], None],
        watch: WatchLink | None,
    ) -> None:
        self._host = host
        self._spec = spec
        self._models = models
        self._warn = warn
        self._watch = watch
        self._turn = threading.Lock()
        self._closed = False
        self._engine: EmbeddedEngine | KeptEngine | None = None
        self._began = 0.0
        self._serving: _Serving | None = None

    @property
    def loading(self) -> str | None:
        """How much of the memory that it needs a model has filled while it loads; None while none does."""
        engine, began = self._engine, self._began
        if engine is None or engine.url or self._closed:
            return None
        done, size = engine.loaded_bytes, self._models[engine.options.alias].needed_bytes
        how_far = size_text(size) if done is None else share(done, size)
        return f"loading {one_line(engine.options.alias, 60)}: {how_far}, {_since(began):.0f} s"

    def start_turn(self, model: str) -> TurnStart:
        """End the engine of the turn before and start the model's own, then make its handshake. Raises `AskError`."""
        with self._turn:
            if self._serving is None or self._serving.model != model or self._serving.engine.has_ended():
                self._end()
                try:
                    self._serving = self._start(model, again=False)
                except (EngineError, ServerProblem) as problem:
                    raise AskError("model_unavailable", str(problem)) from None
            serving = self._serving
        try:
            return serving.client.start_turn(model)
        except (AskError, CancelledError) as error:
            if self._closed or not self._has_ended(serving, error):
                raise
            raise AskError("model_crashed", f"{model}: {serving.engine.how_it_ended()}") from None

    def ask(self, case: Case) -> Exchange:
        """Ask a case, a second time where the engine ended meanwhile and could be started again.

        Raises CancelledError once this is closed.
        """
        attempts: tuple[Attempt, ...] = ()
        while True:
            serving = self._serving
            assert serving is not None, "a case is asked in its model's turn"
            at, began = datetime.now(UTC).isoformat(timespec="milliseconds"), time.monotonic()
            exchange = self._asked(serving, case)
            if exchange is not None:
                return replace(exchange, attempts=(*attempts, *exchange.attempts))
            fault = Fault("model_crashed", f"{case.model}: {serving.engine.how_it_ended()}")
            attempts = (*attempts, Attempt(at, _since(began), None, fault, self._host.name))
            if not self._started_again(serving):
                fingerprint = self._host.fingerprints[case.model]
                return Exchange(case.id, case.model, at, _since(began), attempts, fault=fault, fingerprint=fingerprint)

    def probe(self) -> None:
        """Check that the engine answers. Raises ServerProblem where it does not."""
        self._live_facts()

    def look(self) -> Host:
        """The host. Raises ServerProblem where the engine does not answer."""
        self._live_facts()
        return self._host

    def close(self) -> None:
        """End every request and the engine at once, also one that is loading. Raises nothing in this thread."""
        self._closed = True
        engine = self._engine
        if self._serving is not None:
            self._serving.client.close()
        if engine is not None:
            engine.stop()

    def _asked(self, serving: _Serving, case: Case) -> Exchange | None:
        """The case's exchange; None where the engine ended before it was complete."""
        try:
            exchange = serving.client.ask(case)
        except CancelledError as error:
            if self._closed or not self._has_ended(serving, error):
                raise
            return None
        if exchange.fault is not None and self._has_ended(serving, exchange.fault) and not self._closed:
            return None
        return exchange

    def _has_ended(self, serving: _Serving, why: AskError | CancelledError | Fault) -> bool:
        """Whether a request failed because its engine ended. The system closes its sockets a moment before that."""
        cut_off = isinstance(why, CancelledError) or why.category in _CUT_OFF
        return cut_off and serving.engine.has_ended(_END_SECONDS)

    def _started_again(self, ended: _Serving) -> bool:
        """Whether an engine runs in the place of *ended*. One that has been started again is not, a second time."""
        with self._turn:
            if self._serving is not ended:
                return True
            if ended.again or self._closed:
                return False
            why = ended.engine.how_it_ended()
            try:
                self._serving = self._start(ended.model, again=True)
            except (EngineError, ServerProblem) as problem:
                self._warn(f"{ended.model}: {why} It could not be started again: {problem}")
                return False
            self._warn(f"{ended.model}: {why} It was started again, once; its open cases are asked again.")
            return True

    def _start(self, model: str, *, again: bool) -> _Serving:
        """Raises `EngineError`, `ServerProblem`, and CancelledError once this is closed."""
        self._began = time.monotonic()
        engine = self._engine = self._new_engine(self._models[model].options)
        if self._closed:
            engine.stop()
            raise CancelledError
        try:
            engine.wait_until_ready(self._spec.settings.load_timeout)
            self._host.url = engine.url
            self._learn(model, find_server(engine.url, self._spec.settings, None, advise=False))
        except (EngineError, ServerProblem):
            if self._closed:
                raise CancelledError from None
            engine.stop()
            raise
        serving = _Serving(engine, HostClient(self._host, self._spec, None), again)
        threading.Thread(target=self._end_requests, args=(serving,), name="plotbot-engine-watch", daemon=True).start()
        return serving

    def _new_engine(self, options: EngineOptions) -> EmbeddedEngine | KeptEngine:
        if self._watch is None:
            return EmbeddedEngine(options)
        return self._watch.engine(options, self._spec.settings.load_timeout)

    def _learn(self, model: str, live: ServerFacts) -> None:
        """Take context and slots from the engine itself: they are what it really has."""
        told = live.model(model)
        if told is not None:
            facts = self._host.facts
            models = tuple(
                replace(one, context_length=told.context_length, slots=told.slots) if one.id == model else one
                for one in facts.models
            )
            self._host.update(replace(facts, models=models))

    def _end(self) -> None:
        if self._serving is not None:
            self._serving.engine.stop()

    def _live_facts(self) -> ServerFacts:
        serving = self._serving
        if serving is None or serving.engine.has_ended():
            raise ServerProblem("the embedded engine has ended")
        return find_server(serving.engine.url, self._spec.settings, None, advise=False)

    def _end_requests(self, serving: _Serving) -> None:
        """Once the engine has ended no answer comes any more; without this the requests would be tried again."""
        serving.engine.wait()
        serving.client.close()


def _since(began: float) -> float:
    return time.monotonic() - began
