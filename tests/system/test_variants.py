"""Variants in one run: each is a row, keeps its own account, and no model is loaded twice for them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import last_run
from plotbot.keep.run_reading import RunOnDisk, read_run
from plotbot.measure.tally import BOXES
from plotbot.mock import MockServer, ModelSpec, Rule
from tests.processes import run_module

RunPytest = Callable[..., subprocess.CompletedProcess[str]]
StartMock = Callable[..., MockServer]

MODELS = ("a/one", "b/two")
PROMPTS = {"prompt.txt": "Write it.", "short.txt": "Be brief.", "json.txt": "JSON alone."}
NAMES = ["prompt.txt t=0.8", "t=0.2", "short.txt", "short.txt t=0.2", "json.txt", "json.txt t=0.2"]
TITLES = 3
# The run is killed while a test of the second prompt runs: by the test itself, so that it is the same moment each time.
KILLED = """
import os, signal

def test_seed(reply, results, request):
    if "short.txt" in request.node.name and os.environ.get("KILL"):
        os.kill(os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid(), signal.SIGKILL)
    results.keep(reply)
"""


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[[Path], Path]) -> Path:
    return with_prompts(make_project(tmp_path / "here"))


def with_prompts(folder: Path) -> Path:
    for name, text in PROMPTS.items():
        (folder / "data" / name).write_text(text, encoding="utf-8")
    (folder / "config").mkdir()
    variants = {"PROMPT_PATH": [f"data/{name}" for name in PROMPTS], "TEMPERATURE": [0.8, 0.2]}
    values = {**variants, "MODEL": list(MODELS), "TEST_SAMPLE_SIZE": TITLES, "SAMPLE_SEED": 1}
    (folder / "config" / "config.json").write_text(json.dumps(values), encoding="utf-8")
    return folder


def newest(folder: Path) -> RunOnDisk:
    run = last_run(folder / "data" / "runs")
    assert run is not None
    return read_run(run, Disk())


def rows(folder: Path) -> dict[tuple[str, str], dict[str, int]]:
    """The account of each row of the newest run's summary."""
    summary = json.loads(newest(folder).folder.summary.read_bytes())
    return {(one["model"], one["variant"]): one["tally"] for one in summary["models"]}


def asked(server: MockServer) -> Counter[tuple[str, str, float]]:
    """How often each model was asked with each prompt and temperature, handshakes left out."""
    bodies = [request.json() for request in server.requests if request.method == "POST"]
    cases = [body for body in bodies if "CONFIRM" not in body["messages"][-1]["content"]]
    return Counter((one["model"], one["messages"][0]["content"], one["temperature"]) for one in cases)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_killed_run_of_many_variants_is_resumed_to_a_whole_account(
    project: Path, run_pytest: RunPytest, start_mock: StartMock
) -> None:
    server = start_mock(models=tuple(ModelSpec(name, loaded=False, load_seconds=0.1) for name in MODELS))
    (project / "evals" / "test_story_seeds.py").write_text(KILLED, encoding="utf-8")
    options = ("evals", "-n", "2", f"--lm-studio-url={server.url}")
    assert run_pytest(project, *options, KILL="1").returncode == -9
    dead = newest(project)
    assert 0 < len(dead.results) < len(dead.items) == len(MODELS) * len(NAMES) * TITLES
    resumed = run_pytest(project, *options, "--resume")
    assert resumed.returncode == 0, resumed.stdout

    run, whole = newest(project), {"passed": TITLES, **dict.fromkeys(BOXES[1:], 0)}
    assert run.folder.run_id == dead.folder.run_id
    assert list(rows(project)) == [(model, name) for model in MODELS for name in NAMES]
    assert all(tally == {"planned": TITLES, **whole} for tally in rows(project).values())
    assert all((stats.loads, stats.copies) == (1, 0) for stats in server.stats().models.values())
    assert server.stats().peak_models_in_flight == 1
    assert set(asked(server)) == {
        (model, text, heat) for model in MODELS for text in PROMPTS.values() for heat in (0.8, 0.2)
    }
    # At most what was in flight when it was killed is asked twice.
    assert len(run.items) <= asked(server).total() <= len(run.items) + 8
    hashes = {name: {case.prompt_hash for case in run.cases.values() if case.variant == name} for name in NAMES}
    assert [hashes[name] for name in NAMES[::2]] == [hashes[name] for name in NAMES[1::2]], "one for each prompt"
    assert len(set().union(*hashes.values())) == len(PROMPTS)
    params = {(exchange.case, exchange.params["temperature"]) for exchange in run.exchanges()}
    assert params == {(case.id, 0.2 if "t=0.2" in case.variant else 0.8) for case in run.cases.values()}
    check_dataset(project, run)


def check_dataset(project: Path, run: RunOnDisk) -> None:
    """An answer for each model and prompt hash, which says the variant that it is of."""
    files = [json.loads(path.read_bytes()) for path in (project / "data" / "generated_data").glob("*.json")]
    assert len(files) == TITLES
    for file in files:
        assert {model: len(answers) for model, answers in file["llm_models"].items()} == dict.fromkeys(MODELS, 3)
        for answers in file["llm_models"].values():
            for key, answer in answers.items():
                case = run.cases[answer["meta"]["case"]]
                assert (case.prompt_hash, case.variant) == (key, answer["meta"]["variant"])


def test_shards_of_variants_merged_are_the_run_without_shards_and_can_be_replayed(
    project: Path, tmp_path: Path, make_project: Callable[[Path], Path], run_pytest: RunPytest, start_mock: StartMock
) -> None:
    rules = (Rule(headline="Headline 0", model="b/two", reply="No JSON."),)
    url = f"--lm-studio-url={start_mock(models=tuple(map(ModelSpec, MODELS)), rules=rules).url}"
    assert run_pytest(project, "evals", url).returncode == 1
    whole, accounts = newest(project), rows(project)
    parts = with_prompts(make_project(tmp_path / "parts"))
    for part in ("1/2", "2/2"):
        assert run_pytest(parts, "evals", url, f"--shard={part}").returncode in {0, 1}
    runs = sorted(path.name for path in (parts / "data" / "runs").iterdir())
    done = plotbot(parts, "merge", *runs)
    assert done.returncode == 1, done.stdout + done.stderr
    merged = newest(parts)
    assert list(merged.cases.items()) == list(whole.cases.items())
    assert merged.items == whole.items
    assert rows(parts) == accounts
    replayed = run_pytest(parts, "evals", "--replay=last", "-q")
    assert replayed.returncode == 1
    assert f"0 of {len(whole.items)} verdicts changed" in replayed.stdout
    compared = plotbot(parts, "compare", "last", "last", "--models", f"b/two {NAMES[0]}", "b/two short.txt")
    assert compared.returncode == 0, compared.stdout + compared.stderr
    assert f"b/two {NAMES[0]} -> b/two short.txt" in " ".join(compared.stdout.split())


def plotbot(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_module(folder, "plotbot", *arguments)
