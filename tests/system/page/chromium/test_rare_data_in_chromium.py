"""What a page is seldom given: a case of its own, words of the scripts' language, a rate without an interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from plotbot.report.page import HistoryRun, PageRun, write_history, write_page

if TYPE_CHECKING:
    from benchmarks.chromium import Page

MakeRun = Callable[..., PageRun]


def show(page: Page, path: Path, document: bytes, fragment: str = "") -> None:
    path.write_bytes(document)
    page.show(path, fragment)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "index.html"


def test_a_case_without_others_to_compare_has_no_place_for_them(page: Page, index: Path, make_run: MakeRun) -> None:
    run = make_run(2, (("alpha", 1.0),))
    show(page, index, write_page([run], "now"), f"#case={next(iter(run.records.cases))}")
    page.until("document.querySelector('dialog[open]')")
    loose = "[...document.querySelector('#case').childNodes].filter((one) => one.nodeType === 3).length"
    assert page.run(loose) == 0
    assert page.complaints() == []


@pytest.mark.parametrize("word", ["constructor:", "constructor", "-constructor=x", "seconds:constructor"])
def test_a_word_of_the_language_of_scripts_is_searched_for(
    page: Page, index: Path, make_run: MakeRun, word: str
) -> None:
    show(page, index, write_page([make_run(2, (("alpha", 1.0),))], "now"))
    page.run(f"Object.assign(document.querySelector('#filter-text'), {{ value: {word!r} }}).focus()")
    page.run("document.querySelector('#filter-text').dispatchEvent(new Event('input'))")
    assert page.run("document.querySelector('#completions').hidden") is True
    assert page.complaints() == []


def test_an_answer_is_replaced_by_the_first_of_the_page_too(page: Page, index: Path, make_run: MakeRun) -> None:
    run = make_run(1, (("alpha", 1.0),), repeats=2)
    exchanges = [replace(one, at=f"2026-11-22T1{9 - number}:00:00+00:00") for number, one in enumerate(run.exchanges)]
    show(page, index, write_page([replace(run, exchanges=exchanges)], "now"), "#q=is:replaced")
    assert "1 title · 1 answer" in page.run("document.querySelector('#shown').textContent")


def test_a_run_whose_gate_waits_has_its_point_without_an_interval(page: Page, index: Path) -> None:
    tally = {"passed": 7, "failed": 3}
    row: dict[str, Any] = {"model": "alpha", "variant": "", "pass_rate": 0.7, "interval": None, "tally": tally}
    header = {"started": "2026-11-28T22:00:00+00:00"}
    runs = [HistoryRun("one", header, [row]), HistoryRun("two", header, [{**row, "interval": {"low": 0.4, "high": 1}}])]
    show(page, index, write_history(runs, "now"))
    assert page.run("document.querySelectorAll('.dot').length") == 2
    assert page.run("document.querySelectorAll('line.interval').length") == 1
    assert page.complaints() == []
