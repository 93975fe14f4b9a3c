"""Rates by group: counted again from the journal, the same with workers, resumed, replayed and merged."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.commands import main
from plotbot.keep.journal_reading import read_journal
from plotbot.mock import MockServer, Rule

pytest_plugins = ("pytester",)

EVAL = """
import pytest
from plotbot import validate_entry

@pytest.mark.eval(titles="data/mine.json", group_by={by})
def test_own(reply, judge, results):
    assert judge(check=validate_entry).ok
    results.keep()
"""
TITLES = {f"t{n:02}": {"title": f"Goose {n} at the pond", "kind": "odd" if n % 2 else "even"} for n in range(24)}
NEWEST = "data/runs"


@pytest.fixture
def run(
    pytester: pytest.Pytester, project: Path, write_eval: Callable[..., None], start_mock: Callable[..., MockServer]
) -> Callable[..., pytest.RunResult]:
    """Run an eval of 24 titles in two groups; the model breaks off in all of one."""
    write_eval(EVAL.format(by='"kind"'))
    (project / "data" / "mine.json").write_text(json.dumps(TITLES), encoding="utf-8")
    server = start_mock(rules=(Rule(headline=r"Goose \d*[13579] ", reply="no JSON"),))
    given = ("evals", f"--lm-studio-url={server.url}", "--sample-seed=1", "--test-sample-size=0")
    return lambda *arguments: pytester.runpytest_inprocess(*given, *arguments)


def _recounted(folder: Path) -> dict[str, tuple[int, int]]:
    """How many passed and failed, by kind, from plan and journal alone. The last verdict of a case counts."""
    plan = json.loads((folder / "plan.json").read_bytes())
    cases = {case["id"]: plan["fields"][case["title"]["fields"]]["kind"] for case in plan["cases"]}
    lines = read_journal(folder / "journal.jsonl").lines
    last = {line.data["case"]: line.data["outcome"] for line in lines if line.kind == "verdict"}
    counts = Counter((cases[case], outcome) for case, outcome in last.items())
    return {kind: (counts[kind, "passed"], counts[kind, "failed"]) for kind in cases.values()}


def _rates(groups: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {name: (one["tally"]["passed"], one["tally"]["failed"]) for name, one in groups.items()}


def _groups(folder: Path) -> dict[str, Any]:
    (model,) = json.loads((folder / "summary.json").read_bytes())["models"]
    return {one["group"]: one for one in model["groups"]}


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_rates_are_those_of_a_recount_and_the_worse_group_is_named(
    run: Callable[..., pytest.RunResult], project: Path, workers: str
) -> None:
    done = run(workers)
    folder = max((project / NEWEST).iterdir())
    groups = _groups(folder)
    assert _rates(groups) == _recounted(folder)
    assert (groups["odd"]["worse"], groups["even"]["worse"]) == (True, False)
    said = " ".join(done.stdout.str().split())
    assert "by kind: odd 0.0% [0-25]; even 100.0% [75-100]" in said
    assert "by kind: worse than the rest beyond chance: odd (p " in said
    assert "| `kind` | `odd` | 0 | 12 |" in (project / "reports" / "summary.md").read_text(encoding="utf-8")
    assert "worse beyond chance" in (project / "reports" / "index.html").read_text(encoding="utf-8")


def test_they_are_those_of_a_recount_when_resumed_reported_and_merged_and_a_replay_says_the_same(
    run: Callable[..., pytest.RunResult], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("-x")
    run("--resume", "-n2")
    whole = max((project / NEWEST).iterdir())
    groups = _groups(whole)
    assert _rates(groups) == _recounted(whole) == {"odd": (0, 12), "even": (12, 0)}
    replayed = run("--replay", "last", "-n2")
    assert "by kind: odd 0.0% [0-25]; even 100.0% [75-100]" in " ".join(replayed.stdout.str().split())
    assert main(["report", "last", "--rootdir", str(project)]) == 0
    assert _groups(whole) == groups
    parts = []
    for part in ("1/2", "2/2"):
        run("--shard", part)
        parts.append(str(max((project / NEWEST).iterdir())))
        assert _rates(_groups(Path(parts[-1]))) == _recounted(Path(parts[-1]))
    capsys.readouterr()
    assert main(["merge", *parts, "--rootdir", str(project)]) == 1
    merged = max((project / NEWEST).iterdir())
    assert _groups(merged) == groups
    assert _recounted(merged) == _rates(groups)


def test_a_group_by_that_gives_no_groups_is_refused_before_anything_is_asked(
    run: Callable[..., pytest.RunResult], write_eval: Callable[..., None], project: Path
) -> None:
    for by, says in (
        ('"knid"', "not 'knid'; known: kind, script, length"),
        ("lambda title: 1 / 0", "ZeroDivisionError"),
    ):
        write_eval(EVAL.format(by=by))
        refused = run()
        assert refused.ret == 4
        assert says in refused.stderr.str()
    assert not (project / NEWEST).exists()
