from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from plotbot.measure.audit import Story, audit
from plotbot.records import Title
from plotbot.report.audit import audit_json
from plotbot.report.page import PageRun, write_page

if TYPE_CHECKING:
    from benchmarks.chromium import Page

HOSTILE = "<img src=x onerror=alert(1)></script>\x1b[2J\u202eg p \ud800 half of it"


def test_an_audit_is_a_section_of_the_page_in_which_every_text_stays_text(
    page: Page, make_run: Callable[..., PageRun], tmp_path: Path
) -> None:
    stories = [Story(HOSTILE, Title(f"t{n}", "T"), "h", (HOSTILE,), {HOSTILE: HOSTILE}) for n in range(5)]
    run = replace(make_run(3, [("m", 0.9)]), audit=audit_json(audit(stories, [], {}), "r"))
    path = tmp_path / "index.html"
    path.write_bytes(write_page([run], "2026-11-22 16:30 UTC"))
    page.size(390, 844, "dark")
    page.show(path)
    shown = page.until("document.getElementById('audit').innerText")
    assert "<img src=x onerror=alert(1)>" in shown
    assert "5 of 5 stories (100.0%) have the sentence" in shown
    assert page.run("document.querySelectorAll('img').length") == 0
    assert page.run("document.documentElement.scrollWidth") <= 390
    assert page.complaints() == []
