"""One of two hosts answers at once, and with nothing usable: the healthy one gets the cases all the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from plotbot.mock import Latency, MockServer, Rule

pytest_plugins = ("pytester",)

TITLES = 60
EVAL = """
import pytest

@pytest.mark.eval
def test_any(reply, results):
    results.keep(reply)
"""
HTML = "<!DOCTYPE html><html><body><h1>Welcome to nginx!</h1></body></html>"
SICK: dict[str, tuple[Rule, ...]] = {
    "a page with status 200": (Rule(status=200, body=HTML),),
    "nothing with status 200": (Rule(status=200),),
    "an error with status 200": (Rule(status=200, body={"error": "Unexpected endpoint or method."}),),
    "500": (Rule(status=500, body=HTML),),
    "404": (Rule(status=404, body="404 page not found"),),
    "400": (Rule(status=400, body={"error": "Bad Request"}),),
    "418": (Rule(status=418, body="I'm a teapot"),),
    "each time another": tuple(Rule(status=status, every=2, body=HTML) for status in (200, 500, 404, 403, 302, 599)),
    "what is not HTTP": (Rule(shape="garbage"),),
}


@pytest.fixture
def project(pytester: pytest.Pytester, make_project: Callable[[Path], Path]) -> Path:
    project = make_project(pytester.path)
    (project / "evals" / "test_story_seeds.py").write_text(EVAL, encoding="utf-8")
    index = {f"t{number:03}": f"Headline {number:03}: a goose is elected" for number in range(TITLES)}
    (project / "data" / "titles_index.json").write_text(json.dumps(index), encoding="utf-8")
    return project


@pytest.mark.parametrize("sick", SICK)
def test_a_sick_host_does_not_swallow_the_run(
    pytester: pytest.Pytester, project: Path, start_mock: Callable[..., MockServer], sick: str
) -> None:
    healthy, bad = start_mock(latency=Latency(0.02)), start_mock(rules=SICK[sick])
    result = pytester.runpytest_inprocess(
        "evals", f"--lm-studio-url={bad.url},{healthy.url}", "--test-sample-size=0", "--request-retry-limit=1"
    )
    assert len(list((project / "data" / "generated_data").glob("*.json"))) == TITLES
    assert result.ret == 0
    assert result.stdout.str().count("is set aside") <= 1


def test_three_hosts_of_which_one_is_healthy(
    pytester: pytest.Pytester, project: Path, start_mock: Callable[..., MockServer]
) -> None:
    bad = [start_mock(rules=SICK[sick]) for sick in ("500", "a page with status 200")]
    urls = ",".join(server.url for server in (*bad, start_mock(latency=Latency(0.02))))
    result = pytester.runpytest_inprocess("evals", f"--lm-studio-url={urls}", "--test-sample-size=0")
    assert len(list((project / "data" / "generated_data").glob("*.json"))) == TITLES
    assert result.ret == 0


def test_a_single_sick_host_is_believed(
    pytester: pytest.Pytester, project: Path, start_mock: Callable[..., MockServer]
) -> None:
    server = start_mock(rules=SICK["500"])
    result = pytester.runpytest_inprocess("evals", f"--lm-studio-url={server.url}", "--test-sample-size=0")
    result.assert_outcomes(errors=TITLES)
    assert sum(request.method == "POST" for request in server.requests) == TITLES + 1, "the handshake is the first"
