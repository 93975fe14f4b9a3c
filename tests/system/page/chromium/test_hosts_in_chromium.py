from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from plotbot.records import Exchange
from plotbot.report.page import PageRun, write_page

if TYPE_CHECKING:
    from benchmarks.chromium import Page

LONG = "very-long-name-of-a-host." * 9 + "lan:1234"
HOSTILE = "<img src=x onerror=alert(1)>\x1b[2J\u202e\ud800:1234"
SAME = ({"host": "one:1234", "slots": 4}, {"host": "two:1234", "slots": 8})
OTHER = ({"host": "one:1234"}, {"host": "two:1234", "quantization": "Q8_0"}, {"host": LONG}, {"host": HOSTILE})

Shown = Callable[..., PageRun]


@pytest.fixture
def shown(tmp_path: Path, page: Page, make_run: Callable[..., PageRun]) -> Shown:
    """Write the page of a run at these hosts and open it."""

    def show(hosts: Any, fragment: str = "") -> PageRun:
        run = make_run(40, [("qwen/qwen3-4b", 0.9), ("gemma-3-4b-it", 0.6)], hosts=hosts)
        path = tmp_path / "index.html"
        path.write_bytes(write_page([run], "2026-11-22 16:30 UTC"))
        page.show(path, fragment.format(case=next(iter(run.records.cases))))
        return run

    return show


def text(page: Page, selector: str) -> str:
    return str(page.run(f"document.querySelector({selector!r}).innerText"))


def test_with_one_host_the_page_says_nothing_of_hosts(page: Page, shown: Shown) -> None:
    shown([{"host": "one:1234"}], "#case={case}")
    page.until("document.querySelector('dialog[open]') && !document.querySelector('dialog [aria-busy]')")
    assert page.run("document.querySelector('#hosts-section').hidden") is True
    assert "one:1234" not in text(page, "dialog .verdict")
    assert page.run("document.querySelector('.tag')") is None


def test_each_host_has_a_row_under_its_model(page: Page, shown: Shown) -> None:
    run = shown(SAME)
    cells = "[...row.cells].map((one) => one.innerText.split(' ')[0])"
    rows = page.run(f"[...document.querySelectorAll('.hosts tbody tr')].map((row) => {cells})")
    assert [row[0] for row in rows] == ["one:1234", "two:1234"] * 2
    assert run.metrics[0].hosts is not None
    first = run.metrics[0].hosts.by_host[0]
    assert [str(first.answered), str(first.tally.passed), str(first.tally.failed)] == rows[0][3:6]
    assert "its hosts differ in: slots 4 at one:1234, 8 at two:1234." in text(page, "#hosts")
    assert "Is it one model?" not in text(page, "#short")
    assert page.complaints() == []


def test_a_rate_of_hosts_that_served_other_models_is_marked_and_taken_apart(page: Page, shown: Shown) -> None:
    shown(OTHER)
    words = text(page, "#short")
    assert "qwen/qwen3-4b: its hosts did not serve the same model: quantization Q4_K_M at " in words
    assert "Q8_0 at two:1234" in words
    assert "is a mix of theirs. Apart: " in words
    assert page.run("document.querySelectorAll('.models .tag').length") == 2


def test_an_opened_case_says_which_host_answered(page: Page, shown: Shown) -> None:
    run = shown(SAME, "#case={case}")
    page.until("document.querySelector('dialog[open]') && !document.querySelector('dialog [aria-busy]')")
    first: Exchange = next(iter(run.exchanges))
    assert first.attempts[-1].host == "two:1234"
    assert "answered by two:1234" in text(page, "dialog .verdict")


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_long_and_hostile_host_names_tear_nothing(page: Page, shown: Shown, width: int, scheme: str) -> None:
    page.size(width, 900, scheme)
    shown(OTHER)
    assert page.run("document.documentElement.scrollWidth") <= width
    tables = "[...document.querySelectorAll('#hosts .scroll')]"
    assert page.run(f"{tables}.every((box) => box.scrollWidth <= box.clientWidth)") is True
    assert "<img src=x onerror=alert(1)>\\x1b[2J\\u202e\\ud800:1234" in text(page, "#hosts")
    assert page.run("document.querySelectorAll('img, [onerror]').length") == 0
    assert page.complaints() == []


def test_two_runs_with_hosts_of_their_own_stand_apart(page: Page, tmp_path: Path, make_run: Any) -> None:
    runs = [make_run(5, [("m", 1.0)], hosts=hosts) for hosts in (SAME, OTHER[:2])]
    second = replace(runs[1], records=replace(runs[1].records, run="later"))
    path = tmp_path / "index.html"
    path.write_bytes(write_page([runs[0], second], "now"))
    page.show(path)
    assert page.run("document.querySelectorAll('#hosts h3').length") == 2
    assert "m in run later: its hosts did not serve the same model" in text(page, "#short")
    assert page.complaints() == []
