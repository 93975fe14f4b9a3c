"""Asks one server: turns a case into an exchange, retries included. Every fault of the server ends in an exchange."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from plotbot.ask.transport import open_session
from plotbot.ask.transport.auth import Auth
from plotbot.ask.transport.completions import has_choices, parse, reply_from
from plotbot.ask.transport.prompts import Conversations, Message
from plotbot.ask.transport.retries import RetryPolicy, is_transient, retry_after_seconds
from plotbot.ask.transport.server_errors import SUCCESSES, ServerFault, classify
from plotbot.ask.transport.urls import base_url, chat_url, same_model
from plotbot.errors import AskError
from plotbot.records import Attempt, Case, Exchange, Fault, Question, Reply
from plotbot.safe import one_line

if TYPE_CHECKING:
    from plotbot.ask.transport.http import HttpAnswer

REPLY_CAP_BYTES = 8 * 1024 * 1024
RAW_CAP_BYTES = 64 * 1024
_ENCODE = json.JSONEncoder(allow_nan=False).encode
_LENGTH_HEADERS = frozenset({"content-length", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class _Request:
    """One chat completion to ask for: its encoded body, and how many seconds an attempt may take."""

    case: str
    model: str
    params: Mapping[str, Any]
    body: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How one attempt ended. `retry_after` is the pause in seconds that the server asks for."""

    attempt: Attempt
    reply: Reply | None = None
    raw: bytes = b""
    transient: bool = False
    retry_after: float = 0.0


class ChatClient:
    """Asks one server for chat completions; safe for any number of threads.

    *params* go into every request under the API's names (`temperature`, `max_tokens`, …), except those that are None.
    *name* is the server's name in attempts. *known_as* lists other names under which a model may answer (its
    instances). *retries* decides about further attempts. *slot* is held only while an attempt is in flight, so that a
    waiting thread has its request already encoded. *stop*, once set, ends every pause.
    """

    def __init__(  # noqa: PLR0913  each can differ between servers, users or tests
        self,
        url: str,
        *,
        params: Mapping[str, Any],
        name: str | None = None,
        token: str | None = None,
        request_timeout: float = 90.0,
        retries: RetryPolicy | None = None,
        known_as: Mapping[str, Collection[str]] | None = None,
        slot: AbstractContextManager[object] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self.url = chat_url(url)
        self.host = name or base_url(url).partition("://")[2]
        self.params = {name: value for name, value in params.items() if value is not None}
        self._auth = Auth(token)
        self._request_timeout = request_timeout
        self._retries = retries or RetryPolicy()
        self._known_as = known_as or {}
        self._slot = slot or nullcontext()
        self._stop = stop or threading.Event()
        self._http = open_session()
        self._conversations = Conversations()

    def ask(self, case: Case, question: Question) -> Exchange:
        """Ask a case; a server's fault is in the exchange. Raises CancelledError once this is closed or stopped."""
        messages = self._conversations.about(question, case.title)
        schema = question.schema if case.response_format == "json_schema" else None
        params = own_params(case)
        return self.converse(case.model, messages, case=case.id, params=params, schema=schema)

    def converse(
        self,
        model: str,
        messages: Sequence[Message],
        *,
        case: str = "",
        params: Mapping[str, Any] | None = None,
        schema: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Exchange:
        """Ask for one chat completion, constrained by *schema* if there is one. *timeout* is in seconds per attempt.

        *params* replace the client's of the same name.
        A server's fault is in the exchange. Raises CancelledError once the client is closed or stopped.
        """
        params = {**self.params, **(params or {})}
        body: dict[str, Any] = {"model": model, "messages": list(messages), "stream": False, **params}
        if schema is not None:
            body["response_format"] = _response_format(schema)
            params = {**params, "response_format": "json_schema"}
        encoded = _ENCODE(body).encode("ascii")
        return self._send(_Request(case, model, params, encoded, timeout or self._request_timeout))

    def close(self) -> None:
        """End every request and every pause at once, with CancelledError in its thread."""
        self._stop.set()
        self._http.close()

    def _send(self, request: _Request) -> Exchange:
        attempts: list[Attempt] = []
        while True:
            outcome = self._attempt(request)
            attempts.append(outcome.attempt)
            fault = outcome.attempt.fault
            if fault is None or not outcome.transient or not self._retries.allows(fault, len(attempts)):
                return _exchange(request, attempts, outcome)
            if self._stop.wait(self._retries.pause_seconds(len(attempts), outcome.retry_after)):
                raise CancelledError

    def _attempt(self, request: _Request) -> _Outcome:
        with self._slot:
            if self._stop.is_set():
                raise CancelledError
            at, started = datetime.now(UTC).isoformat(timespec="milliseconds"), time.monotonic()
            try:
                answer = self._post(request)
            except AskError as error:
                fault = Fault(error.category, self._auth.redact(error.message))
                attempt = Attempt(at, time.monotonic() - started, None, fault, self.host)
                return _Outcome(attempt, transient=is_transient(error.category))
        return self._read(answer, request.model, at)

    def _post(self, request: _Request) -> HttpAnswer:
        return self._http.request(
            "POST",
            self.url,
            headers=self._auth.headers,
            json_body=request.body,
            deadline_seconds=request.seconds,
            cap_bytes=REPLY_CAP_BYTES,
        )

    def _read(self, answer: HttpAnswer, model: str, at: str) -> _Outcome:
        read = _reply_or_fault(answer)
        if isinstance(read, Reply):
            read = self._checked(read, model)
        if isinstance(read, Reply):
            return _Outcome(Attempt(at, answer.seconds, answer.status, None, self.host), reply=read)
        fault = Fault(read.fault.category, self._auth.redact(read.fault.message))
        return _Outcome(
            Attempt(at, answer.seconds, answer.status, fault, self.host),
            raw=self._auth.redact_bytes(answer.body[:RAW_CAP_BYTES]),
            transient=read.transient,
            retry_after=retry_after_seconds(answer.headers),
        )

    def _checked(self, reply: Reply, model: str) -> Reply | ServerFault:
        """The reply, or the fault `wrong_model` if another model gave it. A reply that names no model is accepted."""
        if reply.model is None or reply.model == model:
            return reply
        if any(same_model(name, reply.model) for name in (model, *self._known_as.get(model, ()))):
            return reply
        mismatch = f"Asked for {one_line(model, 120)}, but {one_line(reply.model, 120)} answered."
        fault = Fault("wrong_model", f"{mismatch} Load the model that is wanted, or name the loaded one.")
        return ServerFault(fault, transient=False)


def own_params(case: Case) -> dict[str, Any]:
    """The parameters that a case's request has in place of, or beside, those of all requests."""
    return {**case.params, "seed": case.seed}


def params_sent(params: Mapping[str, Any], case: Case) -> dict[str, Any]:
    """The parameters that are on record for a case, of a run whose requests state *params*."""
    constrained = {"response_format": "json_schema"} if case.response_format == "json_schema" else {}
    return {**{name: value for name, value in params.items() if value is not None}, **own_params(case), **constrained}


def _reply_or_fault(answer: HttpAnswer) -> Reply | ServerFault:
    """The reply in an answer, or its fault. A successful status proves nothing: errors come with status 200, too."""
    if answer.status in SUCCESSES:
        try:
            data = parse(answer.body)
            if has_choices(data):
                return reply_from(data)
        except AskError as error:
            # Broken JSON may hold the model's text, which must not be classified as the server's.
            if answer.body.lstrip().startswith(b"{"):
                # Without these headers the body ends with the connection, so a broken one may have been cut off.
                cut_off = not _LENGTH_HEADERS.intersection(answer.headers)
                return ServerFault(Fault(error.category, error.message), transient=cut_off)
    return classify(answer.status, answer.headers, answer.body)


def _response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": dict(schema)}}


def _exchange(request: _Request, attempts: Sequence[Attempt], last: _Outcome) -> Exchange:
    return Exchange(
        case=request.case,
        model=request.model,
        at=last.attempt.at,
        seconds=last.attempt.seconds,
        attempts=tuple(attempts),
        reply=last.reply,
        fault=last.attempt.fault,
        params=request.params,
        raw=last.raw,
    )
