"""`--gate sequential`: a run asks only as many titles as it takes, whoever walks the items and in whatever order."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from plotbot.commands import main
from plotbot.mock import MockServer, ModelSpec, Rule
from tests.plugin.conftest import TITLES, newest_summary

pytest_plugins = ("pytester",)

Evals = Callable[..., pytest.RunResult]
StartMock = Callable[..., MockServer]
GATE = ("--gate=sequential", "--min-pass-rate=0.8", f"--test-sample-size={TITLES}", "--confirm=skip")
RESUME = ("--resume", "--confirm=skip", f"--test-sample-size={TITLES}")
SLOTS = 4  # of the mock

CRASHES = """
import os
from pathlib import Path


def test_story_seed(reply, judge, results):
    crashed = Path("crashed")
    if not crashed.exists():
        crashed.touch()
        os._exit(9)
    assert judge(reply).ok
    results.keep()
"""


def _asked(server: MockServer) -> list[str]:
    """The headlines that were asked, in the order of their requests."""
    found = (re.search(r"Headline \d+", one.body.decode()) for one in server.requests)
    return [match.group() for match in found if match]


def _order(project: Path) -> list[str]:
    """The titles of the newest run in plan order."""
    newest = max((project / "data" / "runs").iterdir())
    plan = json.loads((newest / "plan.json").read_text(encoding="utf-8"))
    titles = {case["id"]: case["title"]["text"].partition(":")[0] for case in plan["cases"]}
    return [titles[case] for _, case in plan["items"]]


def _counts(project: Path) -> Counter[str]:
    total = Counter(newest_summary(project)["total"])
    assert total.pop("planned") == total.total() == TITLES * len(newest_summary(project)["models"])
    return total


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_a_good_model_passes_early_and_the_rest_is_not_needed(
    evals: Evals, start_mock: StartMock, many: Path, workers: Sequence[str]
) -> None:
    server = start_mock()
    result = evals(server, *GATE, *workers, "--junitxml=junit.xml")
    assert result.ret == 0
    counts = _counts(many)
    assert counts["passed"] == 20
    assert counts["not_needed"] == 80
    assert len(_asked(server)) <= 20 + SLOTS - 1
    (gate,) = [model["gate"] for model in newest_summary(many)["models"]]
    assert (gate["verdict"], gate["titles"], gate["planned"], gate["interval"]["method"]) == (
        "PASS", 20, 100, "sequential"
    )  # fmt: skip
    assert newest_summary(many)["complete"]
    assert gate["interval"] == newest_summary(many)["models"][0]["interval"]
    out = " ".join(result.stdout.str().split())
    assert "gate: PASS after 20 of 100 titles: the sequential interval" in out
    assert "planned 100 = 20 passed + 0 failed + 0 error + 0 skipped + 0 not run + 80 not needed" in out
    assert "80 not needed" in (many / "reports" / "summary.md").read_text(encoding="utf-8")
    assert '"not needed"' in (many / "reports" / "index.html").read_text(encoding="utf-8")
    skipped = [case.find("skipped") for case in ET.parse(many / "junit.xml").getroot().iter("testcase")]
    reasons = [one.get("message") or "" for one in skipped if one is not None]
    # With workers a few tests beyond the stop are over, and reported, before the last one of its look.
    assert 80 - (SLOTS - 1 if workers else 0) <= len(reasons) <= 80
    assert all("not needed: the sequential gate was decided, PASS, after 20 of 100 titles" in one for one in reasons)


def test_quick_failures_decide_nothing_before_their_turn_and_two_workers_decide_as_one_process(
    evals: Evals, start_mock: StartMock, many: Path
) -> None:
    # Three in ten fail, and at once; the others take ten times as long.
    rules = (Rule(headline="Headline \\d\\d[258]", reply="no"), Rule(latency=0.02))
    decided = []
    for workers in ((), ("-n2",)):
        server = start_mock(rules=rules)
        assert evals(server, *GATE, *workers).ret == 1
        (gate,) = [model["gate"] for model in newest_summary(many)["models"]]
        counts = _counts(many)
        decided.append((gate, counts))
        assert counts["not_needed"] + gate["titles"] == TITLES
        order = _order(many)
        assert set(_asked(server)) <= set(order[: gate["titles"] + SLOTS - 1])
        assert set(order[: gate["titles"]]) <= set(_asked(server))
        failed = sum(headline[-1] in "258" for headline in order[: gate["titles"]])
        assert counts["failed"] == failed
    assert decided[0] == decided[1]


def test_each_model_and_variant_has_a_test_of_its_own(evals: Evals, start_mock: StartMock, many: Path) -> None:
    rules = (Rule(model="bad", reply="no JSON"),)
    server = start_mock(models=(ModelSpec("bad"), ModelSpec("good")), rules=rules)
    formats = "--response-format=none,json_schema"
    assert evals(server, *GATE, "--model=bad,good", formats, "-n2").ret == 1
    gates = {(one["model"], one["variant"]): one["gate"] for one in newest_summary(many)["models"]}
    assert {row: (gate["verdict"], gate["titles"]) for row, gate in gates.items()} == {
        ("bad", "free"): ("FAIL", 20),
        ("bad", "json"): ("FAIL", 20),
        ("good", "free"): ("PASS", 20),
        ("good", "json"): ("PASS", 20),
    }
    assert _counts(many)["not_needed"] == 4 * 80
    assert len(_asked(server)) <= 4 * (20 + SLOTS - 1)


def test_a_decided_run_asks_nothing_when_resumed(
    evals: Evals, start_mock: StartMock, many: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    evals(start_mock(), *GATE)
    before = _counts(many)
    server = start_mock()
    again = evals(server, *RESUME)
    assert again.ret == 0
    assert _asked(server) == []
    assert _counts(many) == before
    monkeypatch.chdir(many)
    capsys.readouterr()
    assert main(["runs"]) == 0
    said = capsys.readouterr().out
    assert "needless" in said
    assert " complete " in said
    assert main(["verify"]) == 0
    assert main(["report", "last"]) == 0
    assert _counts(many) == before
    replayed = evals(server, "--replay=last", *GATE)
    assert "0 of 20 verdicts changed" in replayed.stdout.str()
    assert "gate: PASS after 20 of 100 titles" in replayed.stdout.str()


def test_an_error_before_the_stop_makes_the_verdict_wait_for_resume(
    evals: Evals, start_mock: StartMock, many: Path
) -> None:
    once = start_mock(rules=(Rule(nth=(3,), status=400, body='{"error": "no"}'),))
    result = evals(once, *GATE)
    assert result.ret == 10
    (gate,) = [model["gate"] for model in newest_summary(many)["models"]]
    assert (gate["verdict"], gate["waits"]) == ("INCONCLUSIVE", 1)
    counts = _counts(many)
    assert counts["error"] == 1
    assert counts["not_needed"] > 0, "whatever that title says, it is decided without these"
    assert "an error must be asked again first" in " ".join(result.stdout.str().split())
    server = start_mock()
    assert evals(server, *RESUME).ret == 0
    assert len(_asked(server)) == 1
    (gate,) = [model["gate"] for model in newest_summary(many)["models"]]
    assert (gate["verdict"], gate["titles"], gate["waits"]) == ("PASS", 20, 0)
    assert _counts(many)["not_needed"] == 80


def test_an_interrupted_run_goes_on_to_the_decision_that_it_would_have_had(
    evals: Evals, start_mock: StartMock, many: Path
) -> None:
    rules = (Rule(headline="Headline \\d\\d[0]", reply="no"),)
    gate = ("--gate=sequential", "--min-pass-rate=0.85", "--gate-every=10", *GATE[2:])
    evals(start_mock(rules=rules), *gate)
    whole = newest_summary(many)
    stopped = evals(start_mock(rules=rules), *gate, "--maxfail=1")
    assert stopped.ret == 1
    assert _counts(many)["not_run"] > 0
    server = start_mock(rules=rules)
    evals(server, *RESUME)
    assert newest_summary(many)["models"][0]["gate"] == whole["models"][0]["gate"]
    assert newest_summary(many)["total"] == whole["total"]


def test_an_undecided_run_says_how_many_more_titles_would_settle_it(
    evals: Evals, start_mock: StartMock, many: Path
) -> None:
    rules = (Rule(headline="Headline \\d\\d[37]", reply="no"),)
    result = evals(start_mock(rules=rules), *GATE[:1], "--min-pass-rate=0.85", *GATE[2:])
    assert result.ret == 1
    (gate,) = [model["gate"] for model in newest_summary(many)["models"]]
    assert (gate["verdict"], gate["titles"]) == ("INCONCLUSIVE", 100)
    words = f"about {gate['needed'] - 100} more titles would settle it at this rate"
    assert words in " ".join(result.stdout.str().split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--shard=1/2",), "a part of the plan cannot tell when the whole is decided"),
        (("--stop-when-worse",), "has nothing to compare with: ask two models or two variants"),
        (("--min-pass-rate=mock-model=1",), "cannot prove a pass rate of 1"),
    ],
)
def test_what_a_sequential_gate_cannot_be_of_is_refused_before_anything_is_asked(
    evals: Evals, start_mock: StartMock, many: Path, options: Sequence[str], said: str
) -> None:
    server = start_mock()
    result = evals(server, *GATE, *options)
    assert result.ret == 4
    assert said in " ".join((result.stderr.str() + result.stdout.str()).split())
    assert _asked(server) == []


def test_a_sequential_gate_without_a_threshold_is_refused(evals: Evals, start_mock: StartMock, many: Path) -> None:
    result = evals(start_mock(), "--gate=sequential", "--confirm=skip")
    assert result.ret == 4
    assert "needs a threshold to decide about" in " ".join((result.stderr.str() + result.stdout.str()).split())


def test_the_crash_of_a_worker_neither_stops_the_run_nor_changes_the_decision(
    evals: Evals, start_mock: StartMock, many: Path, write_eval: Callable[..., None]
) -> None:
    # xdist gives the crashed worker's items out again behind those that wait for their verdicts.
    write_eval(CRASHES)
    server = start_mock()
    result = evals(server, *GATE, "-n2")
    assert result.ret == 0
    (gate,) = [model["gate"] for model in newest_summary(many)["models"]]
    assert (gate["verdict"], gate["titles"]) == ("PASS", 20)
    assert _counts(many)["not_needed"] == 80
    assert len(_asked(server)) <= 20 + SLOTS - 1
