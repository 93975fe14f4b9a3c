"""Hostile replies and titles: a run gives each its category and shows it harmlessly everywhere."""

from __future__ import annotations

import html
import json
import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plotbot.keep.journal_reading import read_journal
from plotbot.mock import MockServer, ModelSpec, Rule
from plotbot.records import Exchange

SCHEMA = Path(__file__).parents[2] / "data" / "story_seed.schema.json"
ENTRY: dict[str, Any] = {
    "title": "HEADLINE",
    "core_event": "A goose is elected and refuses to leave the chamber.",
    "themes": ["power", "absurdity"],
    "tone": "wry",
    "conflict_type": "person vs society",
    "stakes": "the town's good name",
    "setting_hint": "a small fenland town",
    "characters": ["Mabel, the goose", "the mayor"],
    "potential_story_hooks": ["Who voted for the goose?", "What does the goose want?"],
}
PLACEHOLDER = json.loads(SCHEMA.read_bytes())["items"]["properties"]["tone"]["description"]
GOOD = json.dumps([ENTRY])
BARE = json.dumps(ENTRY)
LONE = "\ud83d"
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def changed(**fields: Any) -> str:
    return json.dumps([{**ENTRY, **fields}], ensure_ascii=False)


def said(content: str, **how: Any) -> dict[str, Any]:
    return {"reply": content, **how}


# The category and the reply that gets it. HEADLINE stands for the case's own headline.
HOSTILE: list[tuple[str, dict[str, Any]]] = [
    ("ok", said(GOOD)),
    ("ok", said(f"\r\n\t {GOOD}\n\n")),
    ("ok", said(changed(tone="wr\x00y \x1b[2J\u202e"))),
    ("ok", said(changed(stakes=SCRIPT))),
    ("ok", said(changed(stakes="NaN, Infinity and ```json"))),
    ("fenced", said(f"```json\n{GOOD}\n```")),
    ("fenced", said(f"```\n{GOOD}")),
    ("fenced", said(f"~~~\n{GOOD}\n~~~")),
    ("prose_around", said(f"Sure! Here is the JSON:\n{GOOD}\nHope it helps!")),
    ("prose_around", said(f"{SCRIPT}{GOOD}")),
    ("prose_around", said(f"\x1b]0;pwned\x07{GOOD}")),
    ("thinking_leak", said(f"<think>\nhm\n</think>\n{GOOD}")),
    ("thinking_leak", said(f"hm\n</think>{GOOD}")),
    ("thinking_leak", said("<think>never closed " + GOOD)),
    ("thinking_leak", said(f"[THINK]hm[/THINK]{GOOD}")),
    ("json_in_reasoning", said("", reasoning=GOOD)),
    ("truncated", said(GOOD[:200], finish_reason="length")),
    ("truncated", said(GOOD, finish_reason="length")),
    ("truncated", said("", reasoning="hm " * 1000, finish_reason="length")),
    ("empty", said("")),
    ("empty", said(" \n\t\r\n")),
    ("empty", said("\ufeff")),
    ("empty", said("", reasoning="I had rather not.")),
    ("not_json", said("I am sorry, but as a language model I have no goose.")),
    ("not_json", said("\x1b[31mred\x1b[0m \u202eevil\u202c \x9b2J \x07")),
    ("not_json", said(SCRIPT)),
    ("not_json", said(f"half a pair: {LONE}")),
    ("empty", said("\x00" * 50)),
    ("not_json", said("]]>--><![CDATA[ &amp; %s {0} {{x}} $HOME `id`")),
    ("bad_json", said(changed(tone=float("nan")))),
    ("bad_json", said(changed(tone=float("-inf")))),
    ("bad_json", said(GOOD.replace('"wry"', "1e999"))),
    ("bad_json", said(GOOD.replace('"tone"', '"title": "x", "tone"'))),
    ("bad_json", said(GOOD.replace("wry", "\\ud83d"))),
    ("bad_json", said(GOOD.replace("wry", LONE))),
    ("bad_json", said("[" * 100_000)),
    ("bad_json", said("[" * 100_000 + "]" * 100_000)),
    ("bad_json", said('{"a":' * 100_000 + "1" + "}" * 100_000)),
    ("bad_json", said(GOOD.replace('"wry"', "9" * 5_000))),
    ("bad_json", said(GOOD.replace('"wry"', "-1e" + "9" * 5_000))),
    ("bad_json", said(GOOD.replace('"wry"', "'wry'"))),
    ("bad_json", said(GOOD[:-2] + ",]")),
    ("bad_json", said(GOOD[:-2])),
    ("bad_json", said(GOOD.replace("wry", "wr\ny").replace("\\n", "\n"))),
    ("wrong_shape", said(BARE)),
    ("wrong_shape", said('"just a text"')),
    ("wrong_shape", said("null")),
    ("wrong_shape", said("42")),
    ("schema", said("[]")),
    ("schema", said("[[]]")),
    ("schema", said("[null, 1, true]")),
    ("schema", said(changed(themes="power"))),
    ("schema", said(changed(tone="x" * 500_000))),
    ("bad_json", said(changed(tone="x" * 3_000_000))),
    ("schema", said(json.dumps([{**ENTRY, SCRIPT: 1, "\x1b[31m": 2}]))),
    ("content", said(changed(title="Quite another headline"))),
    ("content", said(changed(core_event="word " * 60))),
    ("schema", said(changed(potential_story_hooks=["The same?", "The same?"]))),
    ("content", said(changed(tone=PLACEHOLDER))),
    ("too_large", said("x" * 10_000_000)),
    ("protocol", {"status": 200, "body": "\x1b[2J<script>alert(1)</script>"}),
    ("http_error", {"status": 500, "body": SCRIPT + "\x1b[31m\u202e"}),
    ("protocol", {"status": 200, "shape": "not_utf8", "body": '{"choices": [{"message": {"content": "x"}}]}'}),
]  # fmt: skip

# Ids and headlines that try to escape: paths, device names, markup, control characters.
TITLES = [
    ("../../escaped", f"H00 {SCRIPT}"),
    ("CON", 'H01 "quotes" and {braces} and %s'),
    ("a/b", "H02 \u202egnirts"),
    ("A", "H03 with \x1b[31m an escape"),
    ("a", "H04 👻 ghost"),
    ("x" * 300, "H05 " + "long " * 500),
]
TITLES += [(f"h{number:02}", f"H{number:02} a goose") for number in range(len(TITLES), len(HOSTILE))]
HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def rule(number: int, how: dict[str, Any]) -> Rule:
    headline = json.dumps(TITLES[number][1])[1:-1]
    reply = how.get("reply")
    answer = {**how, "reply": reply.replace("HEADLINE", headline)} if reply and len(reply) < 1_000_000 else how
    return Rule(headline=f"^H{number:02} ", **answer)


@pytest.fixture(scope="module", params=[(), ("-n", "2")], ids=["in one process", "in two workers"])
def run(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    make_project: Callable[[Path], Path],
    start_mock: Callable[..., MockServer],
    run_pytest: Callable[..., subprocess.CompletedProcess[str]],
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A run over all hostile replies and titles, and its folder."""
    project = make_project(tmp_path_factory.mktemp("hostile") / "project")
    index = {title_id: {"title": text} for title_id, text in TITLES}
    (project / "data" / "titles_index.json").write_text(json.dumps(index), encoding="ascii")
    server = start_mock(
        models=(ModelSpec("mock-model", context=100_000_000),),
        rules=tuple(rule(number, how) for number, (_, how) in enumerate(HOSTILE)),
    )
    given = (
        "--test-sample-size=0",
        "--max-tokens=10000000",
        "--request-retry-limit=0",
        "--show-replies",
        "--junitxml=junit.xml",
    )
    return project, run_pytest(project, "evals", "--lm-studio-url", server.url, *given, *request.param)


@pytest.fixture
def project(run: tuple[Path, subprocess.CompletedProcess[str]]) -> Path:
    return run[0]


def newest_run(project: Path) -> Path:
    return max((project / "data" / "runs").iterdir())


def test_every_reply_gets_its_category_and_none_stops_the_run(
    run: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    project, done = run
    lines = read_journal(newest_run(project) / "journal.jsonl").lines
    plan = json.loads((newest_run(project) / "plan.json").read_bytes())
    titles = {case["id"]: case["title"]["text"] for case in plan["cases"]}
    told = {titles[line.data["case"]][:3]: line.data["category"] for line in lines if line.kind == "verdict"}
    assert told == {f"H{number:02}": category for number, (category, _) in enumerate(HOSTILE)}
    assert done.returncode == 10, done.stdout[-3000:] + done.stderr
    assert "INTERNALERROR" not in done.stdout
    total = json.loads((newest_run(project) / "summary.json").read_bytes())["total"]
    assert (total["planned"], total["not_run"], total["skipped"]) == (len(HOSTILE), 0, 0)


def test_the_terminal_gets_no_control_characters(
    run: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, done = run
    assert HARMFUL.findall(done.stdout + done.stderr) == []
    assert "\\x1b[31mred" in done.stdout
    assert "\\ud83d" in done.stdout


def test_the_pages_show_hostile_text_as_text(project: Path) -> None:
    page = (project / "reports" / "mock-model.html").read_text(encoding="utf-8")
    blob = re.search(r'data-jsonblob="([^"]*)"', page)
    assert blob is not None
    fragments = list(texts(json.loads(html.unescape(blob[1]))))
    assert any("&lt;script&gt;alert(1)" in fragment for fragment in fragments)
    for fragment in (*fragments, page):
        assert "<script>alert" not in fragment
        assert "<img src=x" not in fragment
        assert HARMFUL.search(fragment) is None


def test_the_comparison_page_holds_no_markup_of_replies(project: Path) -> None:
    page = (project / "reports" / "index.html").read_text(encoding="utf-8")
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert HARMFUL.search(page) is None


def test_the_other_reports_stay_readable(project: Path) -> None:
    ET.parse(project / "junit.xml")
    assert HARMFUL.search((project / "reports" / "summary.md").read_text(encoding="utf-8")) is None


def test_good_answers_are_kept_in_their_folder_and_every_reply_in_the_journal(project: Path) -> None:
    kept = (project / "data" / "generated_data").glob("*.json")
    good = [number for number, (category, _) in enumerate(HOSTILE) if category == "ok"]
    assert {json.loads(path.read_bytes())["title_id"] for path in kept} == {TITLES[number][0] for number in good}
    assert not (project.parent / "escaped.json").exists()
    contents = read_journal(newest_run(project) / "journal.jsonl")
    assert contents.damaged == ()
    exchanges = [Exchange.from_json(line.data) for line in contents.lines if line.kind == "exchange"]
    assert len(exchanges) == len(HOSTILE)
    assert "\x00" * 50 in {exchange.reply.content for exchange in exchanges if exchange.reply}


def texts(value: Any) -> Iterator[str]:
    """Every string in parsed JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
