"""The example eval beside the story seeds: its own files, an object instead of an array, and all of the harness."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.mock import MockServer, Rule

RunPytest = Callable[..., subprocess.CompletedProcess[str]]
StartMock = Callable[..., MockServer]

REPOSITORY = Path(__file__).parents[2]
FILES = ("evals/conftest.py", "evals/examples/test_headline_desk.py")


def _desk(reason: str, **fields: object) -> str:
    return json.dumps({"desk": "local", "oddness": 3, "reason": reason, **fields})


RULES = (
    Rule(headline="Goose", reply=_desk("A goose on a council is a matter for the town.")),
    Rule(headline="Bakery", reply=_desk("Nobody knows what it is about at all.")),
    Rule(headline="Telescope", reply=_desk("A planet like a kettle.", oddness=6)),
    Rule(headline="Marathon", reply=f"[{_desk('A marathon that ends a day early.')}]"),
    Rule(headline="Museum", reply="It belongs to culture."),
    Rule(headline="Parrot", status=400, body='{"error": "no"}'),
)  # fmt: skip
ALL_GOOD = tuple(
    Rule(headline=entry["title"].replace("?", "."), reply=_desk(f"Because of this: {entry['title']}"))
    for entry in json.loads((REPOSITORY / "data/headline_desk/titles.json").read_bytes())
)


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[[Path], Path]) -> Path:
    folder = make_project(tmp_path)
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / name, folder / name)
    shutil.copytree(REPOSITORY / "data" / "headline_desk", folder / "data" / "headline_desk")
    return folder


def test_it_is_run_by_name_and_never_with_the_story_seeds(
    project: Path, start_mock: StartMock, run_pytest: RunPytest
) -> None:
    url = f"--lm-studio-url={start_mock().url}"
    stories = run_pytest(project, "evals", "--collect-only", "-q", url, "--test-sample-size=3")
    assert stories.returncode == 0
    assert "3 tests collected" in stories.stdout
    assert "headline_desk" not in stories.stdout
    for name in ("evals/examples", "evals/examples/test_headline_desk.py"):
        desk = run_pytest(project, name, "--collect-only", "-q", url, "--test-sample-size=3")
        assert desk.returncode == 0
        assert desk.stdout.count("test_headline_desk[mock-model-") == 3


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_every_verdict_is_that_of_its_own_schema_and_check(
    project: Path, start_mock: StartMock, run_pytest: RunPytest, run_file: Callable[[Path, str], Any], workers: str
) -> None:
    server = start_mock(rules=(*RULES, *ALL_GOOD))
    done = run_pytest(
        project,
        "evals/examples",
        workers,
        f"--lm-studio-url={server.url}",
        "--test-sample-size=0",
        "--min-pass-rate=0.7",
    )
    summary = run_file(project, "summary.json")
    assert done.returncode == 10, done.stdout
    (model,) = summary["models"]
    assert model["failures"] == {"content": 1, "not_json": 1, "schema": 1, "wrong_shape": 1}
    assert model["errors"] == {"bad_request": 1}
    assert (model["tally"]["planned"], model["tally"]["passed"]) == (24, 19)
    assert (model["gate"]["verdict"], model["gate"]["threshold"]) == ("PASS", 0.7)
    assert "takes up no word of" in done.stdout
    assert (project / "reports" / "mock-model.html").is_file()
    assert "gate for `mock-model`" in (project / "reports" / "summary.md").read_text(encoding="utf-8")
    kept = {path.stem for path in (project / "data" / "generated_data").glob("*.json")}
    assert kept == {f"desk-{number:02}" for number in range(1, 25)} - {
        "desk-02",
        "desk-03",
        "desk-04",
        "desk-05",
        "desk-06",
    }
    answers = json.loads((project / "data/generated_data/desk-01.json").read_bytes())["llm_models"]["mock-model"]
    (answer,) = answers.values()
    assert answer["response"]["desk"] == "local"


def test_it_resumes_like_any_other(
    project: Path, start_mock: StartMock, run_pytest: RunPytest, run_file: Callable[[Path, str], Any]
) -> None:
    server = start_mock(rules=(Rule(headline="Parrot", nth=(1,), status=400, body='{"error": "no"}'), *ALL_GOOD))
    options = ("evals/examples", f"--lm-studio-url={server.url}", "--test-sample-size=0", "--confirm=skip")
    first = run_pytest(project, *options, "--request-retry-limit=0")
    assert first.returncode == 10, first.stdout
    asked = server.stats().models["mock-model"].requests
    resumed = run_pytest(
        project, "evals/examples", f"--lm-studio-url={server.url}", "--resume", "-n2", "--confirm=skip"
    )
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert run_file(project, "summary.json")["total"]["passed"] == 24
    assert server.stats().models["mock-model"].requests == asked + 1
