"""Opens HTTP sessions, and loads the HTTP client only when the first one is opened.

The HTTP client takes longer to load than all of plotbot that is needed before the first request. A run with xdist
workers loads it while the workers start (`plotbot.plugin.main_process`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotbot.ask.transport.http import HttpSession


def open_session() -> HttpSession:
    """A new session; the caller closes it."""
    from plotbot.ask.transport.http import HttpSession  # noqa: PLC0415  see above

    return HttpSession()
