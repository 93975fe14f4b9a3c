"""Opening an HTTP session, and loading what it takes only then.

requests and urllib3 take longer to load than all of plotbot that comes before the first request; with workers there is
time for it while they start (`plotbot.plugin.main_process`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotbot.ask.transport.http import HttpSession


def open_session() -> HttpSession:
    """A session of one's own, to be closed."""
    from plotbot.ask.transport.http import HttpSession  # noqa: PLC0415  see above

    return HttpSession()
