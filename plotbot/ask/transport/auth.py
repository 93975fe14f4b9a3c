"""The server's API token: sent in the Authorization header, and redacted wherever a server repeats it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from plotbot.errors import SettingsError

HIDDEN = "***"
_SHORTEST_PREFIX = 8


class _Header(str):
    """A header's value that does not show in a traceback's locals."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(HIDDEN)


class Auth:
    """The Authorization header for a token, or no header without a token.

    Raises SettingsError, without the token in it, if a header cannot carry the token.
    """

    def __init__(self, token: str | None) -> None:
        if token and not re.fullmatch(r"[!-~]+", token):
            raise SettingsError("LM_API_TOKEN holds a character that cannot be part of a token, such as a space.")
        self.headers: Mapping[str, str] = {"Authorization": _Header(f"Bearer {token}")} if token else {}
        # Servers quote the beginning of a token that they refuse.
        lengths = range(len(token), min(len(token), _SHORTEST_PREFIX) - 1, -1) if token else ()
        prefixes = "|".join(re.escape(token[:length]) for length in lengths) if token else "(?!)"
        self._text = re.compile(prefixes)
        self._bytes = re.compile(prefixes.encode("ascii"))

    def __repr__(self) -> str:
        return f"Auth({HIDDEN})"

    def redact(self, text: str) -> str:
        """The text with `***` in place of the token and of every prefix of it with at least eight characters."""
        return self._text.sub(HIDDEN, text)

    def redact_bytes(self, body: bytes) -> bytes:
        """The same for a body as it arrived."""
        return self._bytes.sub(HIDDEN.encode("ascii"), body)
