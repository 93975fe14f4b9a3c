"""Shards merged are the run without shards: the same cases in the same order, the same verdicts."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder, last_run
from plotbot.keep.run_reading import RunOnDisk, read_run
from plotbot.mock import MockServer, ModelSpec, Rule
from tests.processes import run_module

RunPytest = Callable[..., subprocess.CompletedProcess[str]]
StartMock = Callable[..., MockServer]
MakeProject = Callable[[Path], Path]

BAD = tuple(Rule(headline=f"Headline {number:02}", reply="No JSON.") for number in (2, 5, 9))
OPTIONS = ("-q", "-p", "no:cacheprovider", "--sample-seed=4")


def plotbot(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_module(folder, "plotbot", *arguments)


def newest(folder: Path) -> RunOnDisk:
    run = last_run(folder / "data" / "runs")
    assert run is not None
    return read_run(run, Disk())


def shard(
    folder: Path, artefacts: Path, number: int, make_project: MakeProject, run_pytest: RunPytest, *options: str
) -> RunFolder:
    """Run one part on a "machine" of its own, and take away nothing but the run's folder."""
    machine = make_project(folder / str(number))
    done = run_pytest(machine, "evals", *OPTIONS, *options, f"--shard={number}/3")
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    taken = RunFolder(artefacts / f"part-{number}")
    shutil.copytree(newest(machine).folder.path, taken.path)
    shutil.rmtree(machine)
    return taken


def outcomes(run: RunOnDisk) -> list[tuple[str, str, str]]:
    return [(item.item, run.results[item.item].outcome, run.results[item.item].category) for item in run.items]


def replies(run: RunOnDisk) -> dict[str, str]:
    return {exchange.case: exchange.reply.content for exchange in run.exchanges() if exchange.reply is not None}


def dataset(folder: Path) -> Any:
    """The title files without where each answer came from."""
    kept = {}
    for path in (folder / "data" / "generated_data").glob("*.json"):
        models = json.loads(path.read_bytes())["llm_models"]
        kept[path.name] = {
            model: {key: answer["response"] for key, answer in answers.items()} for model, answers in models.items()
        }
    return kept


def test_shards_on_the_embedded_engine_merged_are_the_run_without_shards(
    tmp_path: Path, make_project: MakeProject, run_pytest: RunPytest
) -> None:
    pytest.importorskip("xllamacpp")
    options = ("--embedded", "--temperature=0", "--test-sample-size=11")
    whole = make_project(tmp_path / "whole")
    status = run_pytest(whole, "evals", *OPTIONS, *options).returncode
    here = make_project(tmp_path / "here")
    parts = [shard(tmp_path, here / "parts", number, make_project, run_pytest, *options) for number in (1, 2, 3)]

    done = plotbot(here, "merge", *(str(part.path) for part in reversed(parts)))
    assert done.returncode == status, done.stdout + done.stderr
    one, other = newest(whole), newest(here)
    assert list(other.cases.items()) == list(one.cases.items())
    assert other.items == one.items
    assert outcomes(other) == outcomes(one)
    assert replies(other) == replies(one)
    assert dataset(here) == dataset(whole) != {}
    for command in (["verify"], ["compare", str(one.folder.path), str(other.folder.path)]):
        proved = plotbot(here, *command)
        assert proved.returncode == 0, proved.stdout + proved.stderr


def test_shards_of_two_models_and_repeats_merged_can_be_replayed_and_resumed(
    tmp_path: Path, make_project: MakeProject, run_pytest: RunPytest, start_mock: StartMock
) -> None:
    server = start_mock(models=(ModelSpec("a/one"), ModelSpec("b/two")), rules=BAD)
    options = (f"--lm-studio-url={server.url}", "--model=a/one,b/two", "--repeats=2", "--test-sample-size=7")
    whole = make_project(tmp_path / "whole")
    assert run_pytest(whole, "evals", *OPTIONS, *options).returncode == 1
    here = make_project(tmp_path / "here")
    parts = [shard(tmp_path, here / "parts", number, make_project, run_pytest, *options) for number in (1, 2, 3)]
    # What its journal has lost of a part can be asked again.
    lines = parts[1].journal.read_bytes().splitlines(keepends=True)
    parts[1].journal.write_bytes(b"".join([b"{\n", *lines[1:]]))

    done = plotbot(here, "merge", *(str(part.path) for part in parts))
    assert done.returncode == 10, done.stdout + done.stderr
    one, merged = newest(whole), newest(here)
    assert merged.items == one.items
    assert len(merged.results) == len(one.items) - 1 == 27
    replayed = run_pytest(here, "evals", "-q", "--replay", merged.folder.run_id)
    assert replayed.returncode == 1, replayed.stdout + replayed.stderr
    asked = server.stats().models["a/one"].requests
    resumed = run_pytest(here, "evals", "-q", f"--lm-studio-url={server.url}", "--confirm=skip", "--resume")
    assert resumed.returncode == 1, resumed.stdout + resumed.stderr
    assert server.stats().models["a/one"].requests == asked + 1
    again = newest(here)
    assert again.folder.run_id == merged.folder.run_id
    assert outcomes(again) == outcomes(one)
    # Which repeat answered last, and so is kept, differs from run to run.
    assert {name: models.keys() for name, models in dataset(here).items()} == {
        name: models.keys() for name, models in dataset(whole).items()
    }
    assert plotbot(here, "verify").returncode == 0
