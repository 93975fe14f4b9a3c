"""`--gate sequential` with several answers to a title, and `--stop-when-worse`: by titles, in plan order."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from plotbot.commands import main
from plotbot.mock import MockServer, ModelSpec, Rule
from tests.plugin.conftest import TITLES, newest_summary

pytest_plugins = ("pytester",)

Evals = Callable[..., pytest.RunResult]
StartMock = Callable[..., MockServer]
SEQUENTIAL = ("--gate=sequential", "--gate-every=10", f"--test-sample-size={TITLES}", "--confirm=skip")
RESUME = ("--resume", "--confirm=skip", f"--test-sample-size={TITLES}")
SLOTS = 4  # of the mock
MODELS = (ModelSpec("first"), ModelSpec("second"))
# Of the second model four titles in ten fail, of the first one in ten.
RIVALS = (
    Rule(model="first", headline="Headline \\d\\d1", reply="no"),
    Rule(model="second", headline="Headline \\d\\d[3-6]", reply="no"),
)


def _second(project: Path) -> dict[str, Any]:
    first, second = newest_summary(project)["models"]
    assert "challenge" not in first
    for one in (first, second):
        counts = Counter(one["tally"])
        assert counts.pop("planned") == counts.total() == TITLES
    return dict(second)


def _said(result: pytest.RunResult) -> str:
    return " ".join((result.stdout.str() + result.stderr.str()).split())


def test_a_worse_model_is_stopped_and_two_workers_stop_it_where_one_process_does(
    evals: Evals, start_mock: StartMock, many: Path
) -> None:
    found = []
    for workers in ((), ("-n2",)):
        server = start_mock(models=MODELS, rules=(*RIVALS, Rule(latency=0.005)))
        result = evals(
            server, *SEQUENTIAL, "--model=first,second", "--stop-when-worse", *workers, "--junitxml=junit.xml"
        )
        assert result.ret == 1
        second = _second(many)
        challenge = second["challenge"]
        assert challenge["worse"]
        assert challenge["than"] == "first"
        assert challenge["lost"] > challenge["won"]
        assert second["tally"]["not_needed"] == TITLES - challenge["titles"] > 0
        assert newest_summary(many)["complete"]
        asked = sum(b'"second"' in one.body for one in server.requests)
        assert challenge["titles"] <= asked <= challenge["titles"] + SLOTS - 1
        found.append((challenge, second["tally"]))
        why = f"worse than first after {challenge['titles']} of {TITLES} common titles"
        cases = [case.find("skipped") for case in ET.parse(many / "junit.xml").getroot().iter("testcase")]
        assert any(f"not needed: {why}" in (one.get("message") or "") for one in cases if one is not None)
    assert found[0] == found[1]
    told = f"worse than first, proved after {challenge['titles']} of {TITLES} common titles"
    assert f"stop when worse: {told}" in _said(result)
    assert told in (many / "reports" / "summary.md").read_text(encoding="utf-8").replace("`", "")
    assert "proved after" in (many / "reports" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_a_worse_variant_is_stopped_and_no_more_is_asked_than_it_takes(
    evals: Evals, start_mock: StartMock, many: Path, workers: Sequence[str]
) -> None:
    # The titles of the second variant come after those of the first, and all fail. Requests that are under way at the
    # same time may pass each other, so that up to a slot's worth of replies fall to the other variant.
    server = start_mock(rules=(Rule(nth=tuple(range(TITLES + 1, 2 * TITLES + 1)), reply="no"),))
    assert evals(server, *SEQUENTIAL, "--temperature=0.1,0.9", "--stop-when-worse", *workers).ret == 1
    challenge = _second(many)["challenge"]
    assert (challenge["than"], challenge["worse"]) == ("mock-model t=0.1", True)
    took = challenge["titles"]
    assert took in {10, 20}
    assert took - SLOTS < challenge["lost"] <= took
    asked = sum(one.path.endswith("completions") for one in server.requests)
    assert TITLES + took <= asked <= TITLES + took + SLOTS - 1


def test_a_baseline_with_a_few_of_the_titles_stops_a_run_by_these(
    evals: Evals, start_mock: StartMock, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(many)
    whole = Path("data/titles_index.json").read_text(encoding="utf-8")
    few = {title: text for title, text in json.loads(whole).items() if title.endswith(("3", "7"))}
    Path("data/titles_index.json").write_text(json.dumps(few), encoding="utf-8")
    evals(start_mock(), "--test-sample-size=0", "--confirm=skip")
    assert main(["baseline", "last", "--output", "few.json"]) == 0
    Path("data/titles_index.json").write_text(whole, encoding="utf-8")
    server = start_mock(rules=(Rule(headline="Headline \\d\\d[37]", reply="no"),))
    assert evals(server, *SEQUENTIAL, "--baseline=few.json", "--stop-when-worse").ret == 1
    (model,) = newest_summary(many)["models"]
    assert model["challenge"] == {
        "than": "baseline few.json", "worse": True, "titles": 10, "planned": 20, "lost": 10, "won": 0, "waits": 0
    }  # fmt: skip
    assert model["tally"]["failed"] == 10
    assert model["tally"]["passed"] + 10 + model["tally"]["not_needed"] == TITLES
    assert model["tally"]["not_needed"] > 0


def test_a_model_as_good_as_the_first_is_asked_everything(evals: Evals, start_mock: StartMock, many: Path) -> None:
    rules = (Rule(headline="Headline \\d\\d1", reply="no"),)
    evals(start_mock(models=MODELS, rules=rules), *SEQUENTIAL, "--model=first,second", "--stop-when-worse")
    second = _second(many)
    assert not second["challenge"]["worse"]
    assert (second["challenge"]["titles"], second["tally"]["not_needed"]) == (TITLES, 0)
    assert (second["challenge"]["lost"], second["challenge"]["won"]) == (0, 0)


def test_a_stopped_challenger_is_resumed_reported_and_verified_as_it_ended(
    evals: Evals, start_mock: StartMock, many: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = (*SEQUENTIAL, "--model=first,second", "--stop-when-worse")
    evals(start_mock(models=MODELS, rules=RIVALS), *options)
    whole = newest_summary(many)
    server = start_mock(models=MODELS, rules=RIVALS)
    evals(server, *RESUME, "-n2")
    assert not [one for one in server.requests if one.path.endswith("completions")]
    assert newest_summary(many)["models"] == whole["models"]
    evals(start_mock(models=MODELS, rules=RIVALS), *options, "--maxfail=14")
    assert newest_summary(many)["total"]["not_run"] > 0
    evals(start_mock(models=MODELS, rules=RIVALS), *RESUME)
    assert _second(many)["challenge"] == whole["models"][1]["challenge"]
    assert newest_summary(many)["total"] == whole["total"]
    monkeypatch.chdir(many)
    for command in (["verify"], ["report", "last"], ["runs"]):
        assert main(command) == 0
    assert _second(many)["challenge"] == whole["models"][1]["challenge"]


def test_an_error_before_the_stop_makes_the_comparison_wait(evals: Evals, start_mock: StartMock, many: Path) -> None:
    once = Rule(model="first", nth=(2,), status=400, body='{"error": "no"}')
    result = evals(
        start_mock(models=MODELS, rules=(once, *RIVALS)), *SEQUENTIAL, "--model=first,second", "--stop-when-worse"
    )
    assert result.ret == 10
    waiting = _second(many)
    assert (waiting["challenge"]["worse"], waiting["challenge"]["waits"]) == (False, 1)
    assert "an error must be asked again first" in _said(result)
    assert evals(start_mock(models=MODELS, rules=RIVALS), *RESUME).ret == 1
    assert (_second(many)["challenge"]["worse"], _second(many)["challenge"]["waits"]) == (True, 0)


def test_a_model_worse_than_the_baseline_is_stopped_also_when_the_file_is_gone(
    evals: Evals, start_mock: StartMock, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evals(start_mock(), f"--test-sample-size={TITLES}", "--confirm=skip")
    monkeypatch.chdir(many)
    assert main(["baseline", "last", "--output", "before.json"]) == 0
    bad = (Rule(headline="Headline \\d\\d[3-6]", reply="no"),)
    server = start_mock(rules=bad)
    result = evals(server, *SEQUENTIAL, "--baseline=before.json", "--stop-when-worse")
    assert result.ret == 1
    (model,) = newest_summary(many)["models"]
    assert model["challenge"]["worse"]
    assert model["challenge"]["than"] == "baseline before.json"
    assert model["tally"]["not_needed"] == TITLES - model["challenge"]["titles"] > 0
    assert len(server.requests) <= model["challenge"]["titles"] + SLOTS - 1 + 10, "a few requests look at the server"
    Path("before.json").unlink()
    again = start_mock(rules=bad)
    evals(again, *RESUME)
    assert newest_summary(many)["models"] == [model]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--stop-when-worse", "--model=first,second"), "give that too"),
        (("--stop-when-worse", "--gate=sequential", "--model=first"), "nothing to compare with"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    evals: Evals, start_mock: StartMock, many: Path, options: Sequence[str], said: str
) -> None:
    server = start_mock(models=MODELS)
    result = evals(server, "--confirm=skip", *options)
    assert result.ret == 4
    assert said in _said(result)
    assert not [one for one in server.requests if one.path.endswith("completions")]


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_a_title_with_repeats_counts_once_and_no_more_titles_are_asked_than_it_takes(
    evals: Evals, start_mock: StartMock, many: Path, workers: Sequence[str]
) -> None:
    server = start_mock()
    gate_options = ("--min-pass-rate=0.8", "--repeats=2")
    result = evals(server, *SEQUENTIAL, *gate_options, *workers)
    assert result.ret == 0
    (model,) = newest_summary(many)["models"]
    gate = model["gate"]
    assert (gate["verdict"], gate["planned"], gate["shares"]) == ("PASS", TITLES, True)
    assert gate["titles"] < TITLES
    assert gate["interval"]["low"] >= 0.8
    assert model["tally"]["passed"] == 2 * gate["titles"]
    assert model["tally"]["not_needed"] == 2 * (TITLES - gate["titles"])
    asked = sum(one.path.endswith("completions") for one in server.requests)
    assert asked <= 2 * gate["titles"] + SLOTS - 1
    said = _said(result)
    assert "sequential gate: a title counts once, by its share of good answers (mock-model)" in said
    assert f"PASS after {gate['titles']} of 100 titles, each counted by its share of good answers" in said
    again = start_mock()
    evals(again, *RESUME)
    assert not [one for one in again.requests if one.path.endswith("completions")]
    assert newest_summary(many)["models"] == [model]


def test_two_evals_of_the_same_titles_are_refused(
    evals: Evals, start_mock: StartMock, many: Path, write_eval: Callable[..., None]
) -> None:
    one = "def test_{0}(reply, judge):\n    assert judge(reply).ok\n"
    write_eval(one.format("a") + one.format("b"))
    result = evals(start_mock(), *SEQUENTIAL, "--min-pass-rate=0.8")
    assert result.ret == 4
    assert "two evals of mock-model ask the same ones" in _said(result)
