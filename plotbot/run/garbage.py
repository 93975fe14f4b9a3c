"""The garbage collector during a run, which keeps thousands of objects to its end; none of them are garbage.

Each full round of the collector visits all of them, and the rounds at the interpreter's exit free them one by one.
`benchmarks.overhead` takes an eighth to a sixth more processor time without this module. Nothing stays unchecked:
pytest's own last round, which finds what a test left open, still sees all that the tests have made.
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# The number of new objects that starts a round while items run; Python's default is 700.
_ROUND = 20_000


def restorer() -> Callable[[], None]:
    """What puts the collector back as it is now. The process may live on after a session."""
    threshold = gc.get_threshold()

    def restore() -> None:
        gc.unfreeze()
        gc.set_threshold(*threshold)

    return restore


@contextmanager
def loading() -> Iterator[None]:
    """Import modules, which stay, without a round of the collector, and exempt them from later ones."""
    with paused():
        yield
        gc.freeze()


def exempt_what_exists() -> None:
    """Exempt all objects that exist now, such as the items, and have rounds less often; at exit, exempt everything."""
    gc.freeze()
    gc.set_threshold(_ROUND, *gc.get_threshold()[1:])
    # The memory of a process that ends is given back whole.
    atexit.register(gc.freeze)


@contextmanager
def paused() -> Iterator[None]:
    """Do work that makes many objects and leaves no garbage, without a round of the collector."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
