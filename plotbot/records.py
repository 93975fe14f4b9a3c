"""The values that one step hands to the next. All are frozen; all that reach the journal turn into JSON and back.

`to_json` gives builtin types only; `json.dumps` with its default ASCII escapes then carries lone surrogates and NULs
through files and sockets unharmed.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Self, TypeGuard

from plotbot.categories import OK
from plotbot.fingerprint import Fingerprint
from plotbot.sharing import shared

WORKING = "working_seconds"
"""What is left of a reply's details without its text: `Reply.working_seconds`."""
_LONGEST_SECONDS = 7 * 86_400.0
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_BESIDE_TEXT = 2_500  # bytes of an exchange's objects beside its text, measured on LM Studio's answers
_NO_PARAMS: Mapping[str, Any] = {}  # one for all cases of a run without variants: there may be 100,000
FORMAT_NAMES: Mapping[str, str] = {"none": "free", "json_schema": "json"}
"""The response formats in the names of variants."""


@dataclass(frozen=True, slots=True)
class Title:
    """A headline, the id under which its answers are kept, and the further fields of its entry in the titles file."""

    id: str
    text: str
    fields: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def to_json(self) -> dict[str, Any]:
        fields = {"fields": dict(self.fields)} if self.fields else {}
        return {"id": self.id, "text": self.text, **fields}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about every title: an eval's files, read, in one response format (`none` or `json_schema`).

    `template` is that of the user message; empty where the message is made from the schema.
    """

    prompt: str
    schema: Mapping[str, Any]
    response_format: str
    hash: str
    template: str = ""

    def to_json(self) -> dict[str, Any]:
        """Without a template, as every version reads it."""
        return {name: value for name, value in _fields(self).items() if value or name != "template"}


@dataclass(frozen=True, slots=True)
class Variant:
    """One combination of what may be a list in one run.

    `name` says what differs from the run's first variant (`short.txt t=0.2`), or of the first its own values; it is
    empty if the run has one variant only. `prompt` is the prompt file, from the project root.
    """

    name: str
    prompt: str
    response_format: str
    temperature: float
    reasoning_effort: str | None = None

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that its requests state in place of the run's."""
        params = {"temperature": self.temperature, "reasoning_effort": self.reasoning_effort}
        return {name: value for name, value in params.items() if value is not None} if self.name else {}

    def to_json(self) -> dict[str, Any]:
        return {**_fields(self)}


@dataclass(frozen=True, slots=True)
class Case:
    """One question to ask one model about one title, once.

    `id` is a hash of its content: two tests of the same files share a case, and so one exchange. `slug` is its ASCII
    name in item ids. `repeat` counts from 1; `seed` is what the server is given. `variant` is the name of its variant,
    empty if there is only one; `params` are those that its request states in place of the run's.
    """

    id: str
    slug: str
    model: str
    title: Title
    prompt_hash: str
    response_format: str
    repeat: int
    seed: int
    variant: str = ""
    params: Mapping[str, Any] = field(default_factory=lambda: _NO_PARAMS, hash=False)

    def to_json(self) -> dict[str, Any]:
        fields = {**_fields(self), "title": self.title.to_json(), "params": dict(self.params)}
        # A plan of one variant stays as every version reads it.
        return fields if self.variant else {name: fields[name] for name in fields if name not in {"variant", "params"}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, "title": Title(**data["title"])})


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said: the two channels of its message, why it stopped, and what the server counted.

    `tokens_per_second` is the server's own figure for generation; None where it tells none. `details` is the rest of
    the server's answer (usage, stats, timings, its id), as it came.
    """

    content: str
    reasoning: str = ""
    finish_reason: str | None = None
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    tokens_per_second: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def working_seconds(self) -> float | None:
        """The seconds in which the server says that it read the prompt and generated; None if it does not tell both.

        llama-server tells them in `timings` (`prompt_ms`, `predicted_ms`), LM Studio's REST API v0 in `stats`
        (`time_to_first_token`, `generation_time`, in seconds). LM Studio's OpenAI-compatible API tells nothing.
        """
        if WORKING in self.details:
            return _sum(self.details[WORKING])
        timings, stats = _object(self.details.get("timings")), _object(self.details.get("stats"))
        milliseconds = _sum(timings.get("prompt_ms"), timings.get("predicted_ms"))
        if milliseconds is not None:
            return milliseconds / 1000
        return _sum(stats.get("time_to_first_token"), stats.get("generation_time"))


@dataclass(frozen=True, slots=True)
class Fault:
    """Why no usable answer arrived: one of `ERROR_CATEGORIES` and a sentence that says what to do."""

    category: str
    message: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP request of an exchange: when it began (UTC, ISO 8601), how long it took, and how it ended."""

    at: str
    seconds: float
    status: int | None = None
    fault: Fault | None = None
    host: str = ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """All that came back for a case: a reply or a fault, never both, and every attempt that it took.

    `seconds` is the wall time of the last attempt; `params` what was sent beside the messages; `raw` the body as it
    came where no reply could be read from it. `reused_from` is the id of the run that asked, if it was another one.
    """

    case: str
    model: str
    at: str
    seconds: float
    attempts: tuple[Attempt, ...]
    reply: Reply | None = None
    fault: Fault | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: Fingerprint = field(default_factory=Fingerprint)
    raw: bytes = b""
    reused_from: str = ""

    @property
    def host(self) -> str:
        """The host that answered, or the last one asked. Empty if the record names none."""
        return self.attempts[-1].host if self.attempts else ""

    @property
    def size(self) -> int:
        """About how many bytes it takes in memory: its text, and `_BESIDE_TEXT` for all else."""
        said = 0 if self.reply is None else len(self.reply.content) + len(self.reply.reasoning)
        return _BESIDE_TEXT + len(self.raw) + said

    def without_text(self) -> Self:
        """The numbers that reports count, without texts, parameters and times of attempts; what many share, once."""
        attempts = shared(tuple(replace(one, at="", seconds=0.0) for one in self.attempts))
        alike: dict[str, Any] = {"model": shared(self.model), "fingerprint": shared(self.fingerprint)}
        reply = None if self.reply is None else _counted(self.reply)
        return replace(self, at="", attempts=attempts, reply=reply, params=_NOTHING, raw=b"", **alike)

    def to_json(self) -> dict[str, Any]:
        fields = {
            **_fields(self),
            "attempts": [{**_fields(attempt), "fault": _fields(attempt.fault)} for attempt in self.attempts],
            "reply": _fields(self.reply),
            "fault": _fields(self.fault),
            "fingerprint": self.fingerprint.to_json(),
            "raw": base64.b64encode(self.raw).decode("ascii"),
        }
        if not self.reused_from:
            # A run that reuses nothing stays as every version reads it.
            del fields["reused_from"]
        return fields

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{
            **data,
            "attempts": tuple(_attempt(attempt) for attempt in data["attempts"]),
            "reply": None if data["reply"] is None else Reply(**data["reply"]),
            "fault": _fault(data["fault"]),
            "fingerprint": Fingerprint.from_json(data.get("fingerprint", {})),
            "raw": base64.b64decode(data["raw"]),
        })  # fmt: skip


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken schema keyword, and the JSON path of what broke it (`$[0].themes[2]`)."""

    path: str
    keyword: str
    message: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check beyond the schema holds against an entry; `check` is its short name."""

    path: str
    check: str
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a reply is good, and if not, why.

    `category` is `ok` or one of `FAILURE_CATEGORIES`. `expected`, `came` and `where` are short readable texts.
    `value` is the parsed answer: of an ok reply, or recovered from a failed one (`recoverable`); None otherwise.
    `tolerated` says that the user lets this category pass by name; the category stays.
    """

    category: str
    expected: str = ""
    came: str = ""
    where: str = ""
    violations: tuple[Violation, ...] = ()
    findings: tuple[Finding, ...] = ()
    recoverable: bool = False
    tolerated: bool = False
    value: Any = None

    @property
    def ok(self) -> bool:
        """Whether an eval may pass it: strictly good, or tolerated by name."""
        return self.category == OK or self.tolerated


WORDS = ("outcome", "category", "message", "phase", "verdict", "expected", "came", "where")
"""The words of a result. Many results have the same."""
NOT_NEEDED = "not_needed"
"""The outcome of an item that a sequential gate did without, whatever an answer that came all the same is like."""


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of an item (one test × one case), as the journal's `verdict` line has it.

    `outcome` is `passed`, `failed`, `error`, `skipped` or `not_needed`; `category` is `ok`, a failure's or an error's:
    of what decided the outcome. `verdict` is the category of the verdict on the reply, which may be another one where
    the eval asserts more; empty if nothing was judged, and in the journals of versions before 0.2. `kept` says that
    the eval kept the answer, so that a dead run's answers can be folded later; `tolerated` that it passed by name.
    `expected`, `came` and `where` are the verdict's; versions before 0.2 have them in `message`.
    """

    case: str
    item: str
    outcome: str
    category: str
    message: str = ""
    violations: tuple[Violation, ...] = ()
    findings: tuple[Finding, ...] = ()
    recoverable: bool = False
    tolerated: bool = False
    kept: bool = False
    seconds: float = 0.0
    phase: str = "call"
    verdict: str = ""
    expected: str = ""
    came: str = ""
    where: str = ""

    @property
    def is_plain_pass(self) -> bool:
        """Whether there is nothing to explain: a good verdict, and no message."""
        return self.category == "ok" and not self.message

    def to_json(self) -> dict[str, Any]:
        return {
            **_fields(self),
            "violations": [_fields(violation) for violation in self.violations],
            "findings": [_fields(finding) for finding in self.findings],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{
            **data,
            **{name: shared(data[name]) for name in WORDS if name in data},
            "violations": shared(tuple(Violation(**violation) for violation in data["violations"])),
            "findings": shared(tuple(Finding(**finding) for finding in data["findings"])),
        })  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """A valid answer on its way into a title file: the whole array, and where it came from."""

    title: Title
    model: str
    prompt_hash: str
    response: Any
    meta: Mapping[str, Any]
    """`run`, `case`, `variant` if it has one, `at` (UTC, ISO 8601), `fingerprint`, `params`,
    and `reused_from`, the run that asked, if it was another.

    Later (`at`, `run`, `case`) wins.
    """

    @classmethod
    def of(cls, run: str, case: Case, exchange: Exchange, value: Any) -> Self:
        """The answer *value* to a case of the run with the id *run*, as its exchange brought it."""
        meta = {
            "run": run,
            "case": case.id,
            **({"variant": case.variant} if case.variant else {}),
            "at": exchange.at,
            "fingerprint": exchange.fingerprint.to_json(),
            "params": dict(exchange.params),
            **({"reused_from": exchange.reused_from} if exchange.reused_from else {}),
        }
        return cls(case.title, case.model, case.prompt_hash, value, meta)

    @property
    def case(self) -> str:
        """The id of the case that it answers."""
        return str(self.meta["case"])

    def to_json(self) -> dict[str, Any]:
        return {**_fields(self), "title": self.title.to_json()}


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """An item that a run set out to run: pytest's node id, and its case's id. Deselected items are not planned.

    `by` says by what its eval groups titles, and `group` which group its title is in; both empty without groups.
    """

    item: str
    case: str
    by: str = field(default="", compare=False)
    group: str = field(default="", compare=False)

    def to_json(self) -> list[str]:
        return [self.item, self.case, *([self.by, self.group] if self.by else [])]


@dataclass(frozen=True, slots=True)
class RunRecords:
    """A run as its files tell it, alive or dead: what was planned, what was asked, what became of it.

    `header` holds what the run says of itself (plotbot's version, sample seed, settings, fingerprints per model,
    start time). Exchanges are by case id, results by item; both may lack what a run has not reached.
    """

    run: str
    header: Mapping[str, Any]
    cases: Mapping[str, Case]
    items: tuple[PlannedItem, ...]
    exchanges: Mapping[str, Exchange]
    results: Mapping[str, ItemResult]

    @property
    def name(self) -> str:
        """What a person calls the run: its id, and its note if it has one."""
        return run_name(self.run, self.header)


def note_of(header: Mapping[str, Any]) -> str:
    """The note in a run's header; empty without one. It may hold any character."""
    settings = header.get("settings")
    note = settings.get("NOTE") if isinstance(settings, Mapping) else None
    return note if isinstance(note, str) else ""


def run_name(run: str, header: Mapping[str, Any]) -> str:
    """`20261128-223011-7f3a01 'shorter prompt'`: a run's id, and its note if it has one."""
    note = note_of(header)
    return f"{run} '{note}'" if note else run


def _sum(*parts: object) -> float | None:
    numbers = [part for part in parts if _is_time(part)]
    return sum(numbers) if len(numbers) == len(parts) else None


def _is_time(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value < 1000 * _LONGEST_SECONDS and math.isfinite(value)


def _counted(reply: Reply) -> Reply:
    """What the server counted, and its `working_seconds`."""
    seconds, stopped, model = reply.working_seconds, shared(reply.finish_reason), shared(reply.model)
    details = _NOTHING if seconds is None else {WORKING: seconds}
    return replace(reply, content="", reasoning="", finish_reason=stopped, model=model, details=details)


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _fields(record: Any) -> Any:
    """A record's own fields, in order. `dataclasses.asdict` copies every value deeply, at twenty times the price."""
    return None if record is None else {name: getattr(record, name) for name in record.__slots__}


def _attempt(data: Mapping[str, Any]) -> Attempt:
    return Attempt(**{**data, "fault": _fault(data["fault"])})


def _fault(data: Mapping[str, Any] | None) -> Fault | None:
    return None if data is None else Fault(**data)
