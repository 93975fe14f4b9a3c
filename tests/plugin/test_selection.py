"""pytest's own ways to choose and to stop, and the files that an eval names by marker."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.mock import MockServer, Rule

pytest_plugins = ("pytester",)

Evals = Callable[..., pytest.RunResult]
StartMock = Callable[..., MockServer]
RunFile = Callable[[Path, str], Any]

BAD = (Rule(headline="Headline 0[1-6]", reply="no JSON at all"),)


def counts(summary: dict[str, Any]) -> list[int]:
    return [summary["total"][box] for box in ("planned", "passed", "failed", "error", "skipped", "not_run")]


def test_dash_k_plans_and_asks_only_what_it_leaves(
    evals: Evals, start_mock: StartMock, project: Path, run_file: RunFile
) -> None:
    server = start_mock()
    result = evals(server, "--test-sample-size=0", "-k", "t03 or t05")
    assert result.ret == 0
    assert counts(run_file(project, "summary.json")) == [2, 2, 0, 0, 0, 0]
    assert {case["title"]["id"] for case in run_file(project, "plan.json")["cases"]} == {"t03", "t05"}
    assert server.stats().models["mock-model"].requests == 2


def test_what_a_conftest_deselects_is_not_planned(
    evals: Evals, start_mock: StartMock, project: Path, run_file: RunFile
) -> None:
    server = start_mock()
    (project / "evals" / "conftest.py").write_text(
        "def pytest_collection_modifyitems(config, items):\n"
        "    config.hook.pytest_deselected(items=items[1:])\n"
        "    del items[1:]\n",
        encoding="utf-8",
    )
    assert evals(server).ret == 0
    assert counts(run_file(project, "summary.json")) == [1, 1, 0, 0, 0, 0]
    assert server.stats().models["mock-model"].requests == 1


@pytest.mark.parametrize(("stop", "failed"), [("-x", 1), ("--maxfail=2", 2)])
def test_a_stop_at_failures_ends_with_1_and_counts_what_did_not_run(
    evals: Evals, start_mock: StartMock, project: Path, run_file: RunFile, stop: str, failed: int
) -> None:
    server = start_mock(rules=(Rule(reply="no JSON at all"),))
    assert evals(server, stop, "--test-sample-size=10", "--max-in-flight=2").ret == 1
    assert counts(run_file(project, "summary.json")) == [10, 0, failed, 0, 0, 10 - failed]
    assert server.stats().models["mock-model"].requests <= failed + 2, "it asks no further ahead than its slots"


def test_a_stop_at_the_first_failure_is_1_even_where_the_gate_holds(evals: Evals, start_mock: StartMock) -> None:
    server = start_mock(rules=(Rule(headline="Headline 01", reply="no JSON at all"),))
    assert evals(server, "--test-sample-size=0", "-x", "--min-pass-rate=0").ret == 1


def test_last_failed_runs_the_last_runs_failures_from_the_same_sample(
    pytester: pytest.Pytester, project: Path, start_mock: StartMock, run_file: RunFile
) -> None:
    server = start_mock(rules=BAD)
    first = pytester.runpytest_inprocess("evals", "--lm-studio-url", server.url, "--test-sample-size=9")
    failed = run_file(project, "summary.json")["total"]["failed"]
    sample = run_file(project, "summary.json")["header"]["sample_seed"]
    again = pytester.runpytest_inprocess("evals", "--lm-studio-url", server.url, "--lf")
    assert (first.ret, again.ret) == (1, 1)
    assert counts(run_file(project, "summary.json")) == [failed, 0, failed, 0, 0, 0]
    assert run_file(project, "summary.json")["header"]["sample_seed"] == sample


def test_items_that_are_turned_round_are_asked_in_their_new_order(
    evals: Evals, start_mock: StartMock, project: Path, run_file: RunFile
) -> None:
    server = start_mock()
    (project / "evals" / "conftest.py").write_text(
        "import pytest\n@pytest.hookimpl(tryfirst=True)\n"
        "def pytest_collection_modifyitems(items):\n    items.reverse()\n",
        encoding="utf-8",
    )
    assert evals(server, "--max-in-flight=1").ret == 0
    plan = run_file(project, "plan.json")
    asked = [
        json.loads(body["messages"][-1]["content"].rpartition("Headline: ")[2])
        for request in server.requests
        if request.method == "POST" and "Headline: " in (body := request.json())["messages"][-1]["content"]
    ]
    headlines = {case["id"]: case["title"]["text"] for case in plan["cases"]}
    assert asked == [headlines[case] for _, case in plan["items"]]
    assert [case["id"] for case in plan["cases"]][::-1] == [case for _, case in plan["items"]]


OWN_FILES = """
import pytest

def test_default(reply, schema, judge):
    assert judge(reply, schema).ok

@pytest.mark.eval(prompt="own/prompt.txt", schema="own/schema.json", titles="own/titles.json")
def test_own(reply, schema, judge, results):
    assert judge(reply, schema).ok
    results.keep(reply)
"""


def test_an_eval_may_name_its_own_files_beside_the_default_ones(
    evals: Evals, start_mock: StartMock, project: Path, run_file: RunFile, write_eval: Callable[..., None]
) -> None:
    server = start_mock(rules=(Rule(headline="Owl", reply='[{"owl": "white"}]'),))
    (project / "own").mkdir()
    (project / "own" / "prompt.txt").write_text("You count owls.", encoding="utf-8")
    (project / "own" / "titles.json").write_text(
        '{"owl": "Owl bank fails", "o2": "Owl bank saved", "o3": "Owl 3", "o4": "Owl 4"}', encoding="utf-8"
    )
    (project / "own" / "schema.json").write_text(
        '{"type": "array", "items": {"type": "object", "required": ["owl"], "properties": {"owl": {"type": "string"}},'
        ' "additionalProperties": false}}',
        encoding="utf-8",
    )
    write_eval(OWN_FILES)
    assert evals(server).ret == 0
    assert counts(run_file(project, "summary.json")) == [8, 8, 0, 0, 0, 0]
    conversations = [request.json()["messages"] for request in server.requests if request.method == "POST"]
    prompts = {one[0]["content"] for one in conversations if len(one) > 1}
    assert prompts == {"You count owls.", (project / "data" / "prompt.txt").read_text(encoding="utf-8").strip()}
    assert json.loads((project / "data/generated_data/owl.json").read_bytes())["title"] == "Owl bank fails"
    assert {case["prompt_hash"] for case in run_file(project, "plan.json")["cases"]} == {
        question["hash"] for question in run_file(project, "plan.json")["questions"]
    }


def test_two_tests_of_one_case_share_one_exchange(
    evals: Evals, start_mock: StartMock, project: Path, run_file: RunFile, write_eval: Callable[..., None]
) -> None:
    server = start_mock()
    write_eval("def test_one(reply):\n    assert reply.content\n\ndef test_two(reply):\n    assert reply.content\n")
    assert evals(server).ret == 0
    assert counts(run_file(project, "summary.json")) == [8, 8, 0, 0, 0, 0]
    assert server.stats().models["mock-model"].requests == 4


def test_a_plan_without_cases_ends_with_5(evals: Evals, start_mock: StartMock, project: Path) -> None:
    server = start_mock()
    assert evals(server, "--test-sample-size=2", "--shard=3/3").ret == 5
    assert not (project / "data" / "runs").exists()
    assert server.stats().models["mock-model"].requests == 0


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((), 1),
        (("--min-pass-rate=0.5",), 0),
        (("--min-pass-rate=0.51",), 1),
        (("--min-pass-rate=0.5", "--gate=interval"), 1),
        (("--min-pass-rate=another-model=0.9",), 1),
        (("--tolerate=not_json",), 4),
    ],
)
def test_failures_end_with_1_unless_a_gate_holds(
    evals: Evals, start_mock: StartMock, arguments: tuple[str, ...], status: int
) -> None:
    assert evals(start_mock(rules=BAD), "--test-sample-size=0", *arguments).ret == status


def test_errors_end_with_10_even_where_the_gate_holds(
    evals: Evals, start_mock: StartMock, project: Path, run_file: RunFile
) -> None:
    server = start_mock(rules=(Rule(headline="Headline 01", status=400, body='{"error": "no"}'),))
    result = evals(server, "--test-sample-size=0", "--min-pass-rate=0.5")
    assert result.ret == 10
    result.assert_outcomes(passed=11, errors=1)
    assert counts(run_file(project, "summary.json")) == [12, 11, 0, 1, 0, 0]
    assert run_file(project, "summary.json")["exit_status"] == 10


@pytest.mark.parametrize("arguments", [("evals", "--collect-only"), ("-h",), ("tests",), ()])
def test_a_session_without_evals_to_run_leaves_nothing_behind(
    pytester: pytest.Pytester, project: Path, start_mock: StartMock, arguments: tuple[str, ...]
) -> None:
    (project / "tests").mkdir()
    (project / "tests" / "test_plain.py").write_text("def test_plain(): pass\n", encoding="utf-8")
    before = sorted(path for path in project.rglob("*") if "__pycache__" not in path.parts)
    server = start_mock()
    collects = "--collect-only" in arguments
    given = ("--lm-studio-url", server.url) if collects else ()
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments, *given)
    assert result.ret == 0
    assert sorted(path for path in project.rglob("*") if "__pycache__" not in path.parts) == before
    assert {request.method for request in server.requests} <= {"GET"}


def test_collecting_with_a_named_model_needs_no_server(pytester: pytest.Pytester, project: Path) -> None:
    given = ("evals", "--collect-only", "-q", "--model=some/model", "--lm-studio-url=http://127.0.0.1:9")
    result = pytester.runpytest_inprocess(*given, "--sample-seed=1", "--test-sample-size=2", "--repeats=2")
    assert result.ret == 0
    ids = [line for line in result.outlines if "::" in line]
    assert len(ids) == 4
    assert all(line.startswith("evals/test_story_seeds.py::test_story_seed[model-headline-") for line in ids)
    assert not (project / "data" / "runs").exists()
