from __future__ import annotations

from collections.abc import Callable

import pytest

from plotbot.records import RunRecords
from tests.unit.measure.rows import run_of


@pytest.fixture
def make_run() -> Callable[..., RunRecords]:
    return run_of
