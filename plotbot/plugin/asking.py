"""The servers that a run asks: found, checked, loaded, greeted, asked. Nothing here knows of pytest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from plotbot.ask.embedded import MODEL_ID, EmbeddedEngine
from plotbot.ask.handshake import Handshake, shake_hands
from plotbot.ask.host import Host, find_server
from plotbot.ask.loading import check_loadable, is_loaded, start_embedded
from plotbot.ask.pin import Pin, read_pin
from plotbot.ask.preflight import Demand, demand_of, hopeless, smaller_than_asked, tight, too_many, unconstrained
from plotbot.ask.server import ServerFacts, resolve_models
from plotbot.errors import AskError, ServerProblem
from plotbot.records import Case, Exchange, Question
from plotbot.safe import one_line
from plotbot.settings import Settings


class Asking:
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
        self._pin: Pin | None = None
        self._demand = Demand(0, 0, settings.max_tokens)
        self._models: tuple[str, ...] = ()
        self._facts: dict[str, ServerFacts] = {}
        self._hosts: list[Host] = []
        self._entered: set[str] = set()
        self._picking = threading.Lock()

    def models(self) -> tuple[str, ...]:
        """The models to plan for: what the settings name, else what is pinned, else the one that is loaded.

        Only for the last the server is asked. Raises `ServerProblem`, and `InputError` for a pin that cannot be used.
        """
        if self._embedded:
            return (MODEL_ID,)
        if self._settings.model:
            return self._settings.model
        if self._pinned:
            return tuple(self._the_pin().models)
        return resolve_models(self._discover(self._settings.lm_studio_url[0]), ())

    def connect(self, cases: Sequence[Case], questions: Mapping[str, Question]) -> None:
        """Start the embedded engine where it is wanted, and look every server over, by GET only.

        Raises `EngineError`; `ServerProblem` for a server that is not there, lacks a model, serves another one than
        the pinned or can answer none of the cases; `InputError` for a pin that cannot be used.
        """
        if self._pinned:
            self._pin = self._the_pin()
        self._models = tuple(dict.fromkeys(case.model for case in cases))
        self._demand = demand_of(cases, questions, self._settings.max_tokens)
        self._hosts = [self._host(url) for url in self._urls()]
        for host, model in self._pairs():
            self._look_over(host, model)
        self._look_over_load()
        self._look_over_schemas(
            {case.prompt_hash for case in cases if case.response_format == "json_schema"}, questions
        )

    @property
    def window(self) -> int:
        """How many requests may be in flight, over all hosts: MAX_IN_FLIGHT, else the slots that the servers name."""
        return self._settings.max_in_flight or sum(host.window for host in self._hosts)

    @property
    def in_hand(self) -> int:
        """How many cases may be worked on at once: those in flight and, with one host, one whose request is written.

        It goes out the moment a slot is free. With several hosts it might wait for a busy one beside an idle one.
        """
        return self.window + (len(self._hosts) == 1)

    def facts(self) -> dict[str, Any]:
        """What the run's header says of its servers and models.

        The fingerprints are those of the first host, and stay so: more is known of a model once it is loaded.
        """
        servers = [{"url": host.url, "kind": host.facts.kind, "version": host.facts.version} for host in self._hosts]
        fingerprints = self._hosts[0].fingerprints if self._hosts else {}
        return {
            "servers": servers,
            "fingerprints": fingerprints,
            "params": self._settings.params,
            "embedded": self._embedded,
        }

    def enter(self, model: str, prompt: str) -> None:
        """A model's turn begins: it is loaded where `--load` says so, then greeted, once a run and on every host.

        The greeting loads it before many ask at once, where nobody has. Raises `AskError` where no answer came, where
        the model cannot be loaded or is not the pinned one then, or a later model does not say the CONFIRM that is
        required; `ServerProblem` where the user wants no run without it.
        """
        for host in self._hosts:
            if self._load:
                self._have_loaded(host, model)
            if model not in self._entered and self._settings.confirm != "skip":
                self._greet(host, model, prompt)
        self._entered.add(model)

    def ask(self, case: Case, question: Question) -> Exchange:
        """Ask the host with the fewest of this run's requests in flight."""
        with self._picking:
            host = min(self._hosts, key=lambda host: host.in_flight)
            host.in_flight += 1
        try:
            exchange = host.client.ask(case, question)
        finally:
            with self._picking:
                host.in_flight -= 1
        host.took(exchange.seconds)
        return replace(exchange, fingerprint=host.fingerprints.get(case.model, {}))

    def served_otherwise(self) -> list[str]:
        """In what the models that were asked are not the pinned ones any more, a sentence for each; by GET.

        Empty without a pin. Of a model that was unloaded after its turn its context and slots are not known any more.
        """
        if self._pin is None:
            return []
        return [why for host in self._hosts for why in self._served_otherwise(host, self._pin)]

    def stop(self) -> None:
        """End every request at once, and the embedded engine with them."""
        for host in self._hosts:
            host.client.close()
        if self._engine is not None:
            self._engine.stop()

    def _the_pin(self) -> Pin:
        return self._pin or read_pin(self._settings.pin_path)

    def _urls(self) -> Sequence[str]:
        if not self._embedded:
            return self._settings.lm_studio_url
        self._engine = start_embedded(self._settings)
        return (self._engine.url,)

    def _host(self, url: str) -> Host:
        facts = self._discover(url)
        return Host(url, facts, self._models, self._settings, token=self._token(), engine=self._engine)

    def _discover(self, url: str) -> ServerFacts:
        if url not in self._facts:
            self._facts[url] = find_server(url, self._settings, self._token())
        return self._facts[url]

    def _token(self) -> str | None:
        token = self._settings.lm_api_token
        return None if token is None or self._embedded else token.reveal()

    def _pairs(self) -> Iterator[tuple[Host, str]]:
        return ((host, model) for host in self._hosts for model in self._models)

    def _look_over(self, host: Host, model: str) -> None:
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
            if problem := hopeless(told, self._demand):
                raise ServerProblem(problem)
            self._say_if_tight(host, model)

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

    def _look_over_loaded(self, host: Host, model: str) -> None:
        """The same for a model that was loaded just now. Raises `AskError`: other models' turns may go well."""
        host.identify(model)
        if self._pin is not None and (problem := host.otherwise(self._pin, model, loaded=True)):
            raise AskError("wrong_model", problem)
        if problem := hopeless(host.told(model), self._demand):
            raise AskError("context_overflow", problem)
        self._say_if_tight(host, model)

    def _say_if_tight(self, host: Host, model: str) -> None:
        told = host.told(model)
        self._say(tight(told, self._demand, -(-self.window // len(self._hosts))))
        self._say(smaller_than_asked(told, self._settings.context_length))

    def _say(self, word: str | None) -> None:
        if word is not None:
            self._warn(word)

    def _have_loaded(self, host: Host, model: str) -> None:
        try:
            self._say(host.have_loaded(model, self._settings.context_length))
        except ServerProblem as problem:
            raise AskError("model_unavailable", str(problem)) from None
        if model not in self._entered:
            self._look_over_loaded(host, model)

    def _greet(self, host: Host, model: str, prompt: str) -> None:
        handshake = shake_hands(host.client, model, prompt, load_timeout=self._settings.load_timeout)
        if handshake.exchange.fault is not None:
            raise AskError(handshake.exchange.fault.category, handshake.exchange.fault.message)
        if not handshake.acknowledged:
            self._unacknowledged(model, handshake)
        if host.told(model).loaded is False:
            self._look_at_what_was_loaded(host, model)

    def _look_at_what_was_loaded(self, host: Host, model: str) -> None:
        try:
            host.look_again()
        except ServerProblem as problem:
            raise AskError("unreachable", str(problem)) from None
        self._look_over_loaded(host, model)

    def _unacknowledged(self, model: str, handshake: Handshake) -> None:
        reply = handshake.exchange.reply
        excerpt = one_line(reply.content if reply else "", 60)
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

    def _served_otherwise(self, host: Host, pin: Pin) -> list[str]:
        try:
            host.look_again()
        except ServerProblem as problem:
            return [f"it cannot be told whether the pinned model was asked to the end: {problem}"]
        found = (
            host.otherwise(pin, model, loaded=host.told(model).loaded is not False)
            for model in self._models
            if model in self._entered
        )
        return [why for why in found if why is not None]
