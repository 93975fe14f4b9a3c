"""The conversion of one setting from text to its typed value, and back.

`from_text` turns text (an option, a variable) into the form that `config/config.json` has; `typed` checks that form
and gives the value that a Settings holds; `plain` is the way back.
"""

from __future__ import annotations

import difflib
import json
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from plotbot.safe import one_line
from plotbot.settings.keys import EVERY_MODEL, Key

_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,20}\.?[0-9]{0,20}|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,3})?")
_EXECUTORS = ("threads", "dask")
_SCHEDULER = "dask://"
_SCHEDULER_PORT = 8786
_SHARD = re.compile(r"([0-9]{1,5})/([0-9]{1,5})")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST_NAME = 300
_LONGEST_TEXT = 200


class UnfitError(Exception):
    """A value is not what its key allows. `came` is the value as a message may show it, `hint` advice or empty."""

    def __init__(self, came: str, hint: str = "") -> None:
        super().__init__(came, hint)
        self.came = came
        self.hint = hint


def shown(value: object) -> str:
    """The value as a message shows it: JSON on one line, shortened, without control characters."""
    scalar = value is None or isinstance(value, str | int | float)
    return one_line(json.dumps(value, ensure_ascii=False) if scalar else reprlib.repr(value), 80)


def nearest(word: str, words: Iterable[str]) -> str:
    """A hint at the most similar of *words*, or an empty text."""
    found = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f"did you mean {found[0]}?" if found else ""


def from_text(key: Key, texts: Sequence[str]) -> Any:
    """The JSON form of the text of an option or a variable; each text of a list may hold several values.

    Text that is not a number stays text, which `typed` then refuses.
    """
    if key.may_be_unset and not any(text.strip() for text in texts):
        return None
    if key.kind == "rates":
        return _rates_from_text(texts)
    if key.is_list:
        return [_number_from_text(text) for text in _split(texts)] if key.kind == "numbers" else _split(texts)
    text = texts[-1] if key.kind == "path" else texts[-1].strip()
    return _number_from_text(text) if key.kind in {"whole", "whole_or_all", "number"} else text


def typed(key: Key, value: Any, root: Path) -> Any:
    """Check a value in its JSON form and return the one that Settings hold. Raises UnfitError."""
    if key.may_be_unset and value in (None, [], ()):
        return _UNSET.get(key.kind)
    if key.kind == "path":
        return _path(value, root)
    if key.kind == "paths":
        # Outside of a list, a comma is part of the file's name.
        paths = tuple(_path(one, root) for one in _each([value] if isinstance(value, str) else value))
        return tuple(_each(paths))
    return _TYPED[key.kind](key, value)


def plain(key: Key, value: Any) -> Any:
    """The JSON form of a value that Settings hold: builtin types only."""
    if key.kind == "shard" and value is not None:
        return f"{value[0]}/{value[1]}"
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value) or None
    if isinstance(value, frozenset):
        return sorted(value)
    return _plain_list(key, value) if isinstance(value, tuple) else value


def _plain_list(key: Key, values: tuple[Any, ...]) -> Any:
    """A list; one value bare, and none as null, where that is the form of the key's default."""
    plain_values = [str(value) if isinstance(value, Path) else value for value in values]
    if isinstance(key.default, tuple) or len(values) > 1:
        return plain_values
    return plain_values[0] if plain_values else None


def _split(texts: Sequence[str]) -> list[str]:
    return [part.strip() for text in texts for part in text.split(",")]


def _number_from_text(text: str) -> str | float:
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _rates_from_text(texts: Sequence[str]) -> dict[str, Any]:
    rates: dict[str, Any] = {}
    for part in _split(texts):
        model, _, rate = part.rpartition("=")
        model = model.strip() or EVERY_MODEL
        if model in rates:
            raise UnfitError(shown(part), f"{'every model' if model == EVERY_MODEL else model} has a rate already")
        rates[model] = _number_from_text(rate.strip())
    return rates


def _whole(key: Key, value: Any) -> int:
    if type(value) is not int or not key.low <= value <= key.high:
        raise UnfitError(shown(value))
    return value


def _whole_or_all(key: Key, value: Any) -> int | str:
    return "all" if value == "all" else _whole(key, value)


def _number(key: Key, value: Any) -> float:
    if type(value) not in {int, float} or not key.low <= value <= key.high:  # a bool is an int to isinstance
        raise UnfitError(shown(value))
    return float(value)


def _numbers(key: Key, value: Any) -> tuple[float, ...]:
    return tuple(_number(key, one) for one in _each(value if isinstance(value, str | list | tuple) else [value]))


def _choice(key: Key, value: Any) -> str:
    if not isinstance(value, str) or value not in key.choices:
        raise UnfitError(shown(value), nearest(value.lower(), key.choices) if isinstance(value, str) else "")
    return value


def _choices(key: Key, value: Any) -> tuple[str, ...]:
    return tuple(_choice(key, one) for one in _each(value))


def _choice_set(key: Key, value: Any) -> frozenset[str]:
    return frozenset(_choices(key, value))


def _names(_: Key, value: Any) -> tuple[str, ...]:
    return tuple(_name(one) for one in _each(value))


def _name(value: Any) -> str:
    fits = isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.strip() == value
    if not fits or _CONTROL.search(value):
        raise UnfitError(shown(value))
    return str(value)


def _urls(_: Key, value: Any) -> tuple[str, ...]:
    return tuple(_url(one) for one in _each(value))


def _url(value: Any) -> str:
    if not isinstance(value, str):
        raise UnfitError(shown(value))
    parts = _url_parts(value)
    if parts is None or parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
        raise UnfitError(_without_secrets(value), "it looks like http://127.0.0.1:1234")
    if "@" in parts.netloc:
        raise UnfitError(_without_secrets(value), "credentials do not belong in a URL; a token goes into LM_API_TOKEN")
    if "?" in value or "#" in value:
        raise UnfitError(_without_secrets(value))
    return value


def _url_parts(text: str) -> SplitResult | None:
    """The parts of a URL, or None if the text is no URL or its port is not valid.

    A host with an escape or a backslash is none: `127.0.0.1%2eevil.example` is another host to the library that
    connects than to the one that checks. The zone of an IPv6 address may have one.
    """
    if _CONTROL.search(text) or any(character.isspace() for character in text):
        return None
    try:
        parts = urlsplit(text)
        host = parts.netloc.rpartition("@")[2]
        usable = parts.port != 0  # reading a port that is no number raises, too
        usable = usable and "\\" not in host and (host.startswith("[") or "%" not in host)
    except ValueError:
        return None
    return parts if usable else None


def _without_secrets(url: str) -> str:
    """A URL as a message may show it, without the parts before an @ and after a ?, which may be secrets."""
    return shown(re.sub(r"[?#].*", "?…", re.sub(r".*@", "…@", url, flags=re.DOTALL), flags=re.DOTALL))


def _rates(key: Key, value: Any) -> dict[str, float]:
    rates = value if isinstance(value, Mapping) else {EVERY_MODEL: value}
    return {_name(model): _rate(key, rate) for model, rate in rates.items()}


def _rate(_: Key, value: Any) -> float:
    if type(value) not in {int, float} or not 0 <= value <= 1:
        raise UnfitError(shown(value))
    return float(value)


def _executor(_: Key, value: Any) -> str:
    """The executor's name, or a Dask scheduler's address with its port, by default Dask's own."""
    if value in _EXECUTORS:
        return str(value)
    if not isinstance(value, str):
        raise UnfitError(shown(value))
    parts = _url_parts(value)
    if parts is None or parts.scheme.lower() != "dask" or not parts.hostname:
        raise UnfitError(shown(value), _executor_hint(value))
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if "@" in value or value.partition("://")[2].rstrip("/").lower() not in {host, f"{host}:{parts.port}"}:
        raise UnfitError(_without_secrets(value), "an address has a host and a port, nothing else")
    return f"{_SCHEDULER}{host}:{parts.port or _SCHEDULER_PORT}"


def _executor_hint(text: str) -> str:
    """A hint at the right form: Dask itself writes a scheduler's address as tcp://HOST:PORT."""
    scheme, is_url, address = text.partition("://")
    if is_url and address.strip() and scheme.lower() in {"tcp", "http", "https"}:
        return f"did you mean {_SCHEDULER}{one_line(address.strip(), 80)}?"
    return "an address looks like dask://192.168.1.5:8786" if is_url else nearest(text.lower(), _EXECUTORS)


def _shard(_: Key, value: Any) -> tuple[int, int]:
    match = _SHARD.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise UnfitError(shown(value))
    part, parts = int(match[1]), int(match[2])
    if not 1 <= part <= parts:
        raise UnfitError(shown(value), f"the parts of {parts} are 1 to {parts}" if parts else "")
    return part, parts


def _text(_: Key, value: Any) -> str:
    """A text as one line. Any character may be in it: it is made harmless where it is shown."""
    line = " ".join(value.split()) if isinstance(value, str) else ""
    if not 0 < len(line) <= _LONGEST_TEXT:
        raise UnfitError(shown(value))
    return line


def _path(value: Any, root: Path) -> Path:
    if not isinstance(value, str) or not value.strip() or _CONTROL.search(value):
        raise UnfitError(shown(value))
    try:
        return root / Path(value).expanduser()
    except RuntimeError:
        raise UnfitError(shown(value), "no such home folder") from None


def _each(value: Any) -> list[Any]:
    """The members of a list, or of a text split at commas. Raises UnfitError if empty, or if one is there twice."""
    members = _split([value]) if isinstance(value, str) else value
    if not isinstance(members, list | tuple) or not members:
        raise UnfitError(shown(value))
    for place, member in enumerate(members):
        if member in members[:place]:
            raise UnfitError(shown(member), "it is there twice")
    return list(members)


_TYPED: dict[str, Callable[[Key, Any], Any]] = {
    "whole": _whole,
    "whole_or_all": _whole_or_all,
    "number": _number,
    "numbers": _numbers,
    "choice": _choice,
    "choices": _choices,
    "choice_set": _choice_set,
    "names": _names,
    "urls": _urls,
    "rates": _rates,
    "executor": _executor,
    "shard": _shard,
    "text": _text,
}
_UNSET: dict[str, Any] = {"names": (), "choices": (), "choice_set": frozenset(), "rates": {}}
