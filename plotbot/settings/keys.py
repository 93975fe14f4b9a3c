"""The table of settings. Options, messages, `plotbot doctor` and docs/settings.md are all made from it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from plotbot.categories import RECOVERABLE_CATEGORIES

Kind = Literal[
    "path", "paths", "whole", "whole_or_all", "number", "numbers", "choice", "choices", "choice_set", "names", "urls",
    "rates", "executor", "shard", "text",
]  # fmt: skip
Decides = Literal["files", "plan", "seed", "request", "verdict", "gate"]
"""What a key decides: which files an eval reads, which cases the plan has, the seed that each request's seed is
derived from, a parameter that every request states under the key's field name, which replies pass, or the gate."""
Group = Literal["ask", "how", "judge", "keep", "machine"]
GROUPS: Mapping[Group, str] = {
    "ask": "what to ask",
    "how": "how to ask",
    "judge": "judging",
    "keep": "keeping",
    "machine": "machine room",
}
"""The groups of options in `pytest -h`, in their order."""
TOKEN = "LM_API_TOKEN"  # noqa: S105  the name of the variable, not a token
TOKEN_HOSTS = "LM_API_TOKEN_HOSTS"  # noqa: S105  the name of a variable
TOKEN_HOSTS_DEFAULT = "loopback and private addresses"  # noqa: S105  a text
TOKEN_HOSTS_HELP = "further hosts that get the token where `config/config.json` names them"  # noqa: S105  a text
TOKEN_HELP = "bearer token for the server; never stored, printed or reported"  # noqa: S105  a help text
# The parsers know the option only to refuse it: an error about an unknown option would print the token.
TOKEN_OPTION = "--lm-api-token"  # noqa: S105  the name of an option
TOKEN_OPTION_ARGUMENTS: dict[str, Any] = {"dest": "plotbot_lm_api_token", "default": None, "help": argparse.SUPPRESS}
EVERY_MODEL = "*"
RUN_HELP = (
    "a run's id or its beginning, its note, its folder, 'last' for the newest that judged no other, or 'last~1' for "
    "the one before"
)
"""What a RUN argument takes, for help texts. Here, because every worker makes the options and few look for a run."""

_LISTS = frozenset({"paths", "numbers", "choices", "choice_set", "names", "urls", "rates"})
_WEEK = 604_800
_BIGGEST_SEED = 2**53 - 1  # the largest whole number that every JSON reader keeps exactly


@dataclass(frozen=True, slots=True)
class Key:
    """One setting.

    `default` has the form that `config/config.json` would have. None and the empty tuple mean "not set", which is
    allowed only where that is the default; `unset` says in words what then happens. `decides` is what `--resume`,
    `--lf`, `plotbot merge` and the requests go by; None where a run may go on with another value, and for MODEL: a
    run's plan names its models. `group` is where `pytest -h` shows it, the `everyday` ones first.
    """

    name: str
    kind: Kind
    default: str | float | tuple[str, ...] | None
    help: str
    decides: Decides | None = field(kw_only=True)
    group: Group = field(kw_only=True)
    everyday: bool = field(default=False, kw_only=True)
    low: float = 0
    high: float = 0
    choices: tuple[str, ...] = ()
    unset: str = ""

    @property
    def field(self) -> str:
        return self.name.lower()

    @property
    def option(self) -> str:
        return "--" + self.field.replace("_", "-")

    @property
    def variable(self) -> str:
        return f"PLOTBOT_{self.name}"

    @property
    def is_list(self) -> bool:
        """Whether the option may be repeated, and its value split at commas."""
        return self.kind in _LISTS

    @property
    def may_be_unset(self) -> bool:
        return self.default is None or self.default == ()

    @property
    def allowed(self) -> str:
        """The allowed values, in words that follow "must be" in a message."""
        if self.kind in {"whole", "number", "numbers"}:
            number = "a whole number" if self.kind == "whole" else "a number"
            one = f"{number} from {self.low:.16g} to {self.high:.16g}"
            return f"{one}, or a list of them, each once" if self.is_list else one
        if self.choices:
            one = f"one of {', '.join(self.choices)}"
            return one if self.kind == "choice" else f"{one}, or a list of them"
        return _ALLOWED[self.kind]

    @property
    def default_text(self) -> str:
        """The default as a user would type it, or what happens without a value."""
        if self.default is None or self.default == ():
            return self.unset
        return ",".join(self.default) if isinstance(self.default, tuple) else str(self.default)

    @property
    def destination(self) -> str:
        """The option's destination in an argument parser; the prefix avoids clashes with other plugins' options."""
        return f"plotbot_{self.field}"

    def option_arguments(self) -> dict[str, Any]:
        """Arguments of the option for pytest's parser and argparse. Its text is checked by `load_settings`."""
        help_text = f"{self.help} (default: {self.default_text})".replace("%", "%%")
        shape = {"action": "append" if self.is_list else "store", "metavar": self._metavar}
        return {"dest": self.destination, "default": None, "help": help_text, **shape}

    @property
    def _metavar(self) -> str:
        return "|".join(self.choices) if self.kind == "choice" else _METAVARS.get(self.kind, "N")


_METAVARS: dict[str, str] = {
    "whole_or_all": "N|all",
    "path": "PATH",
    "paths": "PATH",
    "number": "X",
    "numbers": "X",
    "choices": "NAME",
    "choice_set": "CATEGORY",
    "names": "NAME",
    "urls": "URL",
    "rates": "RATE|MODEL=RATE",
    "executor": "threads|dask|dask://HOST:PORT",
    "shard": "N/M",
    "text": "TEXT",
}
_ALLOWED: dict[str, str] = {
    "whole_or_all": "a whole number from 0 to 1000000, or all",
    "path": "a path (relative ones start at the project root)",
    "paths": "a path (relative ones start at the project root), or a list of them, each once",
    "names": "a name, or a list of names, each once",
    "urls": "an http:// or https:// URL with a host and without credentials or query, or a list of them, each once",
    "rates": "a number from 0 to 1, or one for each model (MODEL=0.9 as text, an object in the file)",
    "executor": "threads, dask, or dask://HOST:PORT",
    "shard": "N/M, the Nth of M parts, such as 2/5",
    "text": "a text of 1 to 200 characters",
}


def _seconds(name: str, default: float, text: str, *, group: Group, everyday: bool = False) -> Key:
    return Key(name, "number", default, text, decides=None, low=0.001, high=_WEEK, group=group, everyday=everyday)


KEYS: tuple[Key, ...] = (
    Key("GENERATED_DIR", "path", "./data/generated_data", "where valid answers are kept, one file a title",
        decides=None, group="keep"),
    _seconds("REQUEST_TIMEOUT", 90, "total seconds for one attempt: connect, headers and body",
        group="machine", everyday=True),
    _seconds("LOAD_TIMEOUT", 600, "the same for a model's handshake, which may load it", group="machine"),
    Key("WRITE_STRATEGY", "choice", "immediate", "when answers are folded into title files",
        choices=("immediate", "batch"), decides=None, group="keep"),
    Key("WRITE_BATCH_SIZE", "whole", 25, "answers queued before a batch is folded", low=1, high=100_000, decides=None,
        group="keep"),
    _seconds("WRITE_BATCH_SECONDS", 5.0, "the oldest, in seconds, that a queued answer may get", group="keep"),
    Key("WRITE_BATCH_RETRY_LIMIT", "whole", 3, "further tries for one title file when its lock or the disk refuses",
        high=1000, decides=None, group="keep"),
    _seconds("FILE_LOCK_TIMEOUT", 10.0, "seconds to wait for a title file's lock", group="machine"),
    _seconds("FILE_LOCK_POLL_INTERVAL", 0.01, "seconds between two tries to get a lock", group="machine"),
    _seconds("FILE_LOCK_STALE_SECONDS", 300.0,
             "age of a holder's stamp, in seconds, from which waiting for it warns and names its pid, and of left-over "
             "temporary files that are swept; a live holder is never robbed", group="machine"),
    Key("LM_STUDIO_URL", "urls", ("http://127.0.0.1:1234/v1/chat/completions",),
        "the server, as base URL or full endpoint; a list is several hosts", decides=None, group="ask", everyday=True),
    Key("MODEL", "names", (),
        "the model to ask, or a list; all, or a pattern such as qwen*, is those that the server lists",
        unset="the one loaded model", decides=None, group="ask", everyday=True),
    Key("TITLES_PATH", "path", "data/titles_index.json", "the titles to sample from", decides="files", group="ask"),
    Key("ANSWERS", "text", None, "a run whose answers are the titles, in place of a file: its id, or last",
        unset="titles of TITLES_PATH", decides="files", group="ask"),
    Key("PROMPT_PATH", "paths", "data/prompt.txt", "the system message; a list makes variants", decides="files",
        group="ask"),
    Key("TEMPLATE_PATH", "path", None, "the user message, with {title}, {schema} and fields in braces",
        unset="made from the schema", decides="files", group="ask"),
    Key("SCHEMA_PATH", "path", "data/story_seed.schema.json", "the JSON Schema that a reply must satisfy",
        decides="files", group="ask"),
    Key("TEST_SAMPLE_SIZE", "whole", 10, "titles in a run; 0 is all of them", high=10_000_000, decides="plan",
        group="ask", everyday=True),
    Key("SAMPLE_SEED", "whole", None, "which titles are drawn", high=_BIGGEST_SEED, unset="drawn, and printed",
        decides="plan", group="ask", everyday=True),
    Key("REPEATS", "whole", 1, "times each title is asked, each time with another seed", low=1, high=10_000,
        decides="plan", group="ask", everyday=True),
    Key("MAX_IN_FLIGHT", "whole", None, "parallel requests over all workers", low=1, high=1024,
        unset="the server's slots, else 4", decides=None, group="machine", everyday=True),
    Key("RESPONSE_FORMAT", "choices", ("none",),
        "none, or json_schema: the server constrains the answer; a list makes variants",
        choices=("none", "json_schema"), decides="plan", group="how", everyday=True),
    Key("TOLERATE", "choice_set", (), "failure categories that pass where the answer could be recovered",
        choices=tuple(sorted(RECOVERABLE_CATEGORIES)), unset="none", decides="verdict", group="judge"),
    Key("TEMPERATURE", "numbers", 0.8,
        "how freely the model chooses; 0 is always the likeliest token; a list makes variants", high=5,
        decides="request", group="how", everyday=True),
    Key("TOP_P", "number", 0.95, "the share of likely tokens to choose from; 1 is all", high=1, decides="request",
        group="how"),
    Key("TOP_K", "whole", 40, "the number of likely tokens to choose from; 0 is all", high=1_000_000,
        decides="request", group="how"),
    Key("MIN_P", "number", 0.05, "the least likelihood, beside the likeliest token's; 0 is any", high=1,
        decides="request", group="how"),
    # A penalty on repeats falls on the quotes, braces and keys that JSON repeats.
    Key("REPEAT_PENALTY", "number", 1.0, "above 1 discourages repeats, and with them JSON's own; 1 is off",
        low=0.1, high=10, decides="request", group="how"),
    Key("MAX_TOKENS", "whole", 1024, "the longest reply, in tokens, reasoning included", low=1, high=10_000_000,
        decides="request", group="how", everyday=True),
    Key("MODEL_SEED", "whole", 1, "from which each request's seed is derived", high=_BIGGEST_SEED, decides="seed",
        group="how"),
    Key("REASONING_EFFORT", "choices", None,
        "how long a reasoning model thinks; the value none asks it not to; a list makes variants",
        choices=("none", "minimal", "low", "medium", "high"), unset="not sent", decides="request", group="how"),
    Key("CONFIRM", "choice", "ask", "what happens when a model does not acknowledge the opening handshake",
        choices=("ask", "require", "continue", "skip"), decides=None, group="how"),
    Key("REQUEST_RETRY_LIMIT", "whole", 3, "further tries after a transport fault; never after a bad answer", high=100,
        decides=None, group="machine"),
    Key("MIN_PASS_RATE", "rates", None, "the gate: the least pass rate, for all models or for each", unset="no gate",
        decides="gate", group="judge", everyday=True),
    Key("GATE", "choice", "point",
        "what the gate looks at: the rate, its interval, or the verdicts as they come, until they decide",
        choices=("point", "interval", "sequential"), decides="gate", group="judge", everyday=True),
    Key("GATE_EVERY", "whole", 20, "titles between two looks of a sequential gate", low=1, high=10_000_000,
        decides="gate", group="judge"),
    Key("CONTEXT_LENGTH", "whole", None,
        "the context, in tokens, that a model is loaded with; of the embedded engine each slot's", low=1,
        high=100_000_000, unset="the server's; for a GGUF file what prompt and answer need", decides=None,
        group="machine"),
    Key("EXECUTOR", "executor", "threads",
        "who asks: threads of the main process, Dask workers started for the run, or those of a Dask scheduler",
        decides=None, group="machine"),
    Key("SHARD", "shard", None, "the part of the plan that this run asks, such as 2/5", unset="all of it",
        decides="plan", group="machine"),
    Key("EMBEDDED_MODEL", "names", (),
        "GGUF files for the embedded engine to serve, each a model of its own, or names to look up in LM Studio's "
        "model folders; implies --embedded", unset="the model that comes with plotbot", decides=None, group="ask"),
    Key("EMBEDDED_SLOTS", "whole", None, "the embedded engine's parallel predictions", low=1, high=256,
        unset="MAX_IN_FLIGHT, else 4", decides=None, group="machine"),
    Key("EMBEDDED_THREADS", "whole", None, "the threads that the embedded engine computes with", low=1, high=1024,
        unset="cores less one, but both of two; 1 for the model that comes with plotbot", decides=None,
        group="machine"),
    Key("EMBEDDED_GPU_LAYERS", "whole", None, "how many layers of a GGUF file the embedded engine puts on the GPU",
        high=10_000, unset="the engine's own choice", decides=None, group="machine"),
    Key("PIN_PATH", "path", "config/pin.json", "the pinned model", decides=None, group="ask"),
    Key("SHOW_FAILURES", "whole_or_all", 20,
        "failures and errors shown in full at the end; of more than so many one of each kind is", high=1_000_000,
        decides=None, group="judge"),
    Key("NOTE", "text", None, "a line that is kept with the run and shown as its name", unset="none", decides=None,
        group="keep", everyday=True),
    Key("REPORT_DIR", "path", "reports", "where reports are written", decides=None, group="keep"),
    Key("RUNS_DIR", "path", "data/runs", "where each run keeps its plan and journal", decides=None, group="keep"),
)  # fmt: skip
BY_NAME = {key.name: key for key in KEYS}


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingValues:
    """The value of each key of `KEYS`, under its name in lower case. Times are in seconds.

    None and empty collections mean "not set", as the table says.
    """

    generated_dir: Path
    request_timeout: float
    load_timeout: float
    write_strategy: Literal["immediate", "batch"]
    write_batch_size: int
    write_batch_seconds: float
    write_batch_retry_limit: int
    file_lock_timeout: float
    file_lock_poll_interval: float
    file_lock_stale_seconds: float
    lm_studio_url: tuple[str, ...]
    model: tuple[str, ...]
    titles_path: Path
    answers: str | None
    prompt_path: tuple[Path, ...]
    template_path: Path | None
    schema_path: Path
    test_sample_size: int
    sample_seed: int
    repeats: int
    max_in_flight: int | None
    response_format: tuple[str, ...]
    tolerate: frozenset[str]
    temperature: tuple[float, ...]
    top_p: float
    top_k: int
    min_p: float
    repeat_penalty: float
    max_tokens: int
    model_seed: int
    reasoning_effort: tuple[str, ...]
    confirm: Literal["ask", "require", "continue", "skip"]
    request_retry_limit: int
    min_pass_rate: Mapping[str, float]
    gate: Literal["point", "interval", "sequential"]
    gate_every: int
    context_length: int | None
    executor: str
    shard: tuple[int, int] | None
    embedded_model: tuple[str, ...]
    embedded_slots: int | None
    embedded_threads: int | None
    embedded_gpu_layers: int | None
    pin_path: Path
    show_failures: int | Literal["all"]
    note: str | None
    report_dir: Path
    runs_dir: Path


def keys_deciding(*what: Decides) -> tuple[Key, ...]:
    """The keys that decide one of these, in the table's order."""
    return tuple(key for key in KEYS if key.decides in what)


def keys_in(group: Group) -> tuple[Key, ...]:
    """The keys of a group, the everyday ones first, else in the table's order."""
    return tuple(sorted((key for key in KEYS if key.group == group), key=lambda key: not key.everyday))


def given_options(read: Callable[[str], Any]) -> dict[str, Sequence[str] | str]:
    """The text of the given options, by key. *read* returns the parsed value of a destination, or None."""
    destinations = {key.name: key.destination for key in KEYS} | {TOKEN: TOKEN_OPTION_ARGUMENTS["dest"]}
    texts = {name: read(destination) for name, destination in destinations.items()}
    return {name: text for name, text in texts.items() if text is not None}


def settings_table_markdown() -> str:
    """The table of docs/settings.md."""
    rows = ["| Key | Default | Allowed | Meaning |", "|---|---|---|---|"]
    rows += [f"| `{key.name}` | {_default_cell(key)} | {key.allowed} | {key.help} |" for key in KEYS]
    rows.append(f"| `{TOKEN}` | none | environment only | {TOKEN_HELP} |")
    rows.append(f"| `{TOKEN_HOSTS}` | {TOKEN_HOSTS_DEFAULT} | environment only | {TOKEN_HOSTS_HELP} |")
    return "\n".join(rows) + "\n"


def _default_cell(key: Key) -> str:
    return key.default_text if key.may_be_unset else f"`{key.default_text}`"
