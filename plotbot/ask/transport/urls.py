"""Server addresses in one form, and whether two names mean the same model."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

from plotbot.errors import SettingsError
from plotbot.safe import one_line

_CHAT = "/chat/completions"
_API = re.compile(r"(?:/v1|/api/v0|/api/v1)$")
_INSTANCE = re.compile(r":(?:\d+|latest)$")
_FILE_ENDING = re.compile(r"\.gguf$|-gguf$")


def chat_url(url: str) -> str:
    """The chat completions endpoint: a full endpoint stays as it is, any other URL gets `/v1/chat/completions`.

    >>> chat_url("localhost:1234")
    'http://localhost:1234/v1/chat/completions'

    Raises SettingsError if *url* is not the address of a server.
    """
    whole = _whole(url)
    return whole if whole.endswith(_CHAT) else base_url(whole) + "/v1" + _CHAT


def base_url(url: str) -> str:
    """The server's root, without a slash at its end; all its other paths start with it.

    >>> base_url("http://127.0.0.1:1234/v1/chat/completions")
    'http://127.0.0.1:1234'

    Raises SettingsError if *url* is not the address of a server.
    """
    return _API.sub("", _whole(url).removesuffix(_CHAT))


def same_model(asked: str, answered: str) -> bool:
    """Whether a server that was *asked* for one name and *answered* under another may mean the same model.

    Servers echo the name of the instance that answered: `name:2` for a second instance, with or without publisher or
    variant, or a file's path. Names with two different publishers, or two different variants, are two models.

    >>> same_model("qwen/qwen3-4b", "qwen3-4b@q4_k_m:2"), same_model("qwen3-4b@q4_k_m", "qwen3-4b@q8_0")
    (True, False)
    """
    first, second = _parts(asked), _parts(answered)
    return first[1] == second[1] and all(a == b or not a or not b for a, b in zip(first, second, strict=True))


def _whole(url: str) -> str:
    """Scheme, host, port and path of the address, with single slashes. Raises SettingsError if there is more in it."""
    text = url.strip()
    whole = _canonical(text if "://" in text else f"http://{text}")
    if whole is None:
        raise SettingsError(
            f"LM_STUDIO_URL is no address of a server: {one_line(_without_password(text), 120)}. "
            "Give a base URL such as http://127.0.0.1:1234, without a user name (a token goes into LM_API_TOKEN)."
        )
    return whole


def _canonical(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        usable = parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    if not usable or parts.scheme not in {"http", "https"} or "@" in parts.netloc or parts.query or parts.fragment:
        return None
    path = re.sub(r"/+", "/", parts.path).rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _without_password(url: str) -> str:
    return re.sub(r"(?<=//)[^/]*@|^[^/]*@", "…@", url).partition("?")[0]


def _parts(name: str) -> tuple[str, str, str]:
    """Publisher, bare name and variant of a model's name; the publisher and the variant may be empty."""
    bare, _, variant = name.strip().lower().replace("\\", "/").partition("@")
    path = _INSTANCE.sub("", bare).strip("/").split("/")
    publisher = path[0] if len(path) == 2 else ""
    return publisher, _FILE_ENDING.sub("", path[-1]), _INSTANCE.sub("", variant)
