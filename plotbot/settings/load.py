"""One frozen Settings, every value with its origin: default < config/config.json < PLOTBOT_<KEY> < command line.

Every source is checked completely: a bad value is an error even if another source overrides it.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Self
from urllib.parse import urlsplit

from plotbot.errors import SettingsError
from plotbot.safe import read_regular
from plotbot.settings.keys import BY_NAME, EVERY_MODEL, KEYS, TOKEN, TOKEN_HOSTS, Key, SettingValues, keys_deciding
from plotbot.settings.values import UnfitError, from_text, nearest, plain, shown, typed

CONFIG = "config/config.json"
_COMMENTS = ("_", "//", "$schema")
_PREFIX = "PLOTBOT_"
_AND = ", "
_LEFT_OPEN = frozenset({"default", "drawn"})
_SEEDS_TO_DRAW = 1_000_000  # short enough to be typed again


class Secret:
    """A text that does not appear in its repr, its str, JSON or a pickle."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the code that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: hand settings over with to_json(), which leaves it out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(SettingValues):
    """Everything that a user can set, and where each value came from. `root` is the project root."""

    root: Path
    origins: Mapping[str, str]
    """By key: `default`, `drawn`, `config/config.json`, `PLOTBOT_<KEY>`, the option, or the run that had the value."""

    lm_api_token: Secret | None = field(default=None, repr=False)
    lm_api_token_hosts: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def params(self) -> dict[str, Any]:
        """The sampling parameters that requests state, so that a server's preset never decides.

        A list is of a parameter in which the run's variants differ.
        """
        params = {key.field: plain(key, getattr(self, key.field)) for key in keys_deciding("request")}
        return {name: value for name, value in params.items() if value is not None}

    @property
    def first_params(self) -> dict[str, Any]:
        """The sampling parameters of the run's first variant: what a request states that belongs to none."""
        return {name: value[0] if isinstance(value, list) else value for name, value in self.params.items()}

    def token_for(self, url: str) -> str | None:
        """The token for a server; None without one.

        Raises SettingsError if only a file names the server, its address is neither this machine's nor a private one,
        and LM_API_TOKEN_HOSTS does not name it: a file may come with another person's repository.
        """
        if self.lm_api_token is None:
            return None
        origin = self.origins["LM_STUDIO_URL"]
        host = urlsplit(url if "://" in url else f"http://{url}").hostname or ""
        named_here = origin == "default" or origin.startswith((_PREFIX, "--"))
        if named_here or host in self.lm_api_token_hosts or _is_private(host):
            return self.lm_api_token.reveal()
        raise SettingsError(
            f"{TOKEN} is not sent to {shown(host)}, which {origin} names: the file may not be yours, and the address "
            f"is no private one. If that server may have the token, set the environment variable {TOKEN_HOSTS}={host}; "
            f"else unset {TOKEN}."
        )

    def left_open(self, key: Key, earlier: Mapping[str, str] | None = None) -> bool:
        """Whether the user has set no value for the key.

        With the origins of an *earlier* run also where it is set in a weaker place than in that run: a configuration
        file that an option overruled then does not speak against that option now.
        """
        origin, before = self.origins[key.name], (earlier or {}).get(key.name, "default")
        return origin in _LEFT_OPEN or _strength(origin) < _strength(before)

    def min_pass_rate_for(self, model: str) -> float | None:
        """The least pass rate of a model: its own, else the one for all, else None."""
        return self.min_pass_rate.get(model, self.min_pass_rate.get(EVERY_MODEL))

    def with_values(self, origin: str, earlier: Mapping[str, str] | None = None, /, **values: Any) -> Self:
        """A copy with other values, given by field name in the form of the configuration file.

        Values of an *earlier* run, whose origins these are, keep the precedence that they had there: what a run like
        that one takes over from it counts for no less in a run that is like this one in turn.
        """
        changed = {name: _typed(BY_NAME[name.upper()], value, self.root, origin) for name, value in values.items()}
        own = {name.upper(): _carried(origin, (earlier or {}).get(name.upper(), "default")) for name in values}
        return dataclasses.replace(self, origins={**self.origins, **own}, **changed)

    def to_json(self) -> dict[str, Any]:
        """All values and origins but the token, in builtin types, for the plan's header and for workers."""
        values = {key.name: plain(key, getattr(self, key.field)) for key in KEYS}
        return {"root": str(self.root), "origins": dict(self.origins), "values": values}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The settings that `to_json` wrote, without a token; nothing is read or drawn again."""
        root, origins = Path(data["root"]), data["origins"]
        values = {key.field: _typed(key, data["values"][key.name], root, origins[key.name]) for key in KEYS}
        return cls(root=root, origins=dict(origins), **values)


@dataclass(frozen=True, slots=True)
class _Given:
    """One value of one source, in the form of the configuration file."""

    key: Key
    value: Any
    origin: str


def _is_private(host: str) -> bool:
    """Whether a host is this machine or has a private address. A name may lead anywhere, so it counts as public."""
    # Only an IPv6 address has a zone. In a name, %2e is a dot to the library that connects.
    bare = host.partition("%")[0] if ":" in host else host
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    # An IPv6 socket reaches an IPv4 address under ::ffff:0:0/96.
    address = getattr(address, "ipv4_mapped", None) or address
    # 169.254.169.254 is where a cloud tells a machine its secrets, and nothing at home has such an address.
    return address.is_loopback or (address.is_private and not (address.version == 4 and address.is_link_local))


def draw_seed() -> int:
    return secrets.randbelow(_SEEDS_TO_DRAW)


def load_settings(
    root: Path,
    environ: Mapping[str, str],
    command_line: Mapping[str, Sequence[str] | str],
    draw: Callable[[], int] = draw_seed,
) -> Settings:
    """The settings of a project; raises SettingsError.

    *root* is the project root, which may have a `config/config.json`; *command_line* holds the text of the given
    options, by key; *draw* returns a SAMPLE_SEED if none is set.
    """
    root = root.absolute()
    values = {key.field: typed(key, key.default, root) for key in KEYS}
    origins = {key.name: "default" for key in KEYS}
    for source in (_from_file(root / CONFIG), _from_environ(environ), _from_command_line(command_line)):
        for given in source:
            values[given.key.field] = _typed(given.key, given.value, root, given.origin)
            origins[given.key.name] = given.origin
    if values["sample_seed"] is None:
        values["sample_seed"], origins["SAMPLE_SEED"] = draw(), "drawn"
    return Settings(
        root=root, origins=origins, lm_api_token=token_in(environ), lm_api_token_hosts=_token_hosts(environ), **values
    )


def _from_environ(environ: Mapping[str, str]) -> Iterator[_Given]:
    """The PLOTBOT_ variables. An empty one counts as not set: CI systems pass an undefined variable as empty."""
    variables = {key.variable: key for key in KEYS}
    for name in sorted(environ):
        if name.startswith(_PREFIX) and environ[name].strip():
            key = variables.get(name) or _unknown("environment", name, environ[name], variables)
            yield _Given(key, _read_text(key, [environ[name]], name), name)


def _from_command_line(command_line: Mapping[str, Sequence[str] | str]) -> Iterator[_Given]:
    for name, text in command_line.items():
        key = BY_NAME.get(name) or _unknown("command line", name, text, BY_NAME)
        yield _Given(key, _read_text(key, [text] if isinstance(text, str) else list(text), key.option), key.option)


def _from_file(path: Path) -> Iterator[_Given]:
    for name, value in _read_config(path).items():
        if not name.startswith(_COMMENTS):
            key = BY_NAME.get(name) or _unknown(CONFIG, name, value, BY_NAME)
            yield _Given(key, value, CONFIG)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        # Windows editors begin a file with a byte order mark.
        text = read_regular(path).decode("utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsError(f"{CONFIG} cannot be read: {problem}. Put it right or remove it.") from problem
    return _parse_config(text)


def _parse_config(text: str) -> dict[str, Any]:
    try:
        config = json.loads(text, object_pairs_hook=_without_duplicates)
    except json.JSONDecodeError as problem:
        place = f"line {problem.lineno}, column {problem.colno}"
        raise SettingsError(f"{CONFIG} is not JSON: {problem.msg} at {place}. Put it right there.") from problem
    except (ValueError, RecursionError) as problem:
        raise SettingsError(f"{CONFIG} cannot be used: {problem}. Put it right or remove it.") from problem
    if not isinstance(config, dict):
        raise SettingsError(f'{CONFIG} must be an object such as {{"TEMPERATURE": 0.8}}, but is {shown(config)}.')
    return config


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members and not name.startswith(_COMMENTS):
            raise SettingsError(
                f"{CONFIG} has {shown(name)} twice, the second time as {_masked(name, value)}. Keep one."
            )
        members[name] = value
    return members


def _read_text(key: Key, texts: list[str], origin: str) -> Any:
    try:
        return from_text(key, texts)
    except UnfitError as unfit:
        raise _refused(key, unfit, origin) from None


def _typed(key: Key, value: Any, root: Path, origin: str) -> Any:
    try:
        return typed(key, value, root)
    except UnfitError as unfit:
        raise _refused(key, unfit, origin) from None


def _refused(key: Key, unfit: UnfitError, origin: str) -> SettingsError:
    hint = f" ({unfit.hint})" if unfit.hint else ""
    advice = f"Change it, or leave it out: then it is {key.default_text}."
    return SettingsError(f"{origin}: {key.name} is {unfit.came}, but must be {key.allowed}{hint}. {advice}")


def _unknown(source: str, name: str, value: object, known: Mapping[str, Key]) -> NoReturn:
    if (variable := name.removeprefix(_PREFIX).upper()) in {TOKEN, TOKEN_HOSTS}:
        raise SettingsError(
            f"{source}: {variable} is read from the environment variable {variable} only. Remove it here."
        )
    upper = name.upper()
    hint = nearest(upper, known) or "`plotbot doctor` lists the keys"
    raise SettingsError(f"{source}: {shown(name)} ({_masked(name, value)}) is no setting; {hint}")


def _masked(name: str, value: object) -> str:
    """The value as a message shows it, unless it may be a token under a misspelt name."""
    return "value not shown" if nearest(name.upper().removeprefix(_PREFIX), [TOKEN]) else shown(value)


def _token_hosts(environ: Mapping[str, str]) -> frozenset[str]:
    """The hosts that the environment names beside the token, in lower case."""
    names = (name.strip().lower() for name in environ.get(TOKEN_HOSTS, "").split(","))
    return frozenset(filter(None, names))


def token_in(environ: Mapping[str, str]) -> Secret | None:
    """The server's token, which only the environment may hold. Raises SettingsError if it cannot be a token."""
    text = environ.get(TOKEN, "").strip()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise SettingsError(
            f"environment: {TOKEN} has characters that no token has. Set it again; it is not shown here."
        )
    return Secret(text) if text else None


def _carried(origin: str, before: str) -> str:
    """The origin of a value that an earlier run had from *before*: `--top-p, run 20261129-101500-7f3a01`."""
    return f"{before.partition(_AND)[0]}{_AND}{origin}" if _strength(before) else origin


def _strength(origin: str) -> int:
    """By how much the place of a value takes precedence: the file, then a variable, then an option."""
    if origin.startswith("--"):
        return 3
    return 2 if origin.startswith(_PREFIX) else int(origin.startswith(CONFIG))
