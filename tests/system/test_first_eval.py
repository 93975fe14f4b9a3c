"""A stranger's path: an empty folder, `plotbot new haiku`, one edit, and a run on the mock and on the embedded toy."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.ask.embedded import EmbeddedEngine
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import last_run
from plotbot.keep.run_reading import read_run
from plotbot.mock import MockServer, Rule
from tests.processes import run_module

RunPytest = Callable[..., subprocess.CompletedProcess[str]]


def _plotbot(folder: Path, *arguments: str) -> str:
    done = run_module(folder, "plotbot", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def haiku(tmp_path: Path) -> Path:
    """What `plotbot new haiku` writes into an empty folder, with another prompt."""
    said = _plotbot(tmp_path, "new", "haiku")
    assert "wrote conftest.py\nwrote pytest.ini\n" in said
    (tmp_path / "data" / "haiku" / "prompt.txt").write_text("Write a haiku, as JSON.", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_on_the_mock(
    haiku: Path,
    start_mock: Callable[..., MockServer],
    run_pytest: RunPytest,
    run_file: Callable[[Path, str], Any],
    workers: str,
) -> None:
    rules = (Rule(headline="Goose", reply='{"text": "..."}'), Rule(headline=".", reply='{"text": "snow on the sea"}'))
    url = f"--lm-studio-url={start_mock(rules=rules).url}"
    done = run_pytest(haiku, "evals/test_haiku.py", url, workers)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the sample is all of its titles, 3; by default it would be 10" in " ".join(done.stdout.split())
    (model,) = run_file(haiku, "summary.json")["models"]
    assert (model["tally"]["passed"], model["failures"]) == (2, {"content": 1})
    again = run_pytest(haiku, "evals/test_haiku.py", url, "--lf", workers)
    assert again.returncode == 1, again.stdout + again.stderr
    assert "1 failed" in again.stdout
    said = _plotbot(haiku, "prompt", "evals/test_haiku.py", "--lm-studio-url", "http://127.0.0.1:9")
    assert "# system (23 characters)\nWrite a haiku, as JSON.\n" in said
    assert 'Headline: "First snow falls on the harbour"\n' in said


def test_on_the_embedded_toy(haiku: Path, run_pytest: RunPytest, run_file: Callable[[Path, str], Any]) -> None:
    """The toy knows story seeds only: its answers are failures with a category, and nothing is refused."""
    pytest.importorskip("xllamacpp")
    done = run_pytest(haiku, "evals/test_haiku.py", "--embedded", "--max-tokens=64")
    assert done.returncode == 1, done.stdout + done.stderr
    (model,) = run_file(haiku, "summary.json")["models"]
    assert model["tally"]["planned"] == model["tally"]["failed"] == 3


def test_all_that_a_check_can_do_wrong_is_an_error_with_its_line(
    haiku: Path, start_mock: Callable[..., MockServer], run_pytest: RunPytest
) -> None:
    path = haiku / "evals" / "test_haiku.py"
    source = path.read_text(encoding="utf-8")
    lines = ["def check(entry, title):", "    return title.fields['mood']"]
    head, _, tail = source.partition("check = ")
    path.write_text(head + "\n".join(lines) + "\n" + tail.partition("\n")[2], encoding="utf-8")
    server = start_mock(rules=(Rule(reply=json.dumps({"text": "a b c"})),))
    done = run_pytest(haiku, "evals", f"--lm-studio-url={server.url}")
    assert done.returncode == 10, done.stdout + done.stderr
    newest = max((haiku / "data" / "runs").iterdir())
    journal = [json.loads(line)["data"] for line in (newest / "journal.jsonl").read_text("ascii").splitlines()]
    messages = {line["message"] for line in journal if line.get("category") == "eval_code"}
    number = path.read_text(encoding="utf-8").splitlines().index(lines[1]) + 1
    assert messages == {f"KeyError: 'mood' (evals/test_haiku.py:{number})"}


def test_the_doctor_looks_at_the_files_that_the_evals_name(haiku: Path, start_mock: Callable[..., MockServer]) -> None:
    said = _plotbot(haiku, "doctor", f"--lm-studio-url={start_mock().url}")
    assert said.startswith("Ready: pytest evals\n")
    assert "ok  titles: 3 titles in data/haiku/titles.json\n" in said


def test_a_prompt_has_as_many_tokens_as_the_engine_tells_and_none_where_no_server_tells(
    haiku: Path, start_mock: Callable[..., MockServer], run_pytest: RunPytest
) -> None:
    pytest.importorskip("xllamacpp")
    title = "--title=3lc1vf"  # "Goose sues town over pond"; the id is made of the text
    with EmbeddedEngine.start() as engine:
        told = _plotbot(haiku, "prompt", title, f"--lm-studio-url={engine.url}")
        run_pytest(haiku, "evals", f"--lm-studio-url={engine.url}", "-k", "goose")
    run = last_run(haiku / "data" / "runs")
    assert run is not None
    [exchange] = read_run(run, Disk()).exchanges()
    assert exchange.reply is not None
    characters, tokens = re.findall(r"[\d,]+(?= characters,| tokens)", told.splitlines()[0])
    assert int(tokens) == exchange.reply.prompt_tokens
    assert int(characters) > int(tokens) > 10
    untold = _plotbot(haiku, "prompt", title, f"--lm-studio-url={start_mock().url}").splitlines()[0]
    assert untold.endswith(f": {characters} characters")
