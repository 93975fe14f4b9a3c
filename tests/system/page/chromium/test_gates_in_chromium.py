from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from plotbot.measure.stopping import judge_run
from plotbot.report.page import PageRun, write_page

if TYPE_CHECKING:
    from benchmarks.chromium import Page


@pytest.mark.parametrize("repeats", [1, 2])
def test_a_gates_course_is_a_chart_with_its_looks_in_a_table(
    page: Page, make_run: Callable[..., PageRun], tmp_path: Path, repeats: int
) -> None:
    run = make_run(60, [("qwen/qwen3-4b", 0.9), ("<b>\u202e", 0.3)], repeats=repeats)
    metrics, gates = judge_run(run.records, {"*": 0.8}, "sequential", 20)
    path = tmp_path / "index.html"
    page.size(1280, 1600, "dark")
    path.write_bytes(write_page([replace(run, metrics=metrics, gates=gates)], "2026-11-22 16:30 UTC"))
    page.show(path)
    assert page.complaints() == []
    page.until("document.querySelector('.gate-course')")
    figures = "[...document.querySelectorAll('.gate-course')]"
    assert page.run(f"{figures}.map((one) => one.querySelectorAll('.dot').length)") == [
        len(one.course) for one in gates
    ]
    assert page.run(f"{figures}.map((one) => one.querySelector('svg').getAttribute('aria-hidden'))") == ["true"] * 2
    rows = page.run(f"{figures}.map((one) => [...one.querySelectorAll('tbody th')].map((head) => head.textContent))")
    assert rows == [[str(look.titles) for look in one.course] for one in gates]
    told = page.run(f"{figures}.map((one) => one.querySelector('figcaption').textContent)")
    assert all(f"{gate.verdict} after {gate.titles} of 60 titles" in one for gate, one in zip(gates, told, strict=True))
    assert page.run("document.querySelector('#gates b')") is None
    assert page.complaints() == []
