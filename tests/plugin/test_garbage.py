"""What the garbage collector passes over during a run, and that a process has it back as it was."""

from __future__ import annotations

import gc
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.mock import MockServer

pytest_plugins = ("pytester",)

WATCH = """
import atexit, gc, json, sys
from pathlib import Path
import pytest

seen = {}

# The first to register is the last to be called.
@atexit.register
def tell():
    seen["exempt at exit"] = gc.get_freeze_count()
    seen["modules"] = sorted(sys.modules)
    Path("seen.json").write_text(json.dumps(seen))

def pytest_runtest_teardown():
    seen["exempt in a test"] = gc.get_freeze_count()
    seen["objects to a round"] = gc.get_threshold()[0]

@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    seen["exempt at pytest's last round"] = gc.get_freeze_count()
"""
# What a run has no use for, or only with an option that this one does not give.
NEEDLESS = (
    "plotbot.mock", "plotbot.commands", "plotbot.run.worker_rpc", "xllamacpp", "asyncio", "http.server", "hypothesis",
    "anyio", "dask",
)  # fmt: skip


@pytest.fixture
def watched(
    project: Path, start_mock: Callable[..., MockServer], run_pytest: Callable[..., subprocess.CompletedProcess[str]]
) -> Callable[..., dict[str, Any]]:
    """What a run in a process of its own reports of itself; with workers the main process reports last."""

    def run(*arguments: str) -> dict[str, Any]:
        (project / "watch.py").write_text(WATCH, encoding="utf-8")
        given = ("-p", "watch", "evals", "--sample-seed=1", "--test-sample-size=2", "--lm-studio-url", start_mock().url)
        done = run_pytest(project, *given, *arguments, PYTEST_ADDOPTS="-p no:cacheprovider")
        assert done.returncode == 0, done.stdout + done.stderr
        told: dict[str, Any] = json.loads((project / "seen.json").read_bytes())
        return told

    return run


def test_the_main_process_of_workers_exempts_its_objects_too(watched: Callable[..., dict[str, Any]]) -> None:
    assert watched("-n1")["exempt at exit"] > 10_000


def test_a_run_s_objects_are_exempt_until_its_process_ends_and_it_loads_only_what_it_needs(
    watched: Callable[..., dict[str, Any]],
) -> None:
    seen = watched()
    assert seen["exempt in a test"] > 10_000, "items, modules and all else that stays"
    assert seen["objects to a round"] > gc.get_threshold()[0]
    assert 10_000 < seen["exempt at pytest's last round"] <= seen["exempt in a test"], (
        "the tests' own objects are visited"
    )
    assert seen["exempt at exit"] > seen["exempt at pytest's last round"]
    assert [name for name in seen["modules"] if name.startswith(NEEDLESS)] == []


def test_a_session_gives_everything_back_to_the_process_that_goes_on(
    evals: Callable[..., pytest.RunResult], start_mock: Callable[..., MockServer]
) -> None:
    gc.freeze()
    before = gc.get_threshold()
    assert evals(start_mock()).ret == 0
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == before
    assert gc.isenabled()
