"""What holds of every page that plotbot writes: made by real runs, looked at in both widths and both colour schemes."""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.system.page.chromium.gallery import CRITERIA, TITLES, Gallery, Words, make_gallery

if TYPE_CHECKING:
    from benchmarks.chromium import Page

LOOKS = list(itertools.product((1280, 390), ("light", "dark")))
BOTH_WAYS = [LOOKS[0], LOOKS[-1]]  # each width and each scheme once, where the two have nothing to do with each other
HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\x1b[2J\u202e\u2066{{index}}"
BAD = Words(
    models=("<img src=x onerror=alert(1)>", '"><svg onload=alert(3)>'),
    prompt="<img src=x onerror=alert(4)>.txt",
    note=HOSTILE,
    field="<b onclick=alert(5)>",
    groups=(HOSTILE, "javascript:alert(6)", "__proto__"),
    headline=HOSTILE,
    said=HOSTILE,
    value=HOSTILE,
    question=HOSTILE,
)
# pytest-html's rows have an image without an address, for extras that plotbot never has.
MADE = 'img[src]:not([src=""]), iframe, object, embed, b[onclick], [onload], [onerror], a[href^="javascript" i]'


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return make_gallery(tmp_path_factory.mktemp("gallery"))


def looked_at(page: Page, gallery: Gallery, looks: list[tuple[int, str]]) -> Iterator[str]:
    """Show each page in each look; gives what it is."""
    for (name, path), (width, scheme) in itertools.product(gallery.pages.items(), looks):
        page.size(width, 900, scheme)
        page.show(path)
        if name == "label":
            begin_to_label(page)
        yield f"{name}, {width} pixels, {scheme}"


def begin_to_label(page: Page) -> None:
    page.run("document.getElementById('labeller').focus()")
    page.write("ann")
    page.press("Enter", 13, "\r")
    page.until("!document.getElementById('task').hidden")


def test_axe_has_no_serious_finding(page: Page, gallery: Gallery) -> None:
    script = os.environ.get("AXE_CORE", "")
    if not Path(script).is_file():
        pytest.skip("no axe-core: bash .ci/axe FOLDER installs it and prints the value of AXE_CORE")
    axe = Path(script).read_text(encoding="utf-8")
    # The second model's page is made as the first one is, and long.
    pages = {name: path for name, path in gallery.pages.items() if name != "model 2"}
    for look in looked_at(page, replace(gallery, pages=pages), LOOKS):
        assert found_by(page, axe) == [], look
        if look.startswith("index"):
            page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            page.run("document.querySelector('.m-body .headline-link').click()")
            page.until("document.querySelector('dialog[open]') && !document.querySelector('dialog [aria-busy]')")
            assert found_by(page, axe) == [], f"{look}, an opened case"


def found_by(page: Page, axe: str) -> list[str]:
    """The serious and critical findings, with the first element of each."""
    page.run(f"{axe};1")
    found = page.run(
        "axe.run({resultTypes: ['violations']}).then((r) => r.violations.filter((one) => "
        "['serious', 'critical'].includes(one.impact)).map((one) => [one.id, one.nodes.length, one.nodes[0].html, "
        "one.nodes[0].failureSummary].join(' ')))"
    )
    return [str(one) for one in found]


def test_nothing_is_wrong_with_any_page_and_none_is_wider_than_the_screen(page: Page, gallery: Gallery) -> None:
    for look in looked_at(page, gallery, BOTH_WAYS):
        width = page.run("window.innerWidth")
        assert page.run("document.documentElement.scrollWidth") <= width, look
        assert page.complaints() == [], look
        assert len(page.requests()) == 1, f"{look}: {page.requests()}"


def test_a_variant_is_chosen_apart_from_its_model(page: Page, gallery: Gallery) -> None:
    page.show(gallery.pages["index"])
    heads = "[...document.querySelectorAll('.m-head .m-cell bdi')].map((one) => one.textContent)"
    assert len(page.run(heads)) == 8
    options = page.run("[...document.querySelector('#filter-variant').options].map((one) => one.value)")
    assert options == ["", "prompt.txt free", "json", "brief.txt", "brief.txt json"]
    choose(page, "variant", "brief.txt json")
    assert page.run(heads) == ["qwen/qwen3-4b brief.txt json", "gemma-3-4b-it brief.txt json"]
    choose(page, "model", "gemma-3-4b-it")
    assert page.run(heads) == ["gemma-3-4b-it brief.txt json"]
    chosen = [page.run(f"document.querySelector('#filter-{one}').value") for one in ("model", "variant")]
    assert chosen == ["gemma-3-4b-it", "brief.txt json"]
    choose(page, "variant", "")
    assert len(page.run(heads)) == 4
    assert page.run("document.querySelector('#filter-format')") is None, "a variant's name has its format"
    choose(page, "model", "")
    assert page.run("document.querySelector('#filter-text').value") == ""
    # A number in the map of violations is of one row, and the choices say so.
    page.run("(() => { const one = document.querySelector('#violations select'); one.value = '5';"
             "one.dispatchEvent(new Event('change')); })()")  # fmt: skip
    page.run("document.querySelector('.heat td button').click()")
    assert page.run(heads) == ["gemma-3-4b-it json"]
    assert page.run("document.querySelector('#filter-variant').value") == "json"


def choose(page: Page, select: str, value: str) -> None:
    page.run(
        f"(() => {{ const one = document.querySelector('#filter-{select}'); one.value = {json.dumps(value)};"
        "one.dispatchEvent(new Event('change')); })()"
    )


def test_groups_repeats_judge_and_copies_have_their_sections(page: Page, gallery: Gallery) -> None:
    page.show(gallery.pages["index"])
    summary = json.loads((gallery.run / "summary.json").read_bytes())
    rows = "[...document.querySelectorAll({})].map((row) => [...row.cells].map((one) => one.innerText.trim()))"
    groups = page.run(rows.format("'.group-matrix tbody tr'"))
    told = {
        one["group"]: [f"{round(100 * model_group['pass_rate'], 1):g} %" for model in summary["models"]
                       for model_group in model["groups"] if model_group["group"] == one["group"]]
        for one in summary["models"][0]["groups"]
    }  # fmt: skip
    assert {row[0]: row[1:] for row in groups} == told
    assert page.run("document.querySelectorAll('#groups details table').length") == 8
    repeats = page.run(rows.format("'#repeats tbody tr'"))
    assert [row[0] for row in repeats] == page.run(
        "[...document.querySelectorAll('#models tbody th')].map((one) => one.innerText)"
    )
    assert all(row[1] == "2" for row in repeats)
    judged = page.run(rows.format("'#judged tbody tr'"))
    assert list(dict.fromkeys(row[0] for row in judged)) == [row[0] for row in repeats if has_passed(summary, row[0])]
    assert {row[1] for row in judged} == {"about its headline", *CRITERIA}
    assert "no labels, so nothing tells how the judge errs" in page.run("document.querySelector('#judged').innerText")
    assert len(page.run(rows.format("'#audit tbody tr'"))) == len({row[0] for row in judged})


def has_passed(summary: dict[str, Any], label: str) -> bool:
    return any(one["tally"]["passed"] for one in summary["models"] if f"{one['model']} {one['variant']}" == label)


def test_what_is_printed_is_whole_dark_on_light_and_on_few_pages(page: Page, gallery: Gallery) -> None:
    page.size(1280, 900, "dark")
    page.show(gallery.pages["index"])
    assert 2 <= printed(page) <= 6
    page.call("Emulation.setEmulatedMedia", {"media": "print"})
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert page.run("document.querySelectorAll('.m-body .m-row').length") == TITLES
    cut = "[...document.querySelectorAll('.scroll, .m-scroll, table')].filter((one) => one.offsetParent && "
    assert page.run(f"{cut} getComputedStyle(one).overflowX !== 'visible').length") == 0
    assert page.run("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    page.show(gallery.pages["index"])
    page.run("document.querySelector('.m-body .answer').click()")
    page.until("document.querySelector('dialog[open]') && !document.querySelector('dialog [aria-busy]')")
    assert printed(page) <= 2, "an opened case is printed alone"


def printed(page: Page) -> int:
    """How many pages of paper it takes."""
    pdf = base64.b64decode(page.call("Page.printToPDF")["data"])
    return len(re.findall(rb"/Type /Page\b", pdf))


def test_hostile_text_wherever_people_and_models_may_write_is_text(page: Page, tmp_path: Path) -> None:
    hostile = make_gallery(tmp_path, BAD)
    assert len(hostile.pages) == 6
    for look in looked_at(page, hostile, BOTH_WAYS):
        page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert "<img src=x onerror=alert(1)>" in page.run("document.body.innerText"), look
        if look.startswith("index"):
            ask_and_open(page)
        assert page.run(f"document.querySelectorAll({json.dumps(MADE)}).length") == 0, look
        assert page.run("/[\\x00-\\x08\\x1b\\u202a-\\u202e\\u2066-\\u2069]/.test(document.body.innerText)") is False
        assert page.complaints() == [], look
        assert len(page.requests()) == 1, f"{look}: {page.requests()}"


def ask_and_open(page: Page) -> None:
    """Search for hostile text, choose every choice, show every field and number, and open a title in every view."""
    scripts = page.run("document.scripts.length")
    set_query = "(() => {{ const box = document.querySelector('#filter-text'); box.value = {}; {} }})()"
    for query in (HOSTILE, f'model:"{HOSTILE}', f"group:{HOSTILE} -is:{HOSTILE}", "category:"):
        page.run(set_query.format(json.dumps(query), "box.dispatchEvent(new Event('input'));"))
    page.run(set_query.format("''", "box.dispatchEvent(new Event('input'));"))
    for select in ("category", "model", "variant", "order"):
        page.run(
            f"[...document.querySelector('#filter-{select}').options].forEach((one) => {{ const list = one.parentNode;"
            "list.value = one.value; list.dispatchEvent(new Event('change')); })"
        )
    page.run("document.querySelector('#none button').click()")
    page.until("!document.querySelector('#shown').textContent.includes('reading')")
    page.run("document.querySelectorAll('#choose-columns input').forEach((one) => { if (!one.checked) one.click(); })")
    page.run("document.querySelector('.m-body .headline-link').click()")
    page.until("document.querySelector('dialog[open] [data-view]')")
    for view in ("fields", "pretty", "raw", "diff"):
        page.run(f"document.querySelector('[data-view={view}]').click()")
        page.until("document.querySelector('dialog[open]') && !document.querySelector('dialog [aria-busy]')")
    page.run("document.querySelectorAll('dialog details').forEach((one) => { one.open = true; })")
    assert page.run("document.scripts.length") == scripts
