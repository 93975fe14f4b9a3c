from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from plotbot.fingerprint import Fingerprint
from plotbot.records import Exchange, ItemResult, Title, Violation
from plotbot.report.page import PageRun, document, page_data, payloads, write_page

if TYPE_CHECKING:
    from benchmarks.chromium import Page

MADE_AT = "2026-11-22 16:30 UTC"
THREE = (("qwen/qwen3-4b", 0.95), ("gemma-3-4b-it", 0.9), ("llama-3.2-1b", 0.4))
BAD = (
    "<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>", "javascript:alert(3)", "]]>", "--><!--",
    "\x1b[2J\x1b]0;title\x07", "\u202egnp.exe\u202c", "\u2066\u200f\u061c", "\ud800 half", "\x00nul",
    "&lt;b&gt;", "{{index}}",
)  # fmt: skip
HOSTILE = " ".join(BAD)

Shown = Callable[..., Path]


@pytest.fixture
def shown(tmp_path: Path, page: Page) -> Shown:
    """Write the page of these runs and open it."""

    def show(*runs: PageRun, fragment: str = "") -> Path:
        path = tmp_path / "index.html"
        path.write_bytes(write_page(runs, MADE_AT))
        page.show(path, fragment)
        return path

    return show


@pytest.fixture
def three(make_run: Callable[..., PageRun]) -> PageRun:
    return make_run(200, THREE)


def opened(page: Page) -> str:
    """The text of the dialog once all its answers are unpacked."""
    page.until(
        "byCase() && !byCase().querySelector('[aria-busy]')".replace(
            "byCase()", "document.querySelector('dialog[open]')"
        )
    )
    return str(page.run("document.querySelector('dialog').innerText"))


def rows(page: Page) -> int:
    return int(page.run("document.querySelector('.matrix').getAttribute('aria-rowcount')")) - 1


def choose(page: Page, select: str, value: str) -> None:
    page.run(f"document.querySelector({select!r}).value = {value!r}")
    page.run(f"document.querySelector({select!r}).dispatchEvent(new Event('change'))")


def reply_text(page: Page) -> str:
    """The raw reply as the dialog shows it, without the numbers on its marks."""
    page.run("document.querySelectorAll('dialog pre.raw sup').forEach((one) => one.remove())")
    return str(page.run("document.querySelector('dialog pre.raw').textContent"))


def test_the_page_is_drawn_without_a_complaint_or_a_request(page: Page, shown: Shown, three: PageRun) -> None:
    path = shown(three)
    assert page.run("document.querySelector('h1').textContent") == "3 models, 200 titles"
    assert page.complaints() == []
    assert page.requests() == [path.as_uri()]


def test_the_words_at_the_top_answer_the_first_questions(page: Page, shown: Shown, three: PageRun) -> None:
    shown(three)
    text = page.run("document.querySelector('#short').innerText")
    assert "qwen/qwen3-4b has the highest pass rate" in text
    assert "In order: qwen/qwen3-4b " in text
    assert " is better than " in text
    assert "What fails most?" in text


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_sideways(page: Page, shown: Shown, three: PageRun, width: int, scheme: str) -> None:
    page.size(width, 900, scheme)
    shown(three)
    assert page.run("document.documentElement.scrollWidth") <= width
    colours = page.run("(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))")
    assert (brightness(colours[0]) < brightness(colours[1])) == (scheme == "light")


def brightness(colour: str) -> float:
    return sum(map(float, colour.strip("rgba()").split(",")[:3]))


def test_a_search_leaves_the_titles_that_hold_all_its_words(page: Page, shown: Shown, three: PageRun) -> None:
    shown(three)
    page.run("document.querySelector('#filter-text').focus()")
    page.write("goose elect")
    assert rows(page) < 200
    page.run("document.querySelector('#filter-text').select()")
    page.write("Robot Chef")
    assert rows(page) == 1
    assert "Robot Chef Quits" in page.run("document.querySelector('.m-body').innerText")
    page.until("document.querySelector('#shown').textContent === '1 of 200 titles · 3 answers'")


def test_filters_by_category_and_model_leave_what_they_say(page: Page, shown: Shown, three: PageRun) -> None:
    fenced = [one.case for one in three.records.results.values() if one.category == "fenced"]
    titles = {three.records.cases[case].title.id for case in fenced}
    of_llama = {
        three.records.cases[case].title.id for case in fenced if three.records.cases[case].model == "llama-3.2-1b"
    }
    shown(three)
    choose(page, "#filter-category", "failed:fenced")
    assert rows(page) == len(titles)
    choose(page, "#filter-model", "llama-3.2-1b")
    assert rows(page) == len(of_llama) < len(titles)


def test_a_number_in_the_heat_map_shows_its_answers(page: Page, shown: Shown, three: PageRun) -> None:
    shown(three)
    count = int(page.run("document.querySelector('.heat td button').textContent"))
    page.run("document.querySelector('.heat td button').click()")
    assert 0 < rows(page) <= count
    assert "path=" in page.run("document.querySelector('#filter-text').value")


def test_a_link_opens_its_case_with_reply_mark_prompt_and_parameters(page: Page, shown: Shown, three: PageRun) -> None:
    broken = next(one for one in three.records.results.values() if one.violations)
    reply = next(one.reply for one in three.exchanges if one.case == broken.case)
    assert reply is not None
    shown(three, fragment=f"#case={broken.case}&view=raw")
    text = opened(page)
    assert three.records.cases[broken.case].title.text in text
    assert page.run("document.querySelectorAll('dialog mark').length") > 0
    assert reply_text(page) == reply.content
    whole = page.run("document.querySelector('dialog').textContent")
    assert "You are a story editor" in whole
    assert "Headline: " in whole
    assert '"temperature": 0.8' in whole
    assert '"quantization": "Q4_K_M"' in whole
    assert broken.item in whole
    assert page.complaints() == []


def test_two_answers_to_a_title_stand_side_by_side(page: Page, shown: Shown, three: PageRun) -> None:
    first = next(iter(three.records.cases))
    shown(three, fragment=f"#case={first}")
    opened(page)
    page.run("document.querySelector('.choices [aria-pressed=false]').click()")
    opened(page)
    boxes = page.run("[...document.querySelectorAll('.answer-card')].map((card) => card.getBoundingClientRect().top)")
    assert len(boxes) == 2
    assert boxes[0] == boxes[1]
    assert page.run("location.hash").count(",") == 1


def test_walking_on_keeps_the_repeats_that_stand_side_by_side(page: Page, shown: Shown, make_run: Any) -> None:
    run = make_run(3, (("alpha", 1.0),), repeats=2)
    first, second, *_ = [planned.case for planned in run.records.items]
    shown(run, fragment=f"#case={second},{first}")
    opened(page)
    page.run("[...document.querySelectorAll('.case-buttons button')].find((one) => one.innerText === 'Next').click()")
    page.until("!location.hash.includes('" + first + "')")
    repeats = [run.records.cases[case].repeat for case in str(page.run("location.hash"))[6:].split(",")]
    assert repeats == [2, 1]


def test_walking_on_keeps_two_evals_of_one_answer_apart(page: Page, shown: Shown, make_run: Any) -> None:
    run = make_run(3, (("alpha", 1.0),))
    others = [replace(planned, item=f"other/{planned.item}") for planned in run.records.items]
    both = replace(run, records=replace(run.records, items=(*run.records.items, *others)))
    first, second, *_ = [planned.case for planned in run.records.items]
    shown(both, fragment=f"#case={first}.2")
    opened(page)
    page.run("[...document.querySelectorAll('.case-buttons button')].find((one) => one.innerText === 'Next').click()")
    page.until("!location.hash.includes('" + first + "')")
    assert page.run("location.hash") == f"#case={second}.2"


def test_an_address_of_no_case_says_so(page: Page, shown: Shown, three: PageRun) -> None:
    shown(three, fragment="#case=%zz,nothing")
    assert "No such case" in opened(page)
    assert page.complaints() == []


def test_the_keyboard_alone_opens_and_closes_a_case(page: Page, shown: Shown, three: PageRun) -> None:
    shown(three)
    page.run("document.querySelector('#table a').focus()")
    for _ in range(60):
        page.press("ArrowDown", 40)
    page.press("ArrowRight", 39)
    href = page.run("document.activeElement.getAttribute('href')")
    assert page.run("document.activeElement.closest('.m-row').dataset.row") == "60"
    page.press("Enter", 13, "\r")
    opened(page)
    assert page.run("location.hash") == href
    page.press("Escape", 27)
    page.until("!document.querySelector('dialog').open && !location.hash")
    assert page.run("document.activeElement.getAttribute('href')") == href


def test_the_browsers_back_closes_a_case(page: Page, shown: Shown, three: PageRun) -> None:
    shown(three)
    page.run("document.querySelector('#table a').click()")
    opened(page)
    page.run("history.back()")
    page.until("!document.querySelector('dialog').open")


def test_hostile_text_everywhere_is_shown_and_nothing_else(page: Page, shown: Shown, make_run: Any) -> None:
    run = make_run([Title(bad, f"{bad} {HOSTILE}") for bad in BAD], [(HOSTILE, 0.5), (f"m2 {HOSTILE}", 0.2)])
    shown(spoiled(run))
    for key in page.run("JSON.parse(document.querySelector('#index').textContent).entries.key")[:14]:
        page.run(f"location.hash = '#case={key}'")
        page.until(f"location.hash.endsWith('{key}')")
        text = opened(page)
        for told in (
            "<img src=x onerror=alert(1)>",
            "\\x1b[2J",
            "\\u202e",
            "\\ud800 half",
            "]]>",
            "\\x00nul",
            "&lt;b&gt;",
        ):
            assert told in text
        page.run("document.querySelectorAll('dialog details').forEach((one) => { one.open = true; })")
    assert (
        page.run("document.querySelectorAll('img, iframe, object, [onerror], a[href^=\"javascript\" i]').length") == 0
    )
    assert page.run("document.scripts.length") == 4
    assert page.run("/[\\x00-\\x08\\x1b\\u202a-\\u202e\\u2066-\\u2069]/.test(document.body.innerText)") is False
    assert page.complaints() == []


def spoiled(run: PageRun) -> PageRun:
    """The run with hostile text wherever records hold text."""
    results = {name: spoiled_result(result) for name, result in run.records.results.items()}
    header = {HOSTILE: HOSTILE, "settings": {HOSTILE: [HOSTILE]}}
    records = replace(run.records, run=f"run {HOSTILE}", header=header, results=results)
    return replace(run, records=records, exchanges=spoiled_exchanges(list(run.exchanges)))


def spoiled_result(result: ItemResult) -> ItemResult:
    violations = (Violation(HOSTILE, HOSTILE, HOSTILE), Violation("$[0].tone", "</script>", HOSTILE))
    return replace(
        result, message=f"{HOSTILE} where offset 3 (line 1, column 4)", category=HOSTILE, violations=violations
    )


def spoiled_exchanges(exchanges: Sequence[Exchange]) -> list[Exchange]:
    return [
        replace(
            one,
            reply=one.reply
            and replace(one.reply, content=HOSTILE, reasoning=HOSTILE, model=HOSTILE, details={"id": HOSTILE}),
            fault=one.fault and replace(one.fault, message=HOSTILE),
            params={HOSTILE: HOSTILE},
            fingerprint=Fingerprint(model=HOSTILE),
            raw=b"" if one.reply else b"\xff\xfe\x00 <img src=x onerror=alert(1)>",
        )
        for one in exchanges
    ]


def test_ten_thousand_cases_fit_and_few_rows_are_drawn(page: Page, shown: Shown, make_run: Any) -> None:
    path = shown(make_run(10_000, [("qwen/qwen3-4b", 0.88)]))
    assert path.stat().st_size < 12_000_000
    assert rows(page) == 10_000
    assert page.run("document.querySelectorAll('.m-body .m-row').length") < 60
    page.run("window.scrollTo(0, 300000)")
    page.until("[...document.querySelectorAll('.m-body .m-row')].some((row) => row.dataset.row > 4000)")
    page.run("window.scrollTo(0, document.body.scrollHeight)")
    page.until("document.querySelector('[data-row=\"9999\"]')")
    assert page.run("document.querySelectorAll('.m-body .m-row').length") < 60
    page.run("document.querySelector('[data-row=\"9999\"] a').click()")
    assert "The reply" in opened(page)


@pytest.mark.parametrize(
    ("content", "offset", "paths", "marked"),
    [
        ('[{"a": NaN}]', 7, [], ["N"]),
        ("\U0001f600\U0001f600{x", 3, [], ["x"]),
        ('[{"a": 1', 8, [], ["⟨end of the reply⟩"]),
        ("ab", 3, [], []),
        ('[{"tone": "wry", "themes": ["x", "y"]}]', None, ["$[0].themes[1]", "$[0].tone"], ['"wry"', '"y"']),
        ('```json\n[{"a": {"b c": -1.5}}]\n```', None, ['$[0].a["b c"]'], ["-1.5"]),
        ('[{"a": 1}]', None, ["$[0]", "$[0].b"], ["{"]),
        ('[{"a": 1, "b": "cut', None, ["$[0].a"], ["1"]),
        ('{"a\\u0041": true}', None, ["$.aA"], ["true"]),
        ("not json at all [", None, ["$[0]"], []),
    ],
)
def test_the_offending_places_of_a_reply_are_marked(
    page: Page, shown: Shown, make_run: Any, content: str, offset: int | None, paths: list[str], marked: list[str]
) -> None:
    run = make_run(1, [("m", 1.0)])
    shown(answered(run, content, offset, paths), fragment=f"#case={next(iter(run.records.cases))}&view=raw")
    opened(page)
    assert reply_text(page).replace("⟨end of the reply⟩", "") == content
    assert page.run("[...document.querySelectorAll('dialog mark')].map((one) => one.textContent)") == marked


def answered(run: PageRun, content: str, offset: int | None, paths: Sequence[str]) -> PageRun:
    """The run with this one reply and what a judge held against it."""
    (exchange,) = run.exchanges
    assert exchange.reply is not None
    ((item, result),) = run.records.results.items()
    message = "" if offset is None else f"where offset {offset} (line 1, column {offset + 1})"
    violations = tuple(Violation(path, "type", "of another type") for path in paths)
    judged = replace(result, outcome="failed", category="schema", message=message, violations=violations)
    records = replace(run.records, results={item: judged})
    return replace(run, records=records, exchanges=[replace(exchange, reply=replace(exchange.reply, content=content))])


def test_a_run_killed_half_way_says_what_is_missing(page: Page, shown: Shown, make_run: Any) -> None:
    shown(make_run(20, THREE[:2], stop_after=30))
    assert "10 of 40 planned cases were not run: gemma-3-4b-it 10 of 20." in page.run("document.body.innerText")
    choose(page, "#filter-category", "not_run:not_run")
    assert rows(page) == 10
    page.run("document.querySelector('.answer.not_run').click()")
    assert "This case was not asked." in opened(page)


def test_a_browser_that_cannot_unpack_says_so_and_shows_the_rest(page: Page, shown: Shown, three: PageRun) -> None:
    page.call("Page.addScriptToEvaluateOnNewDocument", {"source": "delete window.DecompressionStream"})
    shown(three, fragment=f"#case={next(iter(three.records.cases))}")
    assert "This browser cannot unpack the answers" in opened(page)
    assert rows(page) == 200
    assert page.complaints() == []


def test_an_address_chooses_what_is_shown(page: Page, shown: Shown, three: PageRun) -> None:
    shown(three, fragment="#show=bad")
    bad = {item.item for item in three.records.items if three.records.results[item.item].outcome in {"failed", "error"}}
    titles = {three.records.cases[item.case].title for item in three.records.items if item.item in bad}
    assert rows(page) == len(titles) < 200
    shown(three, fragment="#show=%3Cimg%20src=x%3E")
    assert rows(page) == 200, "what is no choice changes nothing"


def test_a_large_page_unpacks_its_index_and_says_which_texts_it_has_no_room_for(
    page: Page, shown: Shown, three: PageRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "_PLAIN_INDEX", 1_000)
    monkeypatch.setattr(payloads, "MOST_WHOLE", 10)
    monkeypatch.setattr(payloads, "_HEAD_START", 0)
    monkeypatch.setattr(payloads, "_ROOM", 40_000)
    path = shown(three)
    page.until("document.querySelector('.matrix')")
    assert rows(page) == 200
    assert "application/octet-stream" in path.read_text(encoding="utf-8").partition('id="index"')[0][-60:]
    assert "cases are in this page. Those of " in page.run("document.body.innerText")
    places = page_data([three], MADE_AT).index["entries"]
    without = next(key for key, place in zip(places["key"], places["place"], strict=True) if place is None)
    shown(three, fragment=f"#case={without}")
    assert f"plotbot report {three.records.run} --case {without}" in opened(page)
