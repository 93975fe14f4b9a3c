"""Servers one host, wherever that is done from: a model's turn begins with a greeting, then its cases are asked."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from plotbot.ask.servers.handshake import shake_hands
from plotbot.ask.servers.host import Host, find_server
from plotbot.ask.servers.loading import Loader, is_loaded
from plotbot.ask.servers.pin import Pin
from plotbot.ask.servers.preflight import Demand, hopeless, smaller_than_asked, tight
from plotbot.ask.transport.chat_client import ChatClient
from plotbot.ask.transport.retries import RetryPolicy
from plotbot.errors import AskError, ServerProblem
from plotbot.records import Case, Exchange, Fingerprint, Question
from plotbot.safe import one_line
from plotbot.settings import Settings

QUICK_SECONDS = 0.2
"""Up to here an answer is so quick that what passes between two of them shows: a few thousandths of a second."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a run wants of every host: its questions by hash, the pin that it keeps to, what its cases need.

    `load` has LM Studio load each model at its turn; `alone` says that there is no other host to go to.
    """

    settings: Settings
    questions: Mapping[str, Question]
    demand: Demand
    pin: Pin | None = None
    load: bool = False
    alone: bool = True


@dataclass(frozen=True, slots=True)
class TurnStart:
    """How a model's turn began on a host: what is known of the host now, and sentences that the user shall read.

    `said` is what the model answered instead of CONFIRM; None where it confirmed or was not greeted.
    """

    host: Host
    said: str | None
    warnings: tuple[str, ...]


class HostClient:
    """Asks one host for one run. *token* is this host's; nothing else of it is kept than what its requests carry."""

    def __init__(self, host: Host, spec: RunSpec, token: str | None) -> None:
        settings = spec.settings
        self.host = host
        self._errand = spec
        self._token = token
        self._entered: set[str] = set()
        self._loaded_here: list[str] = []
        self._usual_seconds = QUICK_SECONDS * 2
        self._loader = Loader(host.url, token=token, timeout=settings.load_timeout)
        self._client = ChatClient(
            host.url,
            name=host.name,
            params=settings.params,
            token=token,
            request_timeout=settings.request_timeout,
            retries=RetryPolicy(settings.request_retry_limit, only_host=spec.alone),
            known_as={model.id: model.instance_ids for model in host.facts.models if model.id in host.models},
            slot=FairSemaphore(lambda: self.at_once),
        )

    @property
    def at_once(self) -> int:
        """How many requests are let through to the server: the window.

        A server that answers in no time gets one more, which waits in its queue for the next slot, so that no slot is
        idle while an answer and a request are on their way. With longer answers that gains nothing and would cost:
        the wait is part of the seconds that are measured, and of REQUEST_TIMEOUT.
        """
        return self.host.window + (self.host.may_queue and self._usual_seconds < QUICK_SECONDS)

    def ask(self, case: Case) -> Exchange:
        """Ask a case. Raises CancelledError once this is closed, and nothing for a server's fault."""
        exchange = self._client.ask(case, self._errand.questions[case.prompt_hash])
        self.took(exchange.seconds)
        return replace(exchange, fingerprint=self.host.fingerprints.get(case.model, Fingerprint()))

    def took(self, seconds: float) -> None:
        """Learn how long an exchange took; the last few decide what is usual."""
        self._usual_seconds += (seconds - self._usual_seconds) / 8

    def start_turn(self, model: str) -> TurnStart:
        """A model's turn begins: it is loaded where the spec says so, then greeted, the first time.

        The greeting loads it before many ask at once, where nobody has. Raises `AskError` where no answer came, or
        where the model cannot be loaded or is not the pinned one then.
        """
        warnings: list[str] = []
        if self._errand.load:
            warnings += self._have_loaded(model)
        said = None
        if model not in self._entered and self._errand.settings.confirm != "skip":
            said, words = self._greet(model)
            warnings += words
        if model not in self._entered:
            self.host.identify(model)
        self._entered.add(model)
        return TurnStart(self.host, said, tuple(warnings))

    def probe(self) -> None:
        """Look whether the host still is what it was, by GET. Raises ServerProblem where it is not.

        One that was not is a new one when it comes back: its models are greeted again.
        """
        try:
            self.look()
            self.host.check_models()
            for model in self._entered:
                self._check_pin(model, loaded=self.host.told(model).loaded is not False)
        except ServerProblem:
            self._entered.clear()
            raise

    def look(self) -> Host:
        """The host as it is now: what its server says, by GET. Raises ServerProblem where it does not say."""
        self.host.learn(find_server(self.host.url, self._errand.settings, self._token, advise=False))
        return self.host

    def close(self) -> None:
        """End every request at once, with CancelledError in its thread."""
        self._client.close()

    def _have_loaded(self, model: str) -> list[str]:
        try:
            words = self._load(model, self._errand.settings.context_length)
        except ServerProblem as problem:
            raise AskError("model_unavailable", str(problem)) from None
        return words if model in self._entered else words + self._look_over_loaded(model)

    def _load(self, model: str, context_length: int | None) -> list[str]:
        """Have LM Studio load a model, unless it is loaded so; what was loaded here before makes room for it.

        Gives a sentence where a load of somebody else's had to go for it.
        """
        self.look()
        told = self.host.told(model)
        if is_loaded(told, context_length):
            return []
        # LM Studio evicts what was loaded on demand, but never what was loaded by name.
        for earlier in self._loaded_here:
            self._loader.unload(self.host.told(earlier))
        self._loaded_here = [model]
        self._loader.load(told, model, context_length)
        self.look()
        if not told.loaded:
            return []
        before = f"{one_line(model, 120)} was loaded with a context of {told.context_length} tokens"
        return [f"{before}; it was unloaded and loaded with {context_length}."]

    def _greet(self, model: str) -> tuple[str | None, list[str]]:
        prompt = next(iter(self._errand.questions.values())).prompt
        handshake = shake_hands(self._client, model, prompt, load_timeout=self._errand.settings.load_timeout)
        fault, reply = handshake.exchange.fault, handshake.exchange.reply
        if fault is not None:
            raise AskError(fault.category, fault.message)
        said = None if handshake.acknowledged else one_line(reply.content if reply else "", 60)
        if self.host.told(model).loaded is not False:
            return said, []
        try:
            self.look()
        except ServerProblem as problem:
            raise AskError("unreachable", str(problem)) from None
        return said, self._look_over_loaded(model)

    def _look_over_loaded(self, model: str) -> list[str]:
        """What can be said of a model that was loaded just now. Raises `AskError`: other models' turns may go well."""
        self.host.identify(model)
        try:
            self._check_pin(model, loaded=True)
        except ServerProblem as problem:
            raise AskError("wrong_model", str(problem)) from None
        if too_small := hopeless(self.host.told(model), self._errand.demand):
            raise AskError("context_overflow", too_small)
        return tight_words(self.host, model, self._errand)

    def _check_pin(self, model: str, *, loaded: bool) -> None:
        pin = self._errand.pin
        if pin is not None and (problem := self.host.otherwise(pin, model, loaded=loaded)):
            raise ServerProblem(problem)


def tight_words(host: Host, model: str, spec: RunSpec) -> list[str]:
    """Where the context that is loaded may not suffice."""
    told = host.told(model)
    words = (tight(told, spec.demand, host.window), smaller_than_asked(told, spec.settings.context_length))
    return [word for word in words if word is not None]


class FairSemaphore:
    """A fair (FIFO) semaphore as a context manager: the thread that has waited longest enters next.

    *count* is called at each entry and exit, because a server tells its number of slots only once the model is loaded.
    `threading.Semaphore` keeps no order: a thread that comes back at once can overtake a waiting one again and again,
    and with it the case that the next test needs.
    """

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self._taken = 0
        self._lock = threading.Lock()
        self._turns: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        turn = threading.Lock()
        turn.acquire()
        with self._lock:
            self._turns.append(turn)
            self._let_in()
        turn.acquire()

    def __exit__(self, *_exception: object) -> None:
        with self._lock:
            self._taken -= 1
            self._let_in()

    def _let_in(self) -> None:
        while self._turns and self._taken < self._count():
            self._taken += 1
            self._turns.popleft().release()
