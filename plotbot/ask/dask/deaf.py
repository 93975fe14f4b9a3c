"""Loaded into the workers that a run starts itself (Dask calls it a preload), so that Ctrl-C ends the front alone.

The terminal sends it to all of them at once, and the front ends its workers when it has what it needs of them.
"""

from __future__ import annotations

import signal


def dask_setup(_worker: object) -> None:
    """Called by Dask when the worker starts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
