"""`reports/history.html` after each run, and by `plotbot runs --html`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from plotbot.commands import main
from plotbot.mock import MockServer, ModelSpec

pytest_plugins = ("pytester",)


def _index(page: Path) -> dict[str, Any]:
    found = re.search(rb'<script type="application/json" id="index">(.*?)</script>', page.read_bytes(), re.DOTALL)
    assert found is not None
    index: dict[str, Any] = json.loads(found[1])
    return index


def test_the_page_of_all_runs_is_written_with_each_and_links_to_their_own(
    evals: Callable[..., pytest.RunResult], project: Path, start_mock: Callable[..., MockServer]
) -> None:
    server = start_mock(models=(ModelSpec("mock-model", quantization="Q4_K_M"),))
    evals(server, "--note=first")
    (project / "data" / "prompt.txt").write_text("Be brief.", encoding="utf-8")
    evals(server, "--like=last", "--note=shorter")
    server.swap("mock-model", quantization="Q8_0")
    evals(server, "--like=last", "--temperature=0.1")
    page = project / "reports" / "history.html"
    index = _index(page)
    assert [run["note"] for run in index["runs"]] == ["first", "shorter", ""]
    [series] = index["series"]
    assert [point["changes"] for point in series["points"]] == [[], ["prompt"], ["parameters", "model"]]
    for run in index["runs"]:
        own = page.parent / unquote(run["link"])
        assert run["id"] in own.read_text(encoding="utf-8")
        assert '<a href="./../../../reports/history.html">all runs</a>' in own.read_text(encoding="utf-8")
    assert '<a href="./history.html">all runs</a>' in (project / "reports" / "index.html").read_text(encoding="utf-8")


def test_runs_html_writes_it_anew_whatever_the_summaries_hold(
    evals: Callable[..., pytest.RunResult],
    project: Path,
    start_mock: Callable[..., MockServer],
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = start_mock()
    for _ in range(5):
        evals(server)
    page = project / "reports" / "history.html"
    page.unlink()
    edits: list[Callable[[dict[str, Any]], Any]] = [
        lambda summary: summary.update(header=[], models={"a": 1}),
        lambda summary: summary["header"].update(evals=[{"files": 3}], settings=[], params=7, fingerprints={"m": 3}),
        lambda summary: summary.update(models=[{"pass_rate": "high", "interval": 3, "tally": "x", "model": None}]),
        lambda summary: summary["header"].update(
            variants=[{"name": 3}], evals=[{"files": {}, "hashes": [], "prompts": 3}]
        ),
    ]
    for folder, edit in zip(sorted((project / "data" / "runs").iterdir()), edits, strict=False):
        summary = json.loads((folder / "summary.json").read_bytes())
        edit(summary)
        (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    main(["runs", "--html", "--rootdir", str(project)])
    assert "All runs with their rates over time: reports/history.html" in capsys.readouterr().out
    assert len(_index(page)["runs"]) == 5
