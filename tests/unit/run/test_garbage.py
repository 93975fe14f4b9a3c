from __future__ import annotations

import gc

import pytest

from plotbot.run import garbage


@pytest.mark.parametrize("on", [True, False])
def test_the_collector_pauses_and_is_then_as_it_was(on: bool) -> None:
    if not on:
        gc.disable()
    try:
        with garbage.paused():
            assert not gc.isenabled()
        assert gc.isenabled() is on
    finally:
        gc.enable()
