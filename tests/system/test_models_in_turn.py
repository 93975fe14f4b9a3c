"""Several models in one run: each is loaded once, at its turn, and none while another one is answering."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import last_run
from plotbot.keep.run_reading import read_run
from plotbot.mock import MockServer, ModelSpec, Rule

StartMock = Callable[..., MockServer]
Evals = Callable[..., subprocess.CompletedProcess[str]]

LATENCY = 0.03
ON_DEMAND = tuple(ModelSpec(name, loaded=False, load_seconds=0.2) for name in ("a/one", "b/two", "three"))
ALL = "--model=a/one,b/two,three"


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[[Path], Path]) -> Path:
    return make_project(tmp_path)


@pytest.fixture
def evals(project: Path, run_pytest: Callable[..., subprocess.CompletedProcess[str]]) -> Evals:
    def run(server: MockServer, *arguments: str) -> subprocess.CompletedProcess[str]:
        given = ("--lm-studio-url", server.url, "--sample-seed=1", "--test-sample-size=6", *arguments)
        return run_pytest(project, "evals", *given)

    return run


def posts(server: MockServer) -> list[str]:
    return [request.path for request in server.requests if request.method == "POST"]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_models_that_evict_each_other_are_loaded_once_each(
    start_mock: StartMock, evals: Evals, project: Path, run_file: Callable[[Path, str], Any], workers: str
) -> None:
    server = start_mock(models=ON_DEMAND, rules=(Rule(latency=LATENCY),))
    result = evals(server, ALL, "-n", workers)
    assert result.returncode == 0, result.stdout
    stats = server.stats()
    figures = {
        key: (model.loads, model.copies, model.killed, model.handshakes, model.replies)
        for key, model in stats.models.items()
    }
    assert figures == dict.fromkeys(("a/one", "b/two", "three"), (1, 0, 0, 1, 6))
    assert stats.peak_models_in_flight == 1
    prints = run_file(project, "summary.json")["header"]["fingerprints"]
    assert {(told["context_length"], told["slots"]) for told in prints.values()} == {(32768, 4)}


@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_last_failures_come_first_within_their_model(
    start_mock: StartMock, evals: Evals, project: Path, run_file: Callable[[Path, str], Any], workers: str
) -> None:
    failing = (Rule(headline="Headline 0[13]", reply="No JSON."),)
    evals(start_mock(models=ON_DEMAND, rules=failing), ALL, "--test-sample-size=0")
    server = start_mock(models=ON_DEMAND)
    result = evals(server, ALL, "--test-sample-size=0", "--failed-first", "-n", workers)
    assert result.returncode == 0, result.stdout
    assert {key: (model.loads, model.replies) for key, model in server.stats().models.items()} == dict.fromkeys(
        ("a/one", "b/two", "three"), (1, 12)
    )
    plan = run_file(project, "plan.json")
    titles = {case["id"]: case["title"]["text"] for case in plan["cases"]}
    order = [titles[case] for _, case, *_ in plan["items"]]
    assert all(
        {one[:11] for one in order[start : start + 2]} == {"Headline 01", "Headline 03"} for start in (0, 12, 24)
    )


@pytest.mark.parametrize("workers", ["0", "2"])
def test_load_has_each_model_loaded_with_its_context_before_its_handshake(
    start_mock: StartMock, evals: Evals, project: Path, workers: str
) -> None:
    server = start_mock(models=ON_DEMAND, jit=False, rules=(Rule(latency=LATENCY),))
    result = evals(server, ALL, "--load", "--context-length=16384", "-n", workers)
    assert result.returncode == 0, result.stdout
    load, unload, chat = "/api/v1/models/load", "/api/v1/models/unload", "/v1/chat/completions"
    assert posts(server) == [load, *[chat] * 7, unload, load, *[chat] * 7, unload, load, *[chat] * 7]
    loads = [json.loads(request.body) for request in server.requests if request.path == load]
    assert loads == [{"model": name, "context_length": 16384} for name in ("a/one", "b/two", "three")]
    folder = last_run(project / "data" / "runs")
    assert folder is not None
    prints = [exchange.fingerprint for exchange in read_run(folder, Disk()).exchanges()]
    assert {(told.context_length, told.slots) for told in prints} == {(16384, 4)}


def test_load_leaves_a_model_alone_that_has_enough_context(start_mock: StartMock, evals: Evals) -> None:
    server = start_mock(models=(ModelSpec("m", context=16384),))
    assert evals(server, "--load", "--context-length=8192").returncode == 0
    assert set(posts(server)) == {"/v1/chat/completions"}


def test_load_replaces_a_model_with_too_little_context_and_says_so(start_mock: StartMock, evals: Evals) -> None:
    server = start_mock(models=(ModelSpec("m", context=4096),))
    result = evals(server, "--load", "--context-length=8192", "--confirm=skip")
    assert result.returncode == 0
    assert "m was loaded with a context of 4096 tokens; it was unloaded and loaded with 8192." in result.stdout
    stats = server.stats().models["m"]
    assert (stats.loads, stats.copies, stats.handshakes) == (1, 0, 0)


def test_a_first_model_that_cannot_be_loaded_stops_the_run_in_a_sentence(start_mock: StartMock, evals: Evals) -> None:
    server = start_mock(models=(ModelSpec("m", loaded=False, load_error="No room."),))
    result = evals(server, "--load", "--model=m")
    assert result.returncode == 4
    assert 'm cannot be asked: LM Studio did not load the model. It said: {"error":"Failed to load' in result.stderr
    assert posts(server) == ["/api/v1/models/load"]


def test_a_later_model_that_cannot_be_loaded_is_an_error_of_its_own_cases(start_mock: StartMock, evals: Evals) -> None:
    models = (ModelSpec("one", loaded=False), ModelSpec("two", loaded=False, load_error="No room."))
    result = evals(start_mock(models=models), "--load", "--model=one,two")
    assert result.returncode == 10
    assert "planned 6 = 6 passed + 0 failed + 0 error" in result.stdout
    assert "model_unavailable 6" in result.stdout


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_later_model_without_its_confirm_is_an_error_of_its_own_cases(
    start_mock: StartMock, evals: Evals, workers: str
) -> None:
    rules = (Rule(model="two", handshake=True, reply="Hello!"),)
    server = start_mock(models=(ModelSpec("one"), ModelSpec("two")), rules=rules)
    result = evals(server, "--confirm=require", "--model=one,two", "-n", workers)
    assert result.returncode == 10
    assert "planned 6 = 6 passed + 0 failed + 0 error" in result.stdout
    assert "errors: model_unavailable 6" in result.stdout
    assert server.stats().models["two"].requests == 0


@pytest.mark.parametrize("given", [(), ("-n", "2"), ("--max-in-flight=2",)])
def test_as_many_requests_are_in_flight_as_the_model_has_slots(
    start_mock: StartMock, evals: Evals, given: tuple[str, ...]
) -> None:
    """Of a model that the handshake loads the slots are known after it alone."""
    server = start_mock(models=(ModelSpec("m", loaded=False, parallel=3),), rules=(Rule(latency=0.1),))
    assert evals(server, "--model=m", *given).returncode == 0
    assert server.stats().models["m"].peak_in_flight == (2 if "--max-in-flight=2" in given else 3)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("-n", "3"), "-n 3: only 2 requests are in flight at once, so -n 2 does as well."),
        (("--max-in-flight=4",), "MAX_IN_FLIGHT is 4, but there are 2 slots"),
        (("--context-length=8192",), "with a context of 4096 tokens, not with CONTEXT_LENGTH 8192"),
        (("--max-tokens=3000",), "2 requests at once may need about"),
    ],
)
def test_what_does_not_fit_together_is_said_and_the_run_goes_on(
    start_mock: StartMock, evals: Evals, given: tuple[str, ...], said: str
) -> None:
    result = evals(start_mock(models=(ModelSpec("m", parallel=2, context=4096),)), *given)
    assert result.returncode == 0
    assert said in result.stdout


def test_a_run_that_fits_is_not_talked_about(start_mock: StartMock, evals: Evals) -> None:
    result = evals(start_mock(models=(ModelSpec("m", context=16384),)), "-n", "2", "--context-length=16384")
    assert result.returncode == 0
    assert "plotbot: " not in result.stdout.partition("= plotbot =")[2]


@pytest.mark.parametrize("loaded", [True, False])
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_context_that_holds_no_prompt_stops_the_run_before_any_case(
    start_mock: StartMock, evals: Evals, loaded: bool, workers: str
) -> None:
    server = start_mock(models=(ModelSpec("m", loaded=loaded, context=120),))
    result = evals(server, "--model=m", "-n", workers)
    assert result.returncode == 4
    assert "m is loaded with a context of 120 tokens, but the shortest prompt alone" in result.stdout + result.stderr
    assert server.stats().models["m"].requests == 0
    assert server.stats().models["m"].handshakes == (0 if loaded else 1)


def test_what_the_servers_grammar_ignores_is_said_once(start_mock: StartMock, evals: Evals, project: Path) -> None:
    path = project / "data" / "story_seed.schema.json"
    schema = json.loads(path.read_bytes())
    schema["items"]["properties"]["themes"]["uniqueItems"] = True
    path.write_text(json.dumps(schema), encoding="utf-8")
    result = evals(start_mock(), "--response-format=json_schema")
    assert result.returncode == 0
    assert result.stdout.count("ignores or refuses them: items.properties.themes.uniqueItems.") == 1
    assert "ignores or refuses" not in evals(start_mock()).stdout


def test_a_thinking_model_is_named_before_its_json_arrives_as_reasoning(start_mock: StartMock, evals: Evals) -> None:
    server = start_mock(models=(ModelSpec("m", thinking=True),))
    result = evals(server, "--response-format=json_schema")
    assert "m thinks before it answers" in result.stdout
    assert "failures: json_in_reasoning 6" in result.stdout
    cured = evals(server, "--response-format=json_schema", "--reasoning-effort=none")
    assert cured.returncode == 0
    assert "thinks before" not in cured.stdout


def test_several_hosts_share_the_cases_and_each_record_says_who_answered(
    start_mock: StartMock, evals: Evals, project: Path
) -> None:
    rules = (Rule(latency=0.1),)
    first = start_mock(models=(ModelSpec("m", parallel=2),), rules=rules)
    second = start_mock(models=(ModelSpec("m", parallel=2, context=8192),), rules=rules)
    assert evals(first, "--lm-studio-url", second.url).returncode == 0
    asked = [server.stats().models["m"].requests for server in (first, second)]
    assert sum(asked) == 6
    assert min(asked) >= 2
    folder = last_run(project / "data" / "runs")
    assert folder is not None
    contexts = [exchange.fingerprint.context_length or 0 for exchange in read_run(folder, Disk()).exchanges()]
    assert sorted(contexts) == [8192] * asked[1] + [32768] * asked[0]
