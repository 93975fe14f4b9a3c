"""The questions of docs/report.md, each answered in at most three clicks or keys."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from plotbot.records import Case, Exchange, ItemResult
from plotbot.report.page import PageRun, write_page

if TYPE_CHECKING:
    from benchmarks.chromium import Page

DOCUMENT = Path(__file__).parents[4] / "docs" / "report.md"
KEYS = {"Escape": (27, ""), "Enter": (13, "\r"), "ArrowRight": (39, "")}
HOSTILE = '"><img src=x onerror=alert(1)>\u202e</script>'


@dataclass
class User:
    """Counts what a reader of the page does; writing into the search field is one step."""

    page: Page
    path: Path
    run: PageRun
    steps: int = 0

    def begin(self, fragment: str = "") -> None:
        self.page.show(self.path, fragment)
        self.page.until("document.querySelector('#shown') && document.querySelector('#shown').textContent")
        self.steps = 0

    def click(self, selector: str) -> None:
        self.steps += 1
        self.page.until(f"document.querySelector({json.dumps(selector)})")
        self.page.run(f"document.querySelector({json.dumps(selector)}).click()")

    def choose(self, select: str, value: str) -> None:
        self.steps += 1
        self.page.run(
            f"(() => {{ const one = document.querySelector({json.dumps(select)}); one.value = {json.dumps(value)};"
            "one.dispatchEvent(new Event('change')); })()"
        )

    def ask(self, query: str) -> None:
        self.steps += 1
        self.page.run(
            f"(() => {{ const one = document.querySelector('#filter-text'); one.value = {json.dumps(query)};"
            "one.dispatchEvent(new Event('input')); })()"
        )
        self.page.until("!document.querySelector('#shown').textContent.includes('reading')")

    def press(self, key: str) -> None:
        self.steps += 1
        code, text = KEYS[key] if key in KEYS else (ord(key.upper()), key)
        self.page.press(key, code, text)

    def sees(self, selector: str, words: str) -> None:
        self.page.until(
            f"[...document.querySelectorAll({json.dumps(selector)})].some((one) => "
            f"new RegExp({json.dumps(words)}, 'i').test(one.innerText))"
        )


Answer = tuple[Case, ItemResult, Exchange]
"""What the run's records say of one item."""


def answers(user: User) -> list[Answer]:
    exchanges = {one.case: one for one in user.run.exchanges}
    results = user.run.records.results
    return [(user.run.records.cases[i.case], results[i.item], exchanges[i.case]) for i in user.run.records.items]


def reply_of(exchange: Exchange) -> str:
    return exchange.reply.content if exchange.reply else ""


def counted(user: User, fits: Callable[[Answer], object]) -> None:
    """The page shows those answers that fit by the records, of so many titles."""
    found = [one for one in answers(user) if fits(one)]
    titles = len({case.title.id for case, _, _ in found})
    assert found
    some = "(30 of )?" if titles == 30 else f"{titles} of "
    user.sees("#shown", rf"^{some}30 titles · {len(found)} answers?$")


def first_titles(user: User, key: Callable[[Answer], float], count: int) -> None:
    """The first rows are the titles with the largest values, by the records."""
    most: dict[str, float] = {}
    for one in answers(user):
        most[one[0].title.text] = max(most.get(one[0].title.text, 0), key(one))
    shown = user.page.run("[...document.querySelectorAll('.m-body .headline')].map((one) => one.textContent)")[:count]
    assert len(shown) == count
    assert [most[title] for title in shown] == sorted(most.values(), reverse=True)[:count]


def bad(user: User) -> None:
    user.choose("#filter-category", "bad")
    counted(user, lambda one: one[1].outcome in {"failed", "error"})


def category(user: User) -> None:
    user.click("#failures button.link")
    chosen = user.page.run("document.querySelector('#failures button.link bdi').textContent")
    counted(user, lambda one: one[1].category == chosen)


def field_of_model(user: User) -> None:
    user.choose("#violations select", "1")
    user.click(".heat td button.strong-heat")
    label = user.page.run(
        "[...document.querySelectorAll('.heat td button')].sort((a, b) => Number(b.innerText) - Number(a.innerText))[0]"
        ".getAttribute('aria-label')"
    )
    count, keyword, name = re.findall(r"^(\d+) answers? breaks? (\w+) of (.+)$", label)[0]
    user.sees("#filter-text", "")
    assert f"path={name} keyword={keyword} model=beta" in user.page.run("document.querySelector('#filter-text').value")
    user.sees("#shown", rf" {count} answers$")
    assert user.page.run("document.querySelectorAll('.m-body .m-cell:not(.dim) .answer.failed').length") >= 3
    user.click(".m-body .answer.failed")
    user.sees("dialog .faults", keyword)


def goose(user: User) -> None:
    user.ask("goose")
    user.click(".m-body .headline-link")
    user.sees("dialog .answer-card", "goose")
    assert user.page.run("document.querySelectorAll('dialog .answer-card').length") == 2


def slowest(user: User) -> None:
    user.choose("#filter-order", "seconds")
    user.click("#direction")
    user.sees("#direction", "descending")
    first_titles(user, lambda one: one[2].seconds if one[2].reply else 0, 10)


def by_key(key: str, of: Callable[[Answer], float]) -> Callable[[User], None]:
    def order(user: User) -> None:
        user.choose("#filter-order", key)
        user.press("s")
        user.page.until("!document.querySelector('#shown').textContent.includes('reading')")
        user.sees("#direction", "descending")
        first_titles(user, of, 3)

    return order


def repeats(user: User) -> None:
    user.click(".m-body .dot")
    user.click("[data-view=diff]")
    user.sees("dialog .answer-card", "Against the first|The same as the first")


def next_title(user: User) -> None:
    user.click(".m-body .headline-link")
    user.sees("dialog h2", r"\w")
    before = user.page.run("location.hash")
    user.press("j")
    user.page.until(f"location.hash !== {json.dumps(before)}")


def seen(selector: str, words: str) -> Callable[[User], None]:
    return lambda user: user.sees(selector, words)


def query(text: str, fits: Callable[[Answer], object]) -> Callable[[User], None]:
    def ask(user: User) -> None:
        user.ask(text)
        counted(user, fits)

    return ask


def opened(view: str, selector: str, words: str) -> Callable[[User], None]:
    def look(user: User) -> None:
        user.click(".m-body .m-cell:not(.dim) .answer")
        user.sees("dialog .answer-card", r"\w")
        if view:
            user.click(view)
        user.sees(selector, words)

    return look


def downloaded(user: User) -> None:
    user.page.run(
        "window.saved = []; const make = URL.createObjectURL;"
        "URL.createObjectURL = (blob) => { blob.text().then((text) => window.saved.push(text)); return make(blob); };"
        "HTMLAnchorElement.prototype.click = () => undefined"
    )
    user.ask("status:failed")
    user.page.run("[...document.querySelectorAll('.take button')].find((one) => one.innerText === 'CSV')"
                  ".dispatchEvent(new MouseEvent('click'))")  # fmt: skip
    user.steps += 1
    user.page.until("window.saved.length")
    assert "title_id,title,model" in user.page.run("window.saved[0]")


def hidden(user: User) -> None:
    user.click("#choose-columns summary")
    user.page.until("document.querySelector('#choose-columns input')")
    user.click("#choose-columns input")
    user.page.until("document.querySelectorAll('.m-head .m-cell').length === 1")


def reason(user: User) -> None:
    user.ask("category:fenced")
    opened("", "dialog .explained", "expected")(user)


def one_model(user: User) -> None:
    user.choose("#filter-model", "alpha")
    user.page.until("document.querySelectorAll('.m-head .m-cell').length === 1")


def one_field(user: User) -> None:
    user.click("#choose-columns summary")
    tone = "[...document.querySelectorAll('#choose-columns label')].find((one) => one.innerText === 'tone')"
    user.page.until(tone)
    user.page.run(f"{tone}.querySelector('input').click()")
    user.steps += 1
    user.sees(".m-said", "^wry and warm")


def disagree(user: User) -> None:
    verdicts: dict[str, set[bool]] = {}
    for case, result, _ in answers(user):
        verdicts.setdefault(case.title.id, set()).add(result.outcome == "passed")
    user.ask("is:split")
    split = {title for title, both in verdicts.items() if len(both) == 2}
    counted(user, lambda one: one[0].title.id in split)


def replaced(user: User) -> None:
    """Where both repeats are kept, one of them is what the dataset has."""
    kept: dict[tuple[str, str], int] = {}
    for case, result, _ in answers(user):
        kept[case.title.id, case.model] = kept.get((case.title.id, case.model), 0) + result.kept
    user.ask("is:replaced")
    user.sees("#shown", rf" {sum(count == 2 for count in kept.values())} answers$")


QUESTIONS: dict[str, Callable[[User], None]] = {
    "Which model is best?": seen("#short", "highest pass rate"),
    "What fails most, and what helps?": seen("#short", "What fails most"),
    "How sure is the pass rate?": seen(".models .range", "%"),
    "Show me what did not pass.": bad,
    "Show me the answers of one category.": category,
    "Which field breaks most for model B, and show me three.": field_of_model,
    "What did each model say about the goose?": goose,
    "Which ten answers took longest?": slowest,
    "Which answers took more than two seconds?": query("seconds>2", lambda one: one[2].seconds > 2 and one[2].reply),
    "Which replies are longest?": by_key("length", lambda one: len(reply_of(one[2]))),
    "Which cases needed more attempts?": by_key("attempts", lambda one: len(one[2].attempts)),
    "Where do the models disagree?": disagree,
    "What changed between repeats?": repeats,
    "Do repeats agree?": seen("#repeats", "both verdicts"),
    "Which answers were replaced in the dataset?": replaced,
    "What exactly did the model say?": opened("[data-view=raw]", "dialog pre.raw", r"\w"),
    "What was the model asked?": opened("dialog details summary", "dialog details", "Prompt"),
    "Why did this answer fail?": reason,
    "What comes after this title?": next_title,
    "Only one model, please.": one_model,
    "Does a word come up in any reply?": query("reply:harbor", lambda one: "harbor" in reply_of(one[2]).lower()),
    "Which answers are of the second repeat?": query("repeat:2", lambda one: one[0].repeat == 2),
    "What do all replies say in one field?": one_field,
    "Take what is shown to a spreadsheet.": downloaded,
    "Hide a column.": hidden,
}  # fmt: skip


@pytest.fixture
def user(page: Page, make_run: Callable[..., PageRun], tmp_path: Path) -> User:
    run = make_run(30, (("alpha", 0.7), ("beta", 0.4)), repeats=2)
    path = tmp_path / "index.html"
    path.write_bytes(write_page([run], "2026-11-22 16:30 UTC"))
    return User(page, path, run)


def test_each_question_is_answered_in_at_most_three_steps(user: User) -> None:
    for question, answer in QUESTIONS.items():
        user.begin()
        answer(user)
        assert user.steps <= 3, question
        assert user.page.complaints() == [], question


def test_the_document_has_these_questions() -> None:
    told = re.findall(r"^\d+\. \*\*(.+?)\*\*", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert told == list(QUESTIONS)


@pytest.mark.parametrize("key", ["q", "sort", "rows", "fields", "facts", "hide", "case", "view", "show", HOSTILE])
def test_an_address_shows_text_and_nothing_else(user: User, key: str) -> None:
    for value in (HOSTILE, "%zz", "__proto__", "constructor", "1e999", "-1", "a" * 100_000):
        user.begin(f"#{key}={value}")
        assert user.page.run("document.querySelectorAll('img, iframe').length") == 0
        assert user.page.run("document.scripts.length") == 4
        assert user.page.complaints() == []


def test_a_link_shows_the_same_rows_and_the_same_case(user: User) -> None:
    user.begin("#q=status%3Afailed&sort=-seconds&rows=wrap&hide=1")
    titles = "[...document.querySelectorAll('.m-body .headline')].map((one) => one.textContent)"
    shown: list[Any] = user.page.run(titles)
    user.click(".m-body .headline-link")
    user.sees("dialog h2", r"\w")
    address = user.page.run("location.hash")
    user.begin(address)
    assert user.page.run(titles) == shown
    assert user.page.run("document.querySelector('dialog h2').textContent") == shown[0]
    user.press("Escape")
    user.page.until("!document.querySelector('#case').open")
    user.page.until("location.hash === '#q=status%3Afailed&sort=-seconds&rows=wrap&hide=1'")
