"""`--reuse`: what earlier runs have on record is not asked again, and what differs in anything is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import last_run
from plotbot.keep.run_reading import RunOnDisk, read_run
from plotbot.mock import MockServer, ModelSpec, Rule

pytest_plugins = ("pytester",)

Evals = Callable[..., pytest.RunResult]
Mock = Callable[..., MockServer]
PROMPTS = "--prompt-path=data/prompt.txt,data/short.txt,data/long.txt"


@pytest.fixture(autouse=True)
def prompts(project: Path) -> None:
    for name in ("short", "long"):
        (project / "data" / f"{name}.txt").write_text(f"A {name} prompt.", encoding="utf-8")


def _asked(server: MockServer) -> int:
    """How many cases the server was asked, the handshakes left out."""
    bodies = [request.json() for request in server.requests if request.method == "POST"]
    return sum("CONFIRM" not in body["messages"][-1]["content"] for body in bodies)


def _said(result: pytest.RunResult) -> str:
    return "\n".join([*result.outlines, *result.errlines])


def _newest(project: Path) -> RunOnDisk:
    folder = last_run(project / "data" / "runs")
    assert folder is not None
    return read_run(folder, Disk())


@pytest.mark.parametrize("more", [(), ("-n1",)])
def test_after_a_change_to_one_of_three_prompts_a_third_is_asked(
    evals: Evals, project: Path, start_mock: Mock, more: tuple[str, ...]
) -> None:
    server = start_mock()
    evals(server, PROMPTS, "--note=before")
    assert _asked(server) == 12
    (project / "data" / "short.txt").write_text("A shorter prompt.", encoding="utf-8")
    result = evals(server, PROMPTS, "--reuse=all", *more)
    result.assert_outcomes(passed=12)
    assert "plotbot: reuse of the answers of 1 earlier run: 8 on record, 4 to ask" in _said(result)
    assert _asked(server) == 16
    assert "reused: 4, on record in earlier runs" in _said(result)
    run = _newest(project)
    sources = [exchange.reused_from for exchange in run.exchanges()]
    first = min(path.name for path in (project / "data" / "runs").iterdir())
    assert sorted(sources) == [""] * 4 + [first] * 8
    metas = [
        answer["meta"]
        for file in (project / "data" / "generated_data").glob("*.json")
        for answer in json.loads(file.read_bytes())["llm_models"]["mock-model"].values()
    ]
    assert sum(meta.get("reused_from") == first and meta["run"] == run.folder.run_id for meta in metas) == 8


def test_nothing_is_asked_where_only_a_check_has_changed_and_the_new_run_stands_alone(
    evals: Evals, project: Path, start_mock: Mock, write_eval: Callable[..., None]
) -> None:
    server = start_mock()
    evals(server)
    write_eval("def test_story_seed(reply):\n    assert 'goose' not in reply.content\n", "test_story_seeds.py")
    posts = sum(request.method == "POST" for request in server.requests)
    result = evals(server, "--reuse=last")
    assert result.ret == 1
    result.assert_outcomes(failed=4)
    assert sum(request.method == "POST" for request in server.requests) == posts, "no handshake either"
    assert "same 4 titles: 4 broken, 0 fixed" in _said(result)
    # What was reused is reused again, from where it was asked; the run of today needs no other run.
    first = min((project / "data" / "runs").iterdir())
    evals(server, "--reuse=last")
    assert {exchange.reused_from for exchange in _newest(project).exchanges()} == {first.name}
    for file in first.iterdir():
        file.unlink()
    first.rmdir()
    evals(server, "--replay=last").assert_outcomes(failed=4)
    evals(server, "--resume").assert_outcomes(failed=4)
    assert sum(request.method == "POST" for request in server.requests) == posts


CHANGES: dict[str, Any] = {
    "a parameter": ("--top-k=7",),
    "the seed": ("--model-seed=2",),
    "the format": ("--response-format=json_schema",),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_another_request_is_asked(evals: Evals, start_mock: Mock, change: tuple[str, ...]) -> None:
    server = start_mock()
    evals(server)
    assert "0 on record, 4 to ask" in _said(evals(server, "--reuse=all", *change))
    assert _asked(server) == 8


@pytest.mark.parametrize("field", [{"quantization": "Q8_0"}, {"context": 8192}])
def test_an_answer_of_another_fingerprint_is_never_taken(evals: Evals, start_mock: Mock, field: dict[str, Any]) -> None:
    server = start_mock(models=(ModelSpec("mock-model", quantization="Q4_K_M", context=16384),))
    evals(server)
    server.swap("mock-model", **field)
    assert "0 on record, 4 to ask" in _said(evals(server, "--reuse=all"))
    assert _asked(server) == 8
    # Both models' answers are there now, and each has its own.
    assert "4 on record, 0 to ask" in _said(evals(server, "--reuse=all"))


def test_errors_and_other_titles_are_asked_and_damage_is_told(evals: Evals, project: Path, start_mock: Mock) -> None:
    server = start_mock(rules=(Rule(status=400, body={"error": "Compute error."}, nth=(2, 3)),))
    evals(server, "--request-retry-limit=0")
    assert "2 on record, 10 to ask" in _said(evals(server, "--reuse=all", "--test-sample-size=0"))
    newest = _newest(project).folder
    newest.plan.write_text("{", encoding="utf-8")
    result = evals(server, "--reuse=all", "--test-sample-size=0")
    assert f"--reuse leaves out run {newest.run_id}" in _said(result)
    assert "2 on record, 10 to ask" in _said(result)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--reuse=never",), "no run 'never'"),
        (("--reuse=all", "--resume"), "--resume and --reuse do not go together"),
        (("--reuse=all", "--replay=last"), "--replay and --reuse do not go together"),
    ],
)
def test_a_run_that_is_not_there_or_needs_no_reuse_is_refused(
    evals: Evals, start_mock: Mock, options: tuple[str, ...], says: str
) -> None:
    server = start_mock()
    evals(server)
    result = evals(server, *options)
    assert result.ret == 4
    assert says in _said(result)
