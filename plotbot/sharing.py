"""One object for values that are equal: what a run's records have in common is in memory once, not once for each."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

Value = TypeVar("Value")


def shared(value: Value) -> Value:
    """The value, as an object that was given for an equal one before, if that is not long ago."""
    try:
        same: Value = _same(value)
    except TypeError:
        # What has no hash: a journal that was changed by hand may have any JSON in any place.
        return value
    return same


@lru_cache(4_000)
def _same(value: Any) -> Any:
    return value
