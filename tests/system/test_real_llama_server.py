"""A real llama.cpp server, started by hand and reached by its address: whole runs, all judged rightly."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plotbot.ask.embedded import MODEL_ID, EmbeddedEngine
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import last_run
from plotbot.keep.run_reading import RunOnDisk, read_run

pytest.importorskip("xllamacpp")

Evals = Callable[..., subprocess.CompletedProcess[str]]
SLOTS = 2
CONTEXT_LENGTH = 1536


@pytest.fixture(scope="module")
def engine() -> Iterator[EmbeddedEngine]:
    with EmbeddedEngine.start(slots=SLOTS, context_length=CONTEXT_LENGTH) as started:
        yield started


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[[Path], Path]) -> Path:
    return make_project(tmp_path)


@pytest.fixture
def evals(project: Path, engine: EmbeddedEngine, run_pytest: Callable[..., Any]) -> Evals:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        given = ("--lm-studio-url", engine.url, "--sample-seed=1", "--model-seed=1", *arguments)
        given += () if any(one.startswith("--temperature") for one in arguments) else ("--temperature=0",)
        result: subprocess.CompletedProcess[str] = run_pytest(project, "evals", *given)
        return result

    return run


@pytest.fixture
def run_of(project: Path) -> Callable[[], RunOnDisk]:
    def read() -> RunOnDisk:
        folder = last_run(project / "data" / "runs")
        assert folder is not None
        return read_run(folder, Disk())

    return read


def write_titles(project: Path, *titles: str) -> None:
    index = {f"t{number}": {"title": title} for number, title in enumerate(titles)}
    (project / "data" / "titles_index.json").write_text(json.dumps(index), encoding="utf-8")


def test_its_one_model_its_slots_and_its_context_are_found_by_asking_it(
    evals: Evals, run_of: Callable[[], RunOnDisk]
) -> None:
    result = evals("--test-sample-size=4", "-n", "2")
    assert result.returncode in {0, 1}, result.stdout
    run = run_of()
    told = run.header["fingerprints"][MODEL_ID]
    assert {key: told[key] for key in ("server", "key", "format", "context_length", "slots")} == {
        "server": "llama-server",
        "key": MODEL_ID,
        "format": "gguf",
        "context_length": CONTEXT_LENGTH,
        "slots": SLOTS,
    }
    for exchange in run.exchanges():
        assert exchange.reply is not None
        assert exchange.reply.model == MODEL_ID
        assert exchange.reply.prompt_tokens
        assert exchange.reply.tokens_per_second
        assert exchange.fingerprint.to_json() == told


def test_a_model_that_it_has_not_stops_the_run_with_the_names_that_it_has(evals: Evals) -> None:
    result = evals("--model=story-seeds-70b")
    assert result.returncode == 4
    assert f"has no model story-seeds-70b. Nearest: {MODEL_ID}." in result.stderr


def test_a_prompt_that_is_too_long_is_the_servers_error_and_the_other_cases_pass_by(
    evals: Evals, project: Path, run_of: Callable[[], RunOnDisk]
) -> None:
    write_titles(project, "Goose elected mayor", "A very long headline " * 2000, "Mayor elects goose")
    result = evals("--test-sample-size=0")
    assert result.returncode == 10
    run = run_of()
    came = {run.cases[item.case].title.id: run.results[item.item] for item in run.items}
    assert (came["t1"].outcome, came["t1"].category) == ("error", "context_overflow")
    assert f"exceeds the available context size ({CONTEXT_LENGTH} tokens)" in came["t1"].message
    assert {came["t0"].outcome, came["t2"].outcome} <= {"passed", "failed"}
    exchange = run.exchange(came["t1"].case)
    assert exchange is not None
    assert [attempt.status for attempt in exchange.attempts] == [400], "asking again would not help"


def test_a_context_too_small_for_every_prompt_stops_the_run_before_it_begins(evals: Evals, project: Path) -> None:
    (project / "data" / "prompt.txt").write_text("Write a story seed. " * 3000, encoding="utf-8")
    result = evals("--test-sample-size=4")
    assert result.returncode == 4
    assert f"loaded with a context of {CONTEXT_LENGTH} tokens, but the shortest prompt alone" in result.stderr


@pytest.mark.parametrize("response_format", ["none", "json_schema"])
def test_a_reply_cut_at_five_tokens_is_truncated_free_and_constrained(
    evals: Evals, run_of: Callable[[], RunOnDisk], response_format: str
) -> None:
    result = evals("--test-sample-size=4", "--max-tokens=5", "--response-format", response_format, "--confirm=skip")
    assert result.returncode == 1
    run = run_of()
    assert {outcome.category for outcome in run.results.values()} == {"truncated"}
    replies = [exchange.reply for exchange in run.exchanges()]
    assert {(reply.finish_reason, reply.completion_tokens) for reply in replies if reply} == {("length", 5)}


def test_free_and_constrained_replies_are_judged_alike(evals: Evals, run_of: Callable[[], RunOnDisk]) -> None:
    result = evals("--test-sample-size=6", "--response-format=none,json_schema", "--temperature=0.8", "-n", "2")
    assert result.returncode in {0, 1}, result.stdout
    run = run_of()
    constrained = [item for item in run.items if run.cases[item.case].response_format == "json_schema"]
    assert len(run.items) == 12
    assert len(constrained) == 6
    for item in constrained:
        assert run.results[item.item].category in {"ok", "content", "truncated"}, "the grammar keeps to the schema"
    for item in run.items:
        assert run.results[item.item].outcome in {"passed", "failed"}


def test_load_is_not_for_it(evals: Evals) -> None:
    result = evals("--load")
    assert result.returncode == 4
    assert "--load asks LM Studio to load a model" in result.stderr
    assert "is llama-server" in result.stderr
