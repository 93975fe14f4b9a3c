"""What the items of a run share, so that 100,000 of them take less memory, and that it changes nothing for a test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from plotbot.mock import MockServer

pytest_plugins = ("pytester",)

EVAL = """
import pytest

@pytest.fixture
def place(request):
    return request.param

@pytest.fixture(autouse=True)
def place_in_file(request):
    assert request.node.location == type(request.node).location.func(request.node)

@pytest.mark.parametrize("number", [7, 8])
@pytest.mark.parametrize("place", ["here", "there"], indirect=True)
def test_with_parameters(reply, title, number, place, tmp_path, request):
    assert (request.node.callspec.params["number"], request.node.callspec.params["place"]) == (number, place)
    (tmp_path / "note").write_text(title.text)

def test_without(reply, title, tmp_path, request):
    assert request.node.callspec.params["reply"][0].title == title
    assert request.node.callspec.id in request.node.name
    (tmp_path / "note").write_text(title.text)

class TestOfAClass:
    def test_without_too(self, reply):
        pass
"""
CONFTEST = """
import json
from pathlib import Path
import pytest

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput") or session.config.getoption("numprocesses", None) is None:
        items = [item for item in session.items if item.originalname == "test_without"]
        parts = [(id(i.callspec.indices), id(i.callspec._arg2scope), id(i.extra_keyword_matches)) for i in items]
        phases = session.config.pluginmanager.get_plugin("tmpdir").tmppath_result_key
        seen = [len(items), len(set(parts)), sum(phases in item.stash for item in items)]
        Path("seen.json").write_text(json.dumps(seen))
"""


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_items_share_what_is_equal_and_keep_their_own_parameters(
    project: Path,
    evals: Callable[..., pytest.RunResult],
    write_eval: Callable[..., None],
    start_mock: Callable[..., MockServer],
    workers: list[str],
) -> None:
    (project / "evals" / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    write_eval(EVAL)
    result = evals(start_mock(), "--test-sample-size=3", "-k", "with", *workers)
    result.assert_outcomes(passed=18)
    assert json.loads((project / "seen.json").read_bytes()) == [3, 1, 0]
