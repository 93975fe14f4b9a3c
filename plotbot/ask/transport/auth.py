"""The server's token: sent in one header, and taken out of whatever might show it to anybody."""

from __future__ import annotations

import re
from collections.abc import Mapping

from plotbot.errors import SettingsError

HIDDEN = "***"
_SHORTEST_PART = 8


class _Header(str):
    """A header's value that does not show in a traceback's locals."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(HIDDEN)


class Auth:
    """The Authorization header of a token, or no header where there is no token.

    Raises SettingsError, without the token, where it cannot stand in a header.
    """

    def __init__(self, token: str | None) -> None:
        if token and not re.fullmatch(r"[!-~]+", token):
            raise SettingsError("LM_API_TOKEN holds a character that cannot be part of a token, such as a space.")
        self.headers: Mapping[str, str] = {"Authorization": _Header(f"Bearer {token}")} if token else {}
        # Servers quote the beginning of a token that they refuse.
        lengths = range(len(token), min(len(token), _SHORTEST_PART) - 1, -1) if token else ()
        parts = "|".join(re.escape(token[:length]) for length in lengths) if token else "(?!)"
        self._text = re.compile(parts)
        self._bytes = re.compile(parts.encode("ascii"))

    def __repr__(self) -> str:
        return f"Auth({HIDDEN})"

    def redact(self, text: str) -> str:
        """The text without the token and without the beginning of it."""
        return self._text.sub(HIDDEN, text)

    def redact_bytes(self, body: bytes) -> bytes:
        """The same for a body as it came."""
        return self._bytes.sub(HIDDEN.encode("ascii"), body)
