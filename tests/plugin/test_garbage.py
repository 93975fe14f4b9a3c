"""What the garbage collector is spared while a run lasts, and that the process has it back as it was."""

from __future__ import annotations

import gc
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.mock import MockServer
from plotbot.run import garbage

pytest_plugins = ("pytester",)

WATCH = """
import atexit, gc, json, sys
from pathlib import Path
import pytest

seen = {}

# Whoever comes first is called last.
@atexit.register
def tell():
    seen["spared at exit"] = gc.get_freeze_count()
    seen["modules"] = sorted(sys.modules)
    Path("seen.json").write_text(json.dumps(seen))

def pytest_runtest_teardown():
    seen["spared in a test"] = gc.get_freeze_count()
    seen["objects to a round"] = gc.get_threshold()[0]

@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    seen["spared at pytest's last look"] = gc.get_freeze_count()
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
    """What a run in a process of its own tells of itself; with workers it is the main process that speaks last."""

    def run(*arguments: str) -> dict[str, Any]:
        (project / "watch.py").write_text(WATCH, encoding="utf-8")
        given = ("-p", "watch", "evals", "--sample-seed=1", "--test-sample-size=2", "--lm-studio-url", start_mock().url)
        done = run_pytest(project, *given, *arguments, PYTEST_ADDOPTS="-p no:cacheprovider")
        assert done.returncode == 0, done.stdout + done.stderr
        told: dict[str, Any] = json.loads((project / "seen.json").read_bytes())
        return told

    return run


def test_the_main_process_of_workers_is_spared_too(watched: Callable[..., dict[str, Any]]) -> None:
    assert watched("-n1")["spared at exit"] > 10_000


def test_a_run_is_spared_until_its_process_has_ended_and_loads_only_what_it_needs(
    watched: Callable[..., dict[str, Any]],
) -> None:
    seen = watched()
    assert seen["spared in a test"] > 10_000, "items, modules and all else that stays"
    assert seen["objects to a round"] > gc.get_threshold()[0]
    assert 10_000 < seen["spared at pytest's last look"] <= seen["spared in a test"], "tests' own is looked through"
    assert seen["spared at exit"] > seen["spared at pytest's last look"]
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


@pytest.mark.parametrize("on", [True, False])
def test_the_collector_rests_for_a_while_and_is_then_as_it_was(on: bool) -> None:
    if not on:
        gc.disable()
    try:
        with garbage.paused():
            assert not gc.isenabled()
        assert gc.isenabled() is on
    finally:
        gc.enable()
