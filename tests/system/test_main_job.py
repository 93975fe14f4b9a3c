"""The main job as users run it: real processes, with and without workers, against a server on a real socket."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.categories import FAILURE_CATEGORIES
from plotbot.keep.journal_reading import read_journal
from plotbot.mock import MockServer, ModelSpec, Rule, Stats

RunPytest = Callable[..., subprocess.CompletedProcess[str]]
Project = Callable[[Path], Path]
StartMock = Callable[..., MockServer]

MODELS = (ModelSpec("one/first"), ModelSpec("two/second"))
RULES = (
    Rule(headline="Headline 02", fault="F09"),
    Rule(headline="Headline 03", reply="no JSON at all"),
    Rule(headline="Headline 04", status=400, body='{"error": "no"}'),
    Rule(headline="Headline 05", reply='```json\n[{"title": "x"}]\n```'),
)
OPTIONS = ("--model=one/first,two/second", "--sample-seed=7", "--test-sample-size=11", "--show-replies")


class Finished:
    """A run that is over: what it printed, what it left behind, what the server saw of it."""

    def __init__(self, project: Path, done: subprocess.CompletedProcess[str], stats: Stats) -> None:
        self.project, self.done, self.stats = project, done, stats
        self.folder = max((project / "data" / "runs").iterdir())
        self.plan = json.loads((self.folder / "plan.json").read_bytes())
        self.summary = json.loads((self.folder / "summary.json").read_bytes())
        self.journal = read_journal(self.folder / "journal.jsonl")

    def verdicts(self) -> dict[str, tuple[str, str]]:
        return {
            line.data["item"]: (line.data["outcome"], line.data["category"])
            for line in self.journal.lines
            if line.kind == "verdict"
        }

    def title_files(self) -> dict[str, Any]:
        """What is in them, but for the run and the time of each answer."""
        files = {path.name: json.loads(path.read_bytes()) for path in self._answers.glob("*.json")}
        for content in files.values():
            for answers in content["llm_models"].values():
                for answer in answers.values():
                    assert answer["meta"].pop("run") == self.folder.name
                    assert answer["meta"].pop("at")
        return files

    @property
    def _answers(self) -> Path:
        return self.project / "data" / "generated_data"


@pytest.fixture(scope="module")
def run_all(
    tmp_path_factory: pytest.TempPathFactory, make_project: Project, start_mock: StartMock, run_pytest: RunPytest
) -> Callable[..., Finished]:
    def run(*arguments: str) -> Finished:
        project = make_project(tmp_path_factory.mktemp("main"))
        server = start_mock(models=MODELS, rules=RULES)
        done = run_pytest(project, "evals", "--lm-studio-url", server.url, *OPTIONS, *arguments)
        return Finished(project, done, server.stats())

    return run


@pytest.fixture(scope="module")
def alone(run_all: Callable[..., Finished]) -> Finished:
    return run_all()


@pytest.fixture(scope="module")
def four(run_all: Callable[..., Finished]) -> Finished:
    return run_all("-n", "4")


@pytest.fixture(params=["alone", "four"])
def finished(request: pytest.FixtureRequest) -> Finished:
    run = request.getfixturevalue(request.param)
    assert isinstance(run, Finished)
    return run


def test_four_workers_do_the_same_cases_to_the_same_end(alone: Finished, four: Finished) -> None:
    assert four.plan["cases"] == alone.plan["cases"]
    assert four.plan["items"] == alone.plan["items"]
    assert four.verdicts() == alone.verdicts()
    assert four.title_files() == alone.title_files()
    assert len(alone.title_files()) >= 6
    for model, other in zip(alone.summary["models"], four.summary["models"], strict=True):
        assert {name: model[name] for name in ("model", "tally", "failures", "errors", "pass_rate")} == {
            name: other[name] for name in ("model", "tally", "failures", "errors", "pass_rate")
        }
    assert (alone.done.returncode, four.done.returncode) == (10, 10)


def test_every_planned_case_is_in_exactly_one_box(finished: Finished) -> None:
    for tally in (finished.summary["total"], *(model["tally"] for model in finished.summary["models"])):
        assert tally["planned"] == sum(tally[box] for box in ("passed", "failed", "error", "skipped", "not_run"))
    assert finished.summary["total"]["planned"] == len(finished.plan["items"]) == 22
    told = [f"planned 11 = {tally['passed']} passed" for tally in (m["tally"] for m in finished.summary["models"])]
    assert all(line in finished.done.stdout for line in told)
    categories = {category for outcome, category in finished.verdicts().values() if outcome == "failed"}
    assert len(categories) >= 2
    assert categories <= FAILURE_CATEGORIES


def test_the_journal_has_each_exchange_before_its_verdict_and_its_fold_after_it(finished: Finished) -> None:
    assert finished.journal.damaged == ()
    seen: dict[str, list[str]] = {}
    for line in finished.journal.lines:
        for case in line.data.get("cases", [line.data.get("case")]):
            seen.setdefault(case, []).append(line.kind)
    assert set(seen) == {case["id"] for case in finished.plan["cases"]}
    for kinds in seen.values():
        assert kinds[0] == "exchange"
        assert sorted(kinds) in (["exchange", "folded", "verdict"], ["exchange", "verdict"])


def test_each_model_is_greeted_once_and_asked_alone(finished: Finished) -> None:
    assert finished.stats.peak_models_in_flight == 1
    counts = [(model.handshakes, model.requests) for model in finished.stats.models.values()]
    assert counts == [(1, 10), (1, 10)], "of the eleven one is refused before it reaches the model"
    peak = max(model.peak_in_flight for model in finished.stats.models.values())
    assert peak <= 5, "four slots, and one more because this server answers in no time"


def test_there_is_a_page_for_each_model_with_its_own_cases(finished: Finished) -> None:
    pages = sorted((finished.project / "reports").glob("*-*.html"))
    assert len(pages) == 2
    for page, model in zip(pages, ("first", "second"), strict=True):
        text = page.read_text(encoding="utf-8")
        assert set(re.findall(r"(first|second)-headline-\d\d-goose-elected-t\d\d-r1", text)) == {model}
        assert len(set(re.findall(r"(?:first|second)-headline-\d\d-goose-elected-t\d\d-r1", text))) == 11


def test_show_replies_prints_every_raw_reply(finished: Finished) -> None:
    out = finished.done.stdout
    for item, (outcome, category) in finished.verdicts().items():
        assert f"{item.rpartition('::')[2]}: {outcome}, {category}," in out
    assert out.count("no JSON at all\n") >= 2
    assert "model's reply" not in out, "once is enough"
    assert out.count('"core_event"') >= sum(outcome == "passed" for outcome, _ in finished.verdicts().values())


def test_the_header_names_the_seed_and_the_end_the_files(finished: Finished) -> None:
    assert "sample seed 7 (--sample-seed" in finished.done.stdout
    assert f"run: {Path('data', 'runs', finished.folder.name)}" in finished.done.stdout
    assert finished.done.stderr == ""


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "two workers"])
def test_dash_x_ends_with_1_and_counts_the_rest_as_not_run(
    tmp_path: Path, make_project: Project, start_mock: StartMock, run_pytest: RunPytest, workers: tuple[str, ...]
) -> None:
    project = make_project(tmp_path)
    server = start_mock(rules=(Rule(reply="no JSON at all"),))
    done = run_pytest(project, "evals", "-x", "--lm-studio-url", server.url, "--test-sample-size=12", *workers)
    assert done.returncode == 1, done.stdout + done.stderr
    total = Finished(project, done, server.stats()).summary["total"]
    assert total["planned"] == 12 == total["failed"] + total["not_run"]
    assert total["failed"] >= 1
    assert total["not_run"] >= 6
    assert "planned 12 = 0 passed" in done.stdout


OWN = """
import os
import pytest

def test_dies(reply, title):
    if title.id == "t01" and "PYTEST_XDIST_WORKER" in os.environ:
        os._exit(7)

def test_keeps_another(reply, results, record_property):
    record_property("half a pair", chr(0xD800))
    record_property("an object", object())
    results.keep("a reply of my own")

def test_plain():
    assert True
"""


def test_a_worker_that_dies_is_an_error_of_its_one_case_with_a_row_in_the_page(
    tmp_path: Path, make_project: Project, start_mock: StartMock, run_pytest: RunPytest
) -> None:
    project = make_project(tmp_path)
    (project / "evals" / "test_story_seeds.py").write_text(OWN, encoding="utf-8")
    server = start_mock()
    done = run_pytest(project, "evals", "-n", "2", "--lm-studio-url", server.url, "--test-sample-size=0")
    finished = Finished(project, done, server.stats())
    assert done.returncode == 10, "what a test says on its way ends no run: " + done.stdout
    verdicts = finished.verdicts()
    dead = [item for item in verdicts if "test_dies" in item and verdicts[item][0] == "error"]
    assert [item.rpartition("[")[2] for item in dead] == ["mock-model-headline-01-goose-elected-t01-r1]"]
    total = finished.summary["total"]
    assert (total["planned"], total["passed"], total["error"], total["not_run"]) == (24, 11, 13, 0)
    assert server.stats().models["mock-model"].requests == 12, "a lost worker loses no answer"
    assert "results.keep takes the very reply" in done.stdout
    page = (project / "reports" / "mock-model.html").read_text(encoding="utf-8")
    assert "crashed" in page


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "two workers"])
def test_a_plan_without_cases_ends_with_5(
    tmp_path: Path, make_project: Project, start_mock: StartMock, run_pytest: RunPytest, workers: tuple[str, ...]
) -> None:
    project = make_project(tmp_path)
    given = ("--lm-studio-url", start_mock().url, "--test-sample-size=2", "--shard=3/3", *workers)
    done = run_pytest(project, "evals", *given)
    assert done.returncode == 5, done.stdout + done.stderr
    assert not (project / "data" / "runs").exists()
