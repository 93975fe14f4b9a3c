"""Dask workers that will not do: one sentence that names what is wrong, status 4, and nothing is asked of anybody."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from plotbot import __version__
from plotbot.mock import MockServer, ModelSpec

pytest.importorskip("distributed", reason="the extra dask is not installed")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

pytest_plugins = ("pytester",)

REPOSITORY = Path(__file__).parents[3]

Start = Callable[..., MockServer]
Servers = Callable[..., list[MockServer]]
Refused = Callable[..., None]
AtWork = Callable[..., None]


@pytest.fixture
def refused(pytester: pytest.Pytester, make_project: Callable[[Path], Path]) -> Refused:
    """One sentence, status 4, no traceback, and no run is left behind. In this process, which has loaded Dask."""
    project = make_project(pytester.path)

    def check(executor: str, says: Sequence[str], *arguments: str) -> None:
        given = ("evals", "--sample-seed=1", "--test-sample-size=0", *arguments, f"--executor={executor}")
        run = pytester.runpytest_inprocess(*given)
        assert_refused(run.ret, run.stdout.str() + run.stderr.str(), says, project)

    return check


def assert_refused(status: int, output: str, says: Sequence[str], project: Path) -> None:
    said = " ".join(output.split())
    assert status == 4, output
    assert [part for part in says if part not in said] == [], output
    assert "Traceback" not in output
    assert not (project / "data" / "runs").exists()


def test_a_scheduler_that_is_not_there_is_named(refused: Refused) -> None:
    says = ("No Dask scheduler answers at tcp://127.0.0.1:9:", "dask scheduler", "EXECUTOR")
    refused("dask://127.0.0.1:9", says)


def test_what_is_no_scheduler_is_named(refused: Refused, start_mock: Start) -> None:
    address = start_mock().url.partition("://")[2]
    refused(f"dask://{address}", (f"No Dask scheduler answers at tcp://{address}:",))


def test_a_scheduler_without_workers_is_named(cluster: Any, refused: Refused) -> None:
    says = (f"{cluster.address} has no worker", f"dask worker {cluster.address} --nworkers 1 --nthreads")
    refused(cluster.executor, says)


STALE = '__version__ = "0.0.1"\n'
ABSENT = "raise ModuleNotFoundError(\"No module named 'plotbot'\")\n"


@pytest.mark.parametrize(
    ("installed", "says"),
    [
        (STALE, ("has plotbot 0.0.1, this side", __version__, "Install the same on both")),
        (ABSENT, ("cannot import plotbot (No module named 'plotbot')", f"pip install 'plotbot[dask]=={__version__}'")),
    ],
    ids=["another plotbot", "no plotbot"],
)
def test_a_worker_with_another_plotbot_is_named(
    cluster: Any, refused: Refused, tmp_path: Path, at_work: AtWork, installed: str, says: tuple[str, ...]
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "plotbot.py").write_text(installed, encoding="utf-8")
    at_work("http://127.0.0.1:9", PYTHONPATH=str(tmp_path / "there"))
    refused(cluster.executor, ("Dask worker tcp://127.0.0.1:", *says))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://127.0.0.1:9", ("Nothing answers at http://127.0.0.1:9", "Its own PLOTBOT_LM_STUDIO_URL says")),
        ("localhost:1234", ('PLOTBOT_LM_STUDIO_URL: LM_STUDIO_URL is "localhost:1234", but must be',)),
        ("http://127.0.0.1:9,http://127.0.0.1:8", ("names 2 servers: start a Dask worker for each",)),
    ],
    ids=["no server", "no URL", "two URLs"],
)
def test_a_worker_without_a_server_is_named(
    cluster: Any, refused: Refused, at_work: AtWork, url: str, says: tuple[str, ...]
) -> None:
    at_work(url)
    refused(cluster.executor, ("Dask worker tcp://127.0.0.1:", *says))


def test_a_worker_whose_server_lacks_the_model_is_named(
    cluster: Any, refused: Refused, start_mock: Start, servers: Servers, at_work: AtWork
) -> None:
    good, other = servers(1)[0], start_mock(models=(ModelSpec("another"),))
    at_work(good.url)
    at_work(other.url)
    refused(cluster.executor, (f"{other.url} has no model mock-model",), "--model=mock-model")
    assert good.stats().models["mock-model"].requests == 0, "nothing is asked of anybody"


def test_two_workers_of_one_server_are_named(cluster: Any, refused: Refused, servers: Servers, at_work: AtWork) -> None:
    [server] = servers(1)
    at_work(server.url)
    at_work(server.url.replace("127.0.0.1", "localhost"))
    says = ("both ask", server.url.partition("://")[2], "Start one worker for each server (--nworkers 1)")
    refused(cluster.executor, says)


def test_dask_that_is_not_installed_is_named(project: Path, evals: Any, tmp_path: Path) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "distributed.py").write_text(
        "raise ModuleNotFoundError('not here', name='distributed')\n", encoding="utf-8"
    )
    path = os.pathsep.join((str(tmp_path / "without"), str(REPOSITORY)))
    run = evals("dask", PYTHONPATH=path)
    assert_refused(run.wait(), run.output, ("EXECUTOR=dask needs Dask", "pip install 'plotbot[dask]'"), project)


def test_the_embedded_engine_and_dask_do_not_go_together(refused: Refused) -> None:
    refused("dask", ("--embedded and EXECUTOR=dask do not go together",), "--embedded")
