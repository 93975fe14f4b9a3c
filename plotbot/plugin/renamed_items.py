"""`--lf` and `--ff` after an update: failures that pytest remembers under names that plotbot gave its items before.

pytest keeps the names of the last failures in its cache and has no public way to rename one.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from plotbot.plan.plan import former_slugs
from plotbot.records import Case


def rename_last_failures(metafunc: pytest.Metafunc, cases: Sequence[Case]) -> None:
    """Have pytest know the failed items of an eval by the names that they get now, before it looks for them."""
    last_failures = getattr(metafunc.config.pluginmanager.getplugin("lfplugin"), "lastfailed", None) or {}
    test = metafunc.definition.nodeid
    # Texts up to pytest 9.1, then objects of pytest's own that are made from texts.
    remembered = {name: key for key in last_failures if (name := str(key)).startswith(f"{test}[")}
    if not remembered:
        return
    for former, slug in former_slugs(cases).items():
        key = remembered.get(f"{test}[{former}]")
        if key is not None:
            make = getattr(type(key), "parse", str)
            last_failures[make(f"{test}[{slug}]")] = last_failures.pop(key)
