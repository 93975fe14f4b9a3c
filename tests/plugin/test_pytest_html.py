from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from plotbot.measure.hosts import FieldByHost, HostMetrics, Hosts
from plotbot.measure.intervals import wilson_interval
from plotbot.measure.metrics import ModelMetrics
from plotbot.measure.tally import Tally
from plotbot.plugin.pytest_html import MOST_REPLIES, MOST_ROWS, CaseRow, HtmlPages
from tests.plugin.written_page import WrittenPage

pytest_plugins = ["pytester"]

HOSTILE = (
    "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
    "<a href=javascript:alert(3)>\x1b[31m\u202e\ud800\x00\"'&amp;{{7*7}}\nE evil"
)


@pytest.fixture
def config(pytester: pytest.Pytester) -> pytest.Config:
    return pytester.parseconfigure()


def _report(item: str, outcome: Any = "passed", longrepr: Any = None, when: Any = "call") -> pytest.TestReport:
    sections = [("Captured stdout call", "printed"), ("model's reply", "shown elsewhere")]
    return pytest.TestReport(item, ("x", 1, "x"), {}, outcome, longrepr, when, sections, 0.5)


def _row(slug: str = "slug", outcome: str = "passed", **given: Any) -> CaseRow:
    fields = {"title": "A headline", "category": "ok", "seconds": 1.25, "reply": "the reply", **given}
    return CaseRow(slug=slug, outcome=outcome, **fields)


def _metrics(model: str = "m", **boxes: Any) -> ModelMetrics:
    tally = Tally(model, **boxes)
    rate = tally.passed / tally.rated if tally.rated else None
    interval = wilson_interval(tally.passed, tally.rated)
    failures = {"schema": tally.failed} if tally.failed else {}
    return ModelMetrics(tally, rate, interval, failures, {}, 0, None, None, None, 0, 0, 0, ())


def _written(config: pytest.Config, *cases: tuple[pytest.TestReport, CaseRow], **boxes: int) -> WrittenPage:
    pages = HtmlPages(config, config.rootpath / "reports")
    for report, row in cases:
        pages.add(report, "m", row)
    (path,) = pages.finish([_metrics("m", **boxes)], {"sample seed": 7})
    return WrittenPage(path)


def test_a_row_shows_title_category_seconds_speed_attempts_and_case(config: pytest.Config) -> None:
    row = _row("test[a]", "failed", category="fenced", seconds=12.5, tokens_per_second=81.25, attempts=3, host="a:1")
    page = _written(config, (_report("t[a]", "failed"), row), failed=1)
    names = [attrs["data-column-type"] for tag, attrs in page.tags if tag == "th"]
    assert names == ["result", "title", "category", "seconds", "speed", "attempts", "testId"]
    shown = [page.column(str(name))[0] for name in names]
    assert shown == ["Failed", "A headline", "fenced", "12.50", "81.2", "3", "test[a]"]


def test_a_row_names_its_host_where_the_run_has_several(config: pytest.Config) -> None:
    hosts = ["one:1234", HOSTILE, ""]
    page = _written(config, *((_report(f"t[{host}]"), _row(host=host)) for host in hosts), passed=3)
    names = [attrs["data-column-type"] for tag, attrs in page.tags if tag == "th"]
    assert names == ["result", "title", "category", "host", "seconds", "speed", "attempts", "testId"]
    cells = page.column("host")
    assert (cells[0], cells[2]) == ("one:1234", "-")
    assert "&lt;img src=x onerror=alert(1)&gt;" in cells[1]


def test_two_models_at_one_host_each_are_a_run_with_several_hosts(config: pytest.Config) -> None:
    pages = HtmlPages(config, config.rootpath / "reports")
    for model in "ab":
        pages.add(_report(f"t[{model}]"), model, _row(host=f"{model}:1"))
    shown = [WrittenPage(path).column("host") for path in pages.finish([_metrics("a"), _metrics("b")], {})]
    assert shown == [["a:1"], ["b:1"]]


def test_the_head_of_a_mixed_rate_says_so_and_takes_it_apart(config: pytest.Config) -> None:
    field = FieldByHost("quantization", {"one:1": ("Q4",), "two:1": (HOSTILE,)})
    half = Tally("m", 1, 1), 0.5, wilson_interval(1, 2)
    by_host = tuple(HostMetrics(name, 2, 0.5, *half, 1.0, 1.0, None, {}) for name in ("one:1", "two:1"))
    metrics = replace(_metrics("m", passed=2, failed=2), hosts=Hosts(by_host, (field,)))
    (path,) = HtmlPages(config, config.rootpath / "reports").finish([metrics], {})
    source = WrittenPage(path).source
    assert "<p>mixed: its hosts did not serve the same model: quantization Q4 at one:1, &lt;img src=x" in source
    assert "Apart: one:1 50.0% [9-91] and two:1 50.0% [9-91].</p>" in source


def test_an_expanded_row_shows_why_with_the_output_and_the_reply(config: pytest.Config) -> None:
    row = _row(outcome="failed", message="expected an array")
    page = _written(config, (_report("t[a]", "failed", "E   boom"), row), failed=1)
    log = page.rows[0]["log"]
    assert log == "<b>Why</b>\nE   boom\nCaptured stdout call\nprinted\n\n<b>Reply</b>\nthe reply\n"


def test_a_row_without_a_traceback_shows_its_message(config: pytest.Config) -> None:
    row = _row(outcome="error", message="the server went away")
    report = _report("t[a]", "failed", "")
    report.sections.clear()
    page = _written(config, (report, row), error=1)
    assert page.rows[0]["log"].startswith("<b>Message</b>\nthe server went away\n")


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [("passed", "Passed"), ("failed", "Failed"), ("error", "Error"), ("skipped", "Skipped"), ("strange", "Error")],
)
def test_the_rows_outcome_decides_how_it_is_shown(config: pytest.Config, outcome: str, shown: str) -> None:
    page = _written(config, (_report("t[a]"), _row(outcome=outcome)))
    assert page.column("result") == [shown]


def test_hostile_text_is_shown_and_does_nothing(config: pytest.Config) -> None:
    pages = HtmlPages(config, config.rootpath / "reports")
    row = _row(HOSTILE, "failed", title=HOSTILE, category=HOSTILE, reply=HOSTILE, message=HOSTILE)
    pages.add(_report(HOSTILE, "failed", HOSTILE), HOSTILE, row)
    (path,) = pages.finish([_metrics(HOSTILE, failed=1)], {HOSTILE: HOSTILE})
    page = WrittenPage(path)
    inside = [tag for fragment in page.fragments() for tag in re.findall(r"<\s*/?\s*([a-zA-Z]+)", fragment)]
    assert set(inside) == {"td", "b"}
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert not [attrs for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert not re.search("[\x00\x1b\u202e\ud800]", page.source + json.dumps(page.data, ensure_ascii=False))
    for fragment in (page.rows[0]["title"], page.rows[0]["log"], *page.data["environment"].values()):
        assert "&lt;img src=x onerror=alert(1)&gt;" in fragment
        assert r"\x1b[31m\u202e\ud800\x00" in fragment
    assert not re.search("^E evil", page.rows[0]["log"], re.MULTILINE)


def test_only_the_pages_own_script_may_run_and_nothing_is_fetched(config: pytest.Config) -> None:
    page = _written(config, (_report("t[a]"), _row()), passed=1)
    (policy,) = [str(attrs["content"]) for tag, attrs in page.tags if tag == "meta" and "http-equiv" in attrs]
    (script,) = re.findall(r"<script>(.*?)</script>", page.source, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert "onclick" not in page.source.replace(script, "")


def test_the_environment_shows_plotbots_facts_and_nothing_else(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One of the variables that pytest-metadata collects where CI runs.
    monkeypatch.setenv("GITLAB_CI", "hush-hush")
    monkeypatch.setenv("CI_JOB_TOKEN", "hush-hush")
    page = _written(pytester.parseconfigure("--metadata", "key", "hush-hush"), (_report("t[a]"), _row()), passed=1)
    assert page.data["environment"] == {"model": "m", "sample seed": "7"}
    assert "hush-hush" not in page.source


def test_the_head_names_the_model_and_adds_up(config: pytest.Config) -> None:
    page = _written(config, (_report("t[a]"), _row()), passed=47, failed=3, not_run=2)
    assert '<h1 id="title">plotbot: m</h1>' in page.source
    assert "<p>planned 52 = 47 passed + 3 failed + 0 error + 0 skipped + 2 not run</p>" in page.source
    assert "<p>pass rate 94.0%, 95 % interval 83-98%</p>" in page.source
    assert "<p>failures: schema 3</p>" in page.source


def test_a_model_of_which_nothing_ran_has_a_page_that_says_so(config: pytest.Config) -> None:
    page = _written(config, not_run=3)
    assert page.rows == []
    assert "+ 3 not run</p>" in page.source
    assert "pass rate" not in page.source


@pytest.mark.parametrize(
    ("cases", "rows", "passed_replies", "line"),
    [
        (MOST_REPLIES, MOST_REPLIES, MOST_REPLIES - 2, None),
        (MOST_REPLIES + 1, MOST_REPLIES + 1, 0, "201 cases: only those that did not pass show their reply"),
        (MOST_ROWS, MOST_ROWS, 0, "1000 cases: only those that did not pass show their reply"),
        (MOST_ROWS + 2, 2, 0, "1002 cases: only those that did not pass have a row, and no more than 1000 of them"),
    ],
)
def test_large_runs_show_less_of_what_passed_and_say_so(
    config: pytest.Config, cases: int, rows: int, passed_replies: int, line: str | None
) -> None:
    outcomes = ["failed", *["passed"] * (cases - 2), "error"]
    given = [(_report(f"t[{n}]"), _row(str(n), outcome)) for n, outcome in enumerate(outcomes)]
    page = _written(config, *given)
    assert len(page.rows) == rows
    replies = [row["result"] for row in page.rows if "the reply" in row["log"]]
    assert sorted(replies) == ["Error", "Failed", *["Passed"] * passed_replies]
    assert re.findall(r"<p>(\d+ cases: [^(]*) \(", page.source) == ([line] if line else [])


def test_of_many_failures_a_thousand_have_a_row_and_all_are_counted(config: pytest.Config) -> None:
    failures = [(_report(f"t[{n}]", "failed"), _row(str(n), "failed")) for n in range(MOST_ROWS + 3)]
    page = _written(config, *failures, failures[0], failed=MOST_ROWS + 3)
    assert len(page.rows) == MOST_ROWS
    assert "<p>1003 cases: only those that did not pass have a row" in page.source


def test_the_last_word_on_a_case_counts_and_keeps_its_traceback(config: pytest.Config) -> None:
    page = _written(
        config,
        (_report("t[a]", "failed", "worker 'gw0' crashed", "???"), _row("crashed", "error")),
        (_report("t[b]"), _row("b")),
        (_report("t[a]", "failed", "E   boom"), _row("again", "failed")),
        (pytest.TestReport("t[a]", ("x", 1, "x"), {}, "passed", None, "teardown"), _row("again", "failed")),
    )
    assert page.column("testId") == ["again", "b"]
    assert page.column("result") == ["Failed", "Passed"]
    assert "E   boom" in page.rows[0]["log"]


def test_a_crashed_workers_case_has_a_row(config: pytest.Config) -> None:
    crash = _report("t[a]", "failed", "worker 'gw0' crashed while running 't[a]'", "???")
    page = _written(config, (crash, _row(outcome="error", category="eval_code", reply=None)), error=1)
    assert page.column("result") == ["Error"]
    assert "worker &#x27;gw0&#x27; crashed" in page.rows[0]["log"]


def test_a_long_reply_is_cut_and_says_how_much_is_missing(config: pytest.Config) -> None:
    row = _row(outcome="failed", reply="x" * 10_000_000)
    page = _written(config, (_report("t[a]", "failed"), row), failed=1)
    assert "… 9,980,000 more characters in the run&#x27;s journal" in page.rows[0]["log"]
    assert len(page.source) < 100_000


def test_the_texts_of_a_page_have_a_budget_that_dropped_replies_do_not_use_up(
    config: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plotbot.plugin.pytest_html._PAGE", 400 * MOST_REPLIES)
    passed = [(_report(f"t[{n}]"), _row(reply="x" * 300)) for n in range(900)]
    failed = [(_report(f"f[{n}]"), _row(outcome="failed", reply="z" * 60_000)) for n in range(6)]
    page = _written(config, *passed, *failed)
    sizes = [row["log"].count("z") for row in page.rows if row["result"] == "Failed"]
    assert sizes == [20_000] * 4 + [500] * 2


def test_numbers_sort_as_numbers_although_the_page_compares_text(config: pytest.Config) -> None:
    seconds = [0.5, 2.0, 10.0, 99.0, 1234.0]
    page = _written(
        config, *((_report(f"t[{s}]"), _row(seconds=s, tokens_per_second=s, attempts=int(s))) for s in seconds)
    )
    for name in ("seconds", "speed", "attempts"):
        cells = [row[name] for row in page.rows]
        assert cells == sorted(cells)
        assert len(set(cells)) == len(seconds)


def test_a_folder_is_not_expanded(config: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLOTBOT_X", "elsewhere")
    folder = config.rootpath / "$PLOTBOT_X" / "~"
    assert list(HtmlPages(config, folder).finish([_metrics()], {})) == [folder / "m.html"]
    assert (folder / "m.html").is_file()
