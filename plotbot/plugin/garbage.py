"""What the garbage collector is spared: a run keeps thousands of objects to its end, and none of them are garbage.

Each of its full rounds looks through all of them, and the last rounds, at the interpreter's exit, take all that there
was apart piece by piece. For 1,000 cases that was an eighth of a run's processor time. Nothing goes unchecked: pytest's
own last round, which finds what a test left open, still sees whatever the tests have made.
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


def give_back_at_the_end(config: pytest.Config) -> None:
    """Have the collector look at everything again once the session is over: the process may live on.

    To be called before pytest's own plugins are configured: cleanups run in reverse, so theirs come before this one.
    """
    config.add_cleanup(gc.unfreeze)


def spare_what_is_there() -> None:
    """From here on the collector passes over all that is alive now, such as the items; at exit, over everything."""
    gc.freeze()
    # The memory of a process that ends is given back whole.
    atexit.register(gc.freeze)


@contextmanager
def collector_resting() -> Iterator[None]:
    """For work that makes much and leaves nothing lying about: no round of the collector in the midst of it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
