"""An eval's exceptions in words, whatever their own code does: their `__str__` and `__repr__` may raise anything."""

from __future__ import annotations

import pytest

_MOST_NESTED = 5


def text_of(error: BaseException) -> str:
    """The text of an exception, also of one that has none; of a group its own, then that of the first in it."""
    said = [_own_text(error)]
    while isinstance(error, BaseExceptionGroup) and len(said) < _MOST_NESTED:
        error = error.exceptions[0]
        said.append(f"{type(error).__name__}: {_own_text(error)}")
    return ", first ".join(said)


def make_showable(call: pytest.CallInfo[None]) -> None:
    """Have an exception that cannot be shown stand in its report as another one of the same name and kind.

    pytest shows one whose text raises, but lets a SystemExit or a KeyboardInterrupt of its representation through, and
    other plugins may ask for either.
    """
    if call.excinfo is None or _is_showable(error := call.excinfo.value):
        return
    kind = AssertionError if isinstance(error, AssertionError) else Exception
    stand_in = type(type(error).__name__, (kind,), {"__module__": type(error).__module__})(text_of(error))
    call.excinfo = pytest.ExceptionInfo.from_exception(stand_in.with_traceback(error.__traceback__))


def _own_text(error: BaseException) -> str:
    try:
        # Exactly a `str`: a subclass may have methods of its own.
        return str.__str__(str(error))
    except BaseException as broken:  # noqa: BLE001  pytest too shows such an exception and goes on
        return f"<its text cannot be shown: {type(broken).__name__}>"


def _is_showable(error: BaseException) -> bool:
    if type(error) is AssertionError and all(type(part) is str for part in error.args):
        # As of nearly every failing assertion.
        return True
    try:
        str(error)
        repr(error)
    except BaseException:  # noqa: BLE001  see above
        return False
    return True
