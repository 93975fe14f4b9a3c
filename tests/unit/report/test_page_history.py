"""The page of all runs: its lines, what changed between two runs, its size, and that nothing in it is markup."""

from __future__ import annotations

import json
import re
from typing import Any

from plotbot.report.page.history import MOST_RUNS, HistoryRun, write_history

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e\ud800"
FILES = {"prompt": "data/prompt.txt", "schema": "s.json", "titles": "t.json"}


def _run(number: int, models: tuple[str, ...] = ("m",), note: str | None = None, **changed: Any) -> HistoryRun:
    texts = {"prompt": "p", "schema": "s", "quantization": "Q4", "version": "1", "seed": 7, "top_k": 40} | changed
    evals: list[dict[str, Any]] = [
        {"files": FILES, "hashes": [f"{texts['prompt']}{texts['schema']}"], "variants": [""]}
    ]
    evals[0] |= {"prompts": [texts["prompt"]], "schemas": [texts["schema"]]}
    served = {"key": "k", "quantization": texts["quantization"], "server_version": texts["version"]}
    header = {
        "started": f"2026-11-28T22:{number % 60:02}:00+00:00",
        "settings": {"NOTE": note, "SAMPLE_SEED": texts["seed"]},
        "params": {"top_k": texts["top_k"]},
        "fingerprints": dict.fromkeys(models, served),
        "evals": evals,
    }
    interval = {"low": 0.4, "high": 0.9}
    tally = {"planned": 10, "passed": 7, "failed": 3}
    rows = [{"model": one, "variant": "", "pass_rate": 0.7, "interval": interval, "tally": tally} for one in models]
    return HistoryRun(f"20261128-{number:06}-000000", header, rows, f"./../data/runs/{number}/index.html")


def _index(page: bytes) -> dict[str, Any]:
    found = re.search(rb'<script type="application/json" id="index">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    index: dict[str, Any] = json.loads(found[1])
    return index


def test_what_changed_stands_at_the_run_that_changed_it() -> None:
    runs = [
        _run(1),
        _run(2, prompt="q"),
        _run(3, prompt="q"),
        _run(4, prompt="q", schema="t", top_k=9),
        _run(5, prompt="q", schema="t", top_k=9, quantization="Q8"),
        _run(6, prompt="q", schema="t", top_k=9, quantization="Q8", version="2"),
        _run(7, prompt="q", schema="t", top_k=9, quantization=None, version="2", seed=8),
    ]
    [series] = _index(write_history(runs, "now"))["series"]
    changes = [point["changes"] for point in series["points"]]
    assert changes == [[], ["prompt"], [], ["schema", "parameters"], ["model"], ["engine"], ["titles"]]


def test_a_run_without_a_summary_and_one_of_a_version_that_named_no_prompts_are_shown() -> None:
    old = _run(1)
    for one in old.header["evals"]:
        del one["prompts"], one["schemas"], one["variants"]
    index = _index(write_history([old, HistoryRun("dead", {}), _run(2, prompt="q")], "now"))
    assert [run["ended"] for run in index["runs"]] == [True, False, True]
    assert [point["changes"] for point in index["series"][0]["points"]] == [[], ["prompt or schema"]]


def test_hostile_notes_and_names_are_text_and_nothing_but_the_page_s_own_script_may_run() -> None:
    page = write_history([_run(1, models=(HOSTILE,), note=HOSTILE)], HOSTILE).decode()
    assert "<img" not in page
    assert page.count("</script>") == 2
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page)
    assert "default-src 'none'" in page
    index = _index(page.encode())
    assert index["runs"][0]["note"] == index["series"][0]["label"] == index["made_at"] == HOSTILE


def test_three_hundred_runs_are_under_two_megabytes_and_of_more_the_newest_are_shown() -> None:
    models = tuple(f"org/some-long-model-name-{number}-Q4_K_M" for number in range(4))
    runs = [_run(number, models, "a note of some length, as people write them " * 4) for number in range(300)]
    assert len(write_history(runs, "now")) < 2_000_000
    index = _index(write_history([_run(number) for number in range(MOST_RUNS + 3)], "now"))
    assert index["left_out"] == 3
    assert index["runs"][-1]["id"] == f"20261128-{MOST_RUNS + 2:06}-000000"
