"""Asks one host, from any process: a model's turn starts with its loading and its handshake, then come its cases."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from plotbot.ask.servers.handshake import shake_hands
from plotbot.ask.servers.host import Host, find_server
from plotbot.ask.servers.loading import Loader, is_loaded
from plotbot.ask.servers.pin import Pin
from plotbot.ask.servers.preflight import Demand, impossible_context, smaller_than_asked, tight_context
from plotbot.ask.transport.chat_client import ChatClient
from plotbot.ask.transport.retries import RetryPolicy
from plotbot.errors import AskError, ServerProblem
from plotbot.fingerprint import Fingerprint
from plotbot.records import Case, Exchange, Question
from plotbot.safe import one_line
from plotbot.settings import Settings

QUICK_SECONDS = 0.2
"""Below this the few milliseconds between an answer and the next request are a loss that shows."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a host must know of a run: its settings, its questions by hash, the demand of its cases, its pin.

    `load` has LM Studio load each model at its turn; `alone` says that the run has no other host.
    """

    settings: Settings
    questions: Mapping[str, Question]
    demand: Demand
    pin: Pin | None = None
    load: bool = False
    alone: bool = True


@dataclass(frozen=True, slots=True)
class TurnStart:
    """How a model's turn started on a host: what is known of the host now, and sentences for the user.

    `said` is what the model answered instead of CONFIRM; None where it confirmed or no handshake was made.
    """

    host: Host
    said: str | None
    warnings: tuple[str, ...]


class HostClient:
    """Asks one host for one run, with the host's own *token*."""

    def __init__(self, host: Host, spec: RunSpec, token: str | None) -> None:
        settings = spec.settings
        self.host = host
        self._spec = spec
        self._token = token
        self._started: set[str] = set()
        self._loaded_here: list[str] = []
        self._usual_seconds = QUICK_SECONDS * 2
        self._loader = Loader(host.url, token=token, timeout=settings.load_timeout)
        self._client = ChatClient(
            host.url,
            name=host.name,
            params=settings.first_params,
            token=token,
            request_timeout=settings.request_timeout,
            retries=RetryPolicy(settings.request_retry_limit, only_host=spec.alone),
            known_as={model.id: model.instance_ids for model in host.facts.models if model.id in host.models},
            slot=FairSemaphore(lambda: self.at_once),
        )

    @property
    def at_once(self) -> int:
        """How many requests are let through to the server: the window.

        A server that answers within `QUICK_SECONDS` gets one more, which waits in its queue, so that no slot is idle
        while an answer and the next request are on their way. With slower answers that would gain nothing, and the
        wait would count in the measured seconds and in REQUEST_TIMEOUT.
        """
        return self.host.window + (self.host.may_queue and self._usual_seconds < QUICK_SECONDS)

    def ask(self, case: Case) -> Exchange:
        """Ask a case; a server's fault is in the exchange. Raises CancelledError once this is closed."""
        exchange = self._client.ask(case, self._spec.questions[case.prompt_hash])
        self.took(exchange.seconds)
        return replace(exchange, fingerprint=self.host.fingerprints.get(case.model, Fingerprint()))

    def took(self, seconds: float) -> None:
        """Learn how many seconds an exchange took, for a moving average."""
        self._usual_seconds += (seconds - self._usual_seconds) / 8

    def start_turn(self, model: str) -> TurnStart:
        """Start a model's turn: it is loaded where the run spec says so, and the first time its handshake is made.

        A model that is not loaded is loaded by the handshake, before many requests at once would have to wait for that.
        Raises `AskError` where no answer came, the model cannot be loaded, or the loaded model is not the pinned one.
        """
        warnings: list[str] = []
        if self._spec.load:
            warnings += self._load(model)
        said = None
        if model not in self._started and self._spec.settings.confirm != "skip":
            said, more = self._shake_hands(model)
            warnings += more
        if model not in self._started:
            self.host.identify(model)
        self._started.add(model)
        return TurnStart(self.host, said, tuple(warnings))

    def probe(self) -> None:
        """Check by GET that the host answers and serves what it did. Raises ServerProblem where it does not.

        A host that has failed this counts as new when it comes back: handshakes are made again.
        """
        try:
            self.look()
            self.host.check_models()
            for model in self._started:
                self._check_pin(model)
        except ServerProblem:
            self._started.clear()
            raise

    def look(self) -> Host:
        """The host with what its server says now, by GET. Raises ServerProblem where it says nothing."""
        self.host.update(find_server(self.host.url, self._spec.settings, self._token, advise=False))
        return self.host

    def close(self) -> None:
        """End every request at once, with CancelledError in its thread."""
        self._client.close()

    def _load(self, model: str) -> list[str]:
        """Have LM Studio load a model, unless it is loaded as wanted; gives warnings. Raises `AskError`."""
        try:
            replaced = self._load_as_wanted(model, self._spec.settings.context_length)
        except ServerProblem as problem:
            raise AskError("model_unavailable", str(problem)) from None
        return replaced if model in self._started else replaced + self._check_loaded(model)

    def _load_as_wanted(self, model: str, context_length: int | None) -> list[str]:
        """Gives a warning where the model was loaded already, with less context, and had to be unloaded for this."""
        self.look()
        listed = self.host.listed(model)
        if is_loaded(listed, context_length):
            return []
        # LM Studio makes room by unloading models that a request loaded, but never those loaded by name.
        for earlier in self._loaded_here:
            self._loader.unload(self.host.listed(earlier))
        self._loaded_here = [model]
        self._loader.load(listed, model, context_length)
        self.look()
        if not listed.loaded:
            return []
        before = f"{one_line(model, 120)} was loaded with a context of {listed.context_length} tokens"
        return [f"{before}; it was unloaded and loaded with {context_length}."]

    def _shake_hands(self, model: str) -> tuple[str | None, list[str]]:
        """What the model said instead of CONFIRM, if it did, and warnings. Raises `AskError`."""
        handshake = shake_hands(self._client, model, load_timeout=self._spec.settings.load_timeout)
        fault, reply = handshake.exchange.fault, handshake.exchange.reply
        if fault is not None and fault.category == "timeout":
            seconds = self._spec.settings.load_timeout
            raise AskError(
                "timeout",
                f"{self.host.name} accepted the handshake and gave no answer within {seconds:g} seconds. "
                "Look at its log and start it again; raise LOAD_TIMEOUT if it loads the model for longer.",
            )
        if fault is not None:
            raise AskError(fault.category, fault.message)
        said = None if handshake.acknowledged else one_line(reply.content if reply else "", 60)
        if self.host.listed(model).loaded is not False:
            return said, []
        try:
            self.look()
        except ServerProblem as problem:
            raise AskError("unreachable", str(problem)) from None
        return said, self._check_loaded(model)

    def _check_loaded(self, model: str) -> list[str]:
        """Check a model that was loaded just now; gives warnings. Raises `AskError`, which ends its turn only."""
        self.host.identify(model)
        try:
            self._check_pin(model, loaded=True)
        except ServerProblem as problem:
            raise AskError("wrong_model", str(problem)) from None
        if too_small := impossible_context(self.host.listed(model), self._spec.demand):
            raise AskError("context_overflow", too_small)
        return context_warnings(self.host, model, self._spec)

    def _check_pin(self, model: str, *, loaded: bool | None = None) -> None:
        if self._spec.pin is not None:
            self.host.check_pin(self._spec.pin, model, loaded=loaded)


def context_warnings(host: Host, model: str, spec: RunSpec) -> list[str]:
    """Warnings that a model is loaded with less context than the run may need, or than CONTEXT_LENGTH."""
    listed = host.listed(model)
    found = (tight_context(listed, spec.demand, host.window), smaller_than_asked(listed, spec.settings.context_length))
    return [warning for warning in found if warning is not None]


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
