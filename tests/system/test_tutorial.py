"""docs/evals.md: its files and commands, run as they stand there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.mock import MockServer, Rule
from tests.processes import run_module

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "evals.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"`([\w/.]+)`[,:]\n\n```(?:csv|text|json|python)\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
COMMANDS += re.findall(r"`(pytest [^`]*--replay last)`", PAGE)


def _haiku(season: str, *lines: str) -> str:
    return json.dumps({"lines": lines, "season": season})


RULES = (
    Rule(headline="First snow", reply=_haiku("winter", "White on the masts", "a gull writes", "no one reads")),
    Rule(headline="frog", reply=_haiku("summer", "Green water, rings", "the afternoon listens", "no more")),
    Rule(headline="night train", reply=_haiku("winter", "The night train leaves", "a lamp goes", "a lamp goes")),
    Rule(headline="Plum", reply=_haiku("spring", "Petals on the road", "the umbrella holds its breath", "so do I")),
)  # fmt: skip


def _run(folder: Path, command: str, *options: str) -> subprocess.CompletedProcess[str]:
    program, *arguments = shlex.split(command)
    return run_module(folder, program, *arguments, *options)


def test_the_page_names_its_files_and_commands() -> None:
    names = {"titles.csv", "prompt.txt", "schema.json", "template.txt"}
    assert set(FILES) == {"evals/test_haiku.py", *(f"data/haiku/{name}" for name in names)}
    assert [command.split()[:2] for command in COMMANDS] == [
        ["plotbot", "new"],
        ["plotbot", "prompt"],
        ["pytest", "evals/test_haiku.py"],
        ["pytest", "evals/test_story_seeds.py"],
        ["pytest", "evals/test_haiku.py"],
    ]


def test_the_haiku_eval_runs_as_the_page_says(
    tmp_path: Path, start_mock: Callable[..., MockServer], run_file: Callable[[Path, str], Any]
) -> None:
    new, prompt, run, _, replay = COMMANDS
    url = f"--lm-studio-url={start_mock(rules=RULES).url}"
    assert _run(tmp_path, new).returncode == 0
    for name, content in FILES.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    shown = _run(tmp_path, prompt, "--lm-studio-url=http://127.0.0.1:9")
    assert shown.returncode == 0, shown.stderr
    assert "\nWrite it about First snow on the harbour. It is set in winter.\n" in shown.stdout
    done = _run(tmp_path, run, url)
    assert done.returncode == 1, done.stdout + done.stderr
    (model,) = run_file(tmp_path, "summary.json")["models"]
    assert (model["tally"]["passed"], model["failures"]) == (3, {"content": 1})
    assert {one["group"]: one["pass_rate"] for one in model["groups"]} == {
        "winter": 1.0,
        "summer": 1.0,
        "autumn": 0.0,
        "spring": 1.0,
    }
    for found in ("lines[0]: only the title again", "lines[2]: the same as", "expected “autumn”, came “winter”"):
        assert found in done.stdout
    again = _run(tmp_path, replay)
    assert again.returncode == 1, again.stdout + again.stderr
    assert "1 failed, 3 passed" in again.stdout
    frog = _run(tmp_path, run, url, "-k", "frog")
    assert "1 passed, 3 deselected" in frog.stdout


def test_the_gate_of_the_page_is_the_one_of_the_workflow_and_holds(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    gate = COMMANDS[3]
    for first in (COMMANDS[0], "plotbot init ."):
        assert _run(tmp_path, first).returncode == 0
    assert f"run: {gate}\n" in (tmp_path / ".github" / "workflows" / "evals.yml").read_text(encoding="utf-8")
    done = _run(tmp_path, gate, "--test-sample-size=20")  # the command's own is README's, which .ci/run runs
    assert done.returncode == 0, done.stdout + done.stderr
