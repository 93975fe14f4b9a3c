from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from plotbot.plan.criteria import Criterion
from plotbot.report.page.labels import AskedCriterion, LabelledAnswer, write_label_page
from plotbot.run.labelling import label_tasks, take_labels

if TYPE_CHECKING:
    from benchmarks.chromium import Browser, Page

RUN = "20261122-121501-7f3a01"
HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\x1b[2J\u202egnp\ud800"
CODES = {"p": 80, "f": 70, "?": 191, "b": 66}
IDS = [f"id{number:02}" for number in range(15)]
CRITERIA = [Criterion(name, f"Is it {name}? {HOSTILE}") for name in ("hook", "stakes", "specific", "__proto__")]


@pytest.fixture
def labels_page(tmp_path: Path, browser: Browser, page: Page) -> Labelling:
    return Labelling(tmp_path, browser, page)


class Labelling:
    """The page of labels, and a person at its keys."""

    def __init__(self, folder: Path, browser: Browser, page: Page) -> None:
        self.path = folder / "label.html"
        self.downloads = folder / "downloads"
        self.page = page
        behaviour = {"behavior": "allow", "downloadPath": str(self.downloads), "eventsEnabled": False}
        browser.call("Browser.setDownloadBehavior", behaviour)
        self.write(CRITERIA)
        page.show(self.path)
        page.run("localStorage.clear()")
        page.reload()

    def write(self, criteria: list[Criterion]) -> None:
        entry = {"title": HOSTILE, "__proto__": HOSTILE, "themes": ["a", HOSTILE], "deep": {"n": [{"x": None}, 3]}}
        answers = [LabelledAnswer(one, f"{one} {HOSTILE}", [{**entry, "core_event": one}]) for one in IDS]
        asked = [AskedCriterion(one.name, one.wording, one.digest) for one in criteria]
        tasks = label_tasks(IDS, criteria, {"hook": frozenset(IDS[:4])}, RUN, 100)
        self.path.write_bytes(write_label_page(RUN, f"{RUN} '{HOSTILE}'", answers, asked, tasks))

    def call_oneself(self, name: str) -> None:
        self.page.run("(() => { const box = document.getElementById('labeller'); box.focus(); box.select(); })()")
        self.page.write(name)
        self.page.press("Enter", 13, "\r")

    def press(self, keys: str) -> None:
        for key in keys:
            self.page.press(key, CODES[key], key)

    def shown(self, element: str) -> str:
        return str(self.page.run(f"document.getElementById('{element}').innerText"))

    def download(self) -> dict[str, Any]:
        target = self.downloads / "labels.json"
        target.unlink(missing_ok=True)
        self.page.run("document.getElementById('download').click()")
        while not (target.exists() and target.stat().st_size):
            self.page.run("new Promise(requestAnimationFrame)")
        read: dict[str, Any] = json.loads(target.read_bytes())
        return read


def test_sixty_labels_with_a_reload_and_a_second_labeller_are_all_there(labels_page: Labelling, tmp_path: Path) -> None:
    assert labels_page.page.run("document.getElementById('task').hidden")
    labels_page.press("pp")
    labels_page.call_oneself("ann")
    labels_page.press("pf" * 14 + "?b")
    assert "You said: unsure" in labels_page.shown("earlier")
    labels_page.press("p")
    assert labels_page.shown("progress") == "29 of 60 done"
    labels_page.page.reload()
    assert labels_page.shown("progress") == "29 of 60 done"
    labels_page.press("p" * 30 + "?")
    assert labels_page.shown("progress") == "60 of 60 done, 1 of them not sure"
    labels_page.press("p")
    assert "All is labelled" in labels_page.shown("done")
    labels_page.press("bf")
    ann = labels_page.download()
    assert len(ann["labels"]) == len({(one["answer"], one["criterion"]) for one in ann["labels"]}) == 60
    assert [sum(one["label"] == label for one in ann["labels"]) for label in ("pass", "fail")] == [45, 15]

    labels_page.call_oneself("bob")
    assert labels_page.shown("progress") == "0 of 60 done"
    labels_page.press("p" * 20)
    bob = labels_page.download()
    assert {one["labeller"] for one in bob["labels"]} == {"bob"}
    files = [tmp_path / name for name in ("ann.json", "bob.json")]
    for file, labels in zip(files, (ann, bob), strict=True):
        file.write_text(json.dumps(labels), encoding="ascii")
    taken = take_labels(files, tmp_path / "none.json", RUN, CRITERIA, frozenset(IDS))
    assert (len(taken.labels), taken.new) == (80, 80)
    assert taken.notes == ("10 answers without a label: as many labellers say pass as fail",)
    assert sum(one.both for one in taken.agreements) == 20
    assert labels_page.page.complaints() == []


def test_a_changed_wording_voids_its_labels_and_says_so(labels_page: Labelling) -> None:
    labels_page.call_oneself("ann")
    labels_page.press("p" * 60)
    labels_page.write([Criterion("hook", "Another question?"), *CRITERIA[1:]])
    labels_page.page.reload()
    assert "15 labels of yours are void" in labels_page.shown("notice")
    assert labels_page.shown("progress") == "45 of 60 done"
    assert labels_page.shown("question") == "Another question?"
    labels_page.press("f")
    assert len(labels_page.download()["labels"]) == 61


def test_what_models_wrote_stays_text_and_the_page_asks_the_network_for_nothing(labels_page: Labelling) -> None:
    page = labels_page.page
    labels_page.call_oneself(HOSTILE.replace("\ud800", "")[:60])
    assert "<img src=x onerror=alert(1)>" in labels_page.shown("seed")
    assert page.run("document.querySelectorAll('img').length") == 0
    for scheme in ("light", "dark"):
        page.size(390, 844, scheme)
        page.show(labels_page.path)
        assert page.run("document.documentElement.scrollWidth") <= 390
    labels_page.press("pb")
    assert page.complaints() == []
    assert page.requests() == [labels_page.path.as_uri()]
