"""Which pool a run has: EXECUTOR decides."""

from __future__ import annotations

from collections.abc import Callable

from plotbot.ask.schedule.pool import LocalPool, Pool
from plotbot.errors import UsageProblem
from plotbot.settings import Settings

THREADS = "threads"


def pool_of(settings: Settings, *, version: str, warn: Callable[[str], None]) -> Pool:
    """The pool that the settings ask for; nothing is asked or started yet.

    *version* is plotbot's here, which is to be every Dask worker's. `warn` takes sentences for the user.

    Raises UsageProblem where Dask is wanted and not installed.
    """
    if settings.executor == THREADS:
        token = settings.lm_api_token
        return LocalPool(settings.lm_studio_url, settings, None if token is None else token.reveal())
    try:
        from plotbot.ask.dask.pool import DaskPool  # noqa: PLC0415  it takes half a second, and an extra
    except ModuleNotFoundError as missing:
        raise UsageProblem(
            f"EXECUTOR={settings.executor} needs Dask, but there is no {missing.name}: pip install 'plotbot[dask]'"
        ) from None
    return DaskPool(settings, version=version, warn=warn)
