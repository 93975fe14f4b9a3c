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
from functools import partial

import pytest

# How many more objects than before there must be for a round, while items run; by itself Python takes 700.
_A_ROUND = 20_000


def give_back_at_the_end(config: pytest.Config) -> None:
    """Have the collector do as before once the session is over: the process may live on.

    To be called before pytest's own plugins are configured: cleanups run in reverse, so theirs come before this one.
    """
    config.add_cleanup(partial(gc.set_threshold, *gc.get_threshold()))
    config.add_cleanup(gc.unfreeze)


@contextmanager
def loading() -> Iterator[None]:
    """For what is loaded and stays: no round of the collector while it comes, nor a look at it later."""
    with collector_resting():
        yield
        gc.freeze()


def spare_what_is_there() -> None:
    """From here on the collector passes over all that is alive now, such as the items, and comes less often.

    At exit it passes over everything.
    """
    gc.freeze()
    gc.set_threshold(_A_ROUND, *gc.get_threshold()[1:])
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
