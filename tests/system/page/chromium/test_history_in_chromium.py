from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plotbot.report.page.history import HistoryRun, write_history

if TYPE_CHECKING:
    from benchmarks.chromium import Page

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e\ud800"
RUNS = 300


def _run(number: int) -> HistoryRun:
    rows: list[dict[str, Any]] = [
        {
            "model": f"{HOSTILE} {model}", "variant": variant, "pass_rate": (number * 7 + model) % 11 / 11,
            "interval": {"low": 0.2, "high": 0.9}, "tally": {"planned": 10, "passed": 7, "failed": 3},
        }
        for model, variant in itertools.product(range(3), ("free", HOSTILE))
    ]  # fmt: skip
    started = f"2026-{1 + number // 28:02}-{1 + number % 28:02}T22:00:00+00:00"
    header = {
        "started": started, "settings": {"NOTE": f"{HOSTILE} {number}", "SAMPLE_SEED": number // 50},
        "params": {"top_k": number // 10}, "fingerprints": {}, "evals": [],
    }  # fmt: skip
    return HistoryRun(f"20261128-{number:06}-000000", header, rows if number % 9 else (), f"./runs/{number}/index.html")


def test_three_hundred_runs_are_lines_with_their_changes_and_a_table(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "history.html"
    path.write_bytes(write_history([_run(number) for number in range(RUNS)], "2026-11-29 10:00 UTC"))
    for width, scheme in itertools.product((1280, 390), ("light", "dark")):
        page.size(width, 900, scheme)
        page.show(path)
        assert page.run("document.querySelector('h1').textContent") == f"{RUNS} runs"
        assert page.run("document.querySelectorAll('.line').length") == 6
        rated = RUNS - len(range(0, RUNS, 9))
        assert page.run(
            "[...document.querySelectorAll('.line')].map((one) => one.querySelectorAll('.dot').length)"
        ) == ([rated] * 6)
        assert page.run("document.querySelectorAll('.line .change').length") > 100
        assert page.run("document.querySelectorAll('#runs tbody tr').length") == RUNS
        assert "it did not come to its end" in page.run("document.querySelector('#runs').innerText")
        assert page.run("document.documentElement.scrollWidth") <= width
        assert page.run("document.querySelectorAll('img, [onerror]').length") == 0
        assert "<img src=x onerror=alert(1)>\\u202e\\ud800 299" in page.run("document.body.innerText")
        assert page.run("document.querySelector('.line a').getAttribute('href')") == "./runs/1/index.html"
        assert page.complaints() == []
        assert page.requests() == [path.as_uri()]
