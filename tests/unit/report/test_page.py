from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from plotbot.measure.gate import GateResult
from plotbot.measure.metrics import ModelMetrics, measure_run
from plotbot.records import Attempt, Case, Exchange, Fault, ItemResult, PlannedItem, Reply, RunRecords, Title, Violation
from plotbot.report.failure_kinds import field_of
from plotbot.report.formatting import Sentence
from plotbot.report.page import PageData, PageRun, page_data, write_page
from plotbot.report.page.conclusions import (
    Contender,
    gate_sentences,
    what_fails_most,
    what_is_missing,
    which_is_best,
)
from plotbot.report.page.payloads import FULL, MOST_WHOLE, SHORT, Chunks, Texts, pieces

MADE_AT = "2026-11-22 16:30 UTC"
HEADLINE = "A goose is elected"
HOSTILE = "<img src=x onerror=alert(1)> </script> ]]> &amp; \u2028\u202e\x1b[2J\x00 \ud800"


def conversation(case: Case) -> Sequence[Mapping[str, str]]:
    return [
        {"role": "system", "content": "Be strict."},
        {"role": "user", "content": f"Headline: {json.dumps(case.title.text)}"},
    ]


def make_case(number: int, model: str = "m", title: str = HEADLINE, response_format: str = "none") -> Case:
    return Case(
        f"case{number}", f"{model}-t{number}-r1", model, Title(f"t{number}", title), "hash", response_format, 1, 7
    )


def make_exchange(case: str, content: str = "[]", **more: Any) -> Exchange:
    attempt = Attempt("2026-11-22T16:04:17+00:00", 1.5, 200, None, "127.0.0.1:1234")
    return Exchange(case, "m", attempt.at, 1.5, (attempt,), Reply(content, completion_tokens=30), **more)


def make_run(
    cases: Sequence[Case],
    results: Mapping[str, tuple[str, str]],
    exchanges: Sequence[Exchange] = (),
    run: str = "run-1",
) -> PageRun:
    """A run with an item for each case, and results as `case id: (outcome, category)`."""
    found = {f"item-{case}": ItemResult(case, f"item-{case}", *told, "why") for case, told in results.items()}
    items = tuple(PlannedItem(f"item-{case.id}", case.id) for case in cases)
    records = RunRecords(run, {"plotbot": "0.1.0"}, {case.id: case for case in cases}, items, {}, found)
    return PageRun(records, measure_run(records), exchanges, conversation)


def unpacked(data: PageData) -> list[Any]:
    """All payloads, in the order of their numbers."""
    return [payload for chunk in data.chunks for payload in json.loads(zlib.decompress(base64.b64decode(chunk)))]


def payload_of(data: PageData, key: str) -> Any:
    entries = data.index["entries"]
    return unpacked(data)[entries["place"][entries["key"].index(key)]]


def told(sentences: Sequence[Sentence]) -> str:
    return " ".join("".join(part if isinstance(part, str) else part["name"] for part in one) for one in sentences)


@pytest.fixture
def simple() -> PageRun:
    cases = [make_case(1), make_case(2)]
    results = {"case1": ("passed", "ok"), "case2": ("failed", "fenced")}
    return make_run(cases, results, [make_exchange("case2", "```[]```"), make_exchange("case1")])


def test_the_same_input_gives_the_same_bytes_but_for_the_stated_time(simple: PageRun) -> None:
    page = write_page([simple], MADE_AT)
    assert page == write_page([simple], MADE_AT)
    assert page.replace(MADE_AT.encode(), b"later") == write_page([simple], "later")


def test_the_policy_allows_the_pages_own_style_and_script_and_nothing_else(simple: PageRun) -> None:
    page = write_page([simple], MADE_AT).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    style, script = (re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[-1] for tag in ("style", "script"))
    assert policy is not None
    allowed = f"script-src {sha256(script)}; style-src {sha256(style)}"
    assert policy[1] == f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def sha256(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_page_names_no_address_outside_itself(simple: PageRun) -> None:
    page = write_page([simple], MADE_AT).decode()
    assert set(re.findall(r"https?://[^\s\"')]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|Function\(|fetch\(|\bstyle=", page
    )


def test_hostile_text_cannot_leave_its_script_element() -> None:
    case = make_case(1, f"model {HOSTILE}", HOSTILE)
    run = make_run([case], {"case1": ("failed", HOSTILE)}, [make_exchange("case1", HOSTILE)], HOSTILE)
    page = write_page([run], HOSTILE)
    index = re.search(rb'id="index">(.*?)</script>', page, re.DOTALL)
    assert index is not None
    assert index[1].isascii()
    assert not set(b"<>&") & set(index[1])
    assert json.loads(index[1])["titles"] == [["t1", HOSTILE]]
    assert page.count(b"</script>") == 4


def test_a_reply_survives_packing_character_by_character() -> None:
    run = make_run([make_case(1)], {"case1": ("passed", "ok")}, [make_exchange("case1", HOSTILE)])
    payload = payload_of(page_data([run], MADE_AT), "case1")
    assert payload["exchange"]["content"] == {"length": len(HOSTILE), "parts": [[0, HOSTILE]]}


def test_each_entry_finds_its_own_payload_whatever_the_order_of_exchanges(simple: PageRun) -> None:
    data = page_data([simple], MADE_AT)
    assert payload_of(data, "case1")["exchange"]["content"]["parts"] == [[0, "[]"]]
    assert payload_of(data, "case2")["exchange"]["content"]["parts"] == [[0, "```[]```"]]


def test_of_two_exchanges_for_one_case_the_last_counts() -> None:
    asked_twice = [make_exchange("case1", "first"), make_exchange("case1", "second")]
    run = make_run([make_case(1)], {"case1": ("passed", "ok")}, asked_twice)
    assert payload_of(page_data([run], MADE_AT), "case1")["exchange"]["content"]["parts"] == [[0, "second"]]


def test_the_index_and_the_payload_say_which_host_answered() -> None:
    cases = [make_case(number) for number in (1, 2)]
    hosts = {"case1": ("dead:1", "a:1"), "case2": ("b:1",)}
    fault = Fault("unreachable", "gone")
    exchanges = {
        case: replace(
            make_exchange(case),
            attempts=tuple(Attempt("at", 1.0, fault=fault if name == "dead:1" else None, host=name) for name in names),
        )
        for case, names in hosts.items()
    }
    bare = make_run(cases, {"case1": ("passed", "ok"), "case2": ("failed", "schema")}).records
    records = replace(bare, exchanges=exchanges)
    data = page_data([PageRun(records, measure_run(records), exchanges.values(), conversation)], MADE_AT)
    told_hosts = data.index["contenders"][0]["hosts"]
    labels = [label for label, _ in data.index["host_columns"]]
    shown = [(one["host"], dict(zip(labels, one["cells"], strict=True))) for one in told_hosts]
    assert [(host, row["pass rate"], row["answered"], row["failed attempts"]) for host, row in shown] == [
        ("a:1", "100.0%", "1 (50.0%)", []),
        ("b:1", "0.0%", "1 (50.0%)", []),
        ("dead:1", "-", "0 (0.0%)", [("unreachable", 1)]),
    ]
    assert [payload_of(data, case)["exchange"]["host"] for case in hosts] == ["a:1", "b:1"]


def test_a_case_that_was_never_asked_still_has_its_prompt_and_a_place() -> None:
    data = page_data([make_run([make_case(1)], {})], MADE_AT)
    payload = payload_of(data, "case1")
    assert payload["exchange"] is None
    assert [message["role"] for message in payload["messages"]] == ["system", "user"]
    assert data.index["categories"] == [("not_run", "not_run")]
    assert "1 of 1 planned case was not run" in told(data.index["words"]["missing"])


def test_an_item_whose_case_is_lost_stands_under_its_own_name() -> None:
    run = make_run([make_case(1)], {"case1": ("error", "timeout")})
    records = RunRecords("r", {}, {}, run.records.items, {}, run.records.results)
    data = page_data([PageRun(records, measure_run(records), (), conversation)], MADE_AT)
    assert data.index["titles"] == [["", "item-case1"]]
    assert data.index["contenders"][0]["model"] == "(unknown model)"


def test_a_fault_is_shown_with_its_body_and_no_reply() -> None:
    fault = Exchange("case1", "m", "at", 2.0, (), fault=Fault("protocol", "no JSON"), raw=b"\xff<html>")
    data = page_data([make_run([make_case(1)], {"case1": ("error", "protocol")}, [fault])], MADE_AT)
    exchange = payload_of(data, "case1")["exchange"]
    assert exchange["fault"] == ["protocol", "no JSON"]
    assert exchange["raw"] == {"length": 7, "parts": [[0, "\\xff<html>"]], "unit": "bytes"}
    assert exchange["content"] is None
    assert data.index["entries"]["seconds"] == [None]


def test_what_many_messages_share_is_stored_once() -> None:
    cases = [make_case(number, title=f"Title {number}") for number in range(50)]
    data = page_data([make_run(cases, {})], MADE_AT)
    texts = json.loads(zlib.decompress(base64.b64decode(data.texts)))
    assert texts == ["Be strict.", "Headline: "]
    assert payload_of(data, "case7")["messages"][1]["parts"] == [1, '"Title 7"']


def test_two_runs_of_the_same_cases_are_two_columns_with_addresses_of_their_own() -> None:
    runs = [make_run([make_case(1)], {"case1": ("passed", "ok")}, run=name) for name in ("one", "two")]
    index = page_data(runs, MADE_AT).index
    assert index["entries"]["key"] == ["case1", "case1.2"]
    assert index["titles"] == [["t1", HEADLINE]]
    assert [contender["run"] for contender in index["contenders"]] == ["one", "two"]
    assert "m in run one and m in run two share the highest pass rate" in told(index["words"]["best"])
    assert "m in run one (100.0%) and m in run two (100.0%) cannot be told apart: 0.0 points" in told(
        index["words"]["best"]
    )


def test_a_verdicts_offset_is_the_last_that_its_message_names() -> None:
    run = make_run([make_case(1)], {}, [make_exchange("case1", "x" * 30)])
    message = "came “where offset 1 (line 1, column 2)” where offset 12 (line 1, column 13)"
    result = ItemResult("case1", "item-case1", "failed", "not_json", message)
    records = RunRecords("r", {}, run.records.cases, run.records.items, {}, {"item-case1": result})
    data = page_data([PageRun(records, measure_run(records), run.exchanges, conversation)], MADE_AT)
    assert payload_of(data, "case1")["items"]["case1"]["mark"] == 12


@pytest.mark.parametrize(
    ("length", "limit", "mark", "parts"),
    [
        (5, 10, None, [(0, 5)]),
        (50, 10, None, [(0, 10)]),
        (50, 10, 4, [(0, 10)]),
        (500, 40, 300, [(0, 40), (290, 20)]),
        (500, 40, 42, [(0, 40), (40, 20)]),
        (50, 0, 20, []),
    ],
)
def test_a_long_text_keeps_its_beginning_and_what_stands_around_its_mark(
    length: int, limit: int, mark: int | None, parts: list[tuple[int, int]]
) -> None:
    cut = pieces("x" * length, limit, mark)
    assert cut["length"] == length
    assert [(start, len(text)) for start, text in cut["parts"]] == parts


def test_a_page_stays_bounded_whatever_models_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, characters in (("_HEAD_START", 150_000), ("_ROOM", 600_000), ("_END", 850_000)):
        monkeypatch.setattr(f"plotbot.report.page.payloads.{name}", characters)
    monkeypatch.setattr("plotbot.report.page.payloads.MOST_CHARACTERS", 50_000)
    chance = random.Random(1)
    chunks = Chunks(expected=40)
    limits = []
    for _ in range(40):
        limits.append(chunks.limit)
        chunks.add({"text": chance.randbytes(20_000).hex()[: limits[-1] * 4]})
    packed, starts = chunks.finish()
    assert {FULL, SHORT} <= set(limits)
    assert limits[0] == FULL
    assert sum(map(len, packed)) < 1_000_000
    assert starts == sorted(starts)


def test_the_table_of_shared_texts_is_bounded_too() -> None:
    texts = Texts()
    assert texts.share("a" * 1_500_000) == 0
    assert texts.share("b" * 1_500_000) == "b" * SHORT + "…"
    assert texts.share("a" * 1_500_000) == 0


@pytest.mark.parametrize(
    ("path", "keyword", "message", "field"),
    [
        ("$", "minItems", "", "(whole answer)"),
        ("$[0]", "additionalProperties", "", "(entry)"),
        ("$[0]", "required", "'tone' is a required property", "tone"),
        ("$[0].hero", "required", "'name' is a required property", "hero.name"),
        ("$[2].themes[4]", "minLength", "", "themes[]"),
        ("$.tone", "type", "", "tone"),
        ('$[0]["odd key"]', "type", "", '["odd key"]'),
        ("$[0].\x1b[2J", "type", "", "\\x1b[2J"),
    ],
)
def test_a_violation_belongs_to_a_field(path: str, keyword: str, message: str, field: str) -> None:
    assert field_of(Violation(path, keyword, message)) == field


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([("a", 95, 5), ("b", 40, 60)], "a has the highest pass rate, 95.0% (88.8 to 97.9\xa0%)."),
        ([("a", 9, 1), ("b", 9, 1)], "a and b share the highest pass rate, 90.0%"),
        ([("a", 0, 9), ("b", 0, 9)], "No model passed a single answer."),
        ([("a", 9, 1), ("b", 0, 0)], "a passed 9 of 10 rated answers, 90.0%."),
        ([("a", 9, 1), ("b", 0, 0)], "Nothing could be rated of b."),
        ([("a", 0, 0)], "No answer could be rated yet."),
    ],
)  # fmt: skip
def test_the_words_say_which_is_best(
    make_metrics: Callable[..., ModelMetrics], counts: list[tuple[str, int, int]], expected: str
) -> None:
    contenders = [Contender(make_metrics(name, passed=passed, failed=failed)) for name, passed, failed in counts]
    assert expected in told(which_is_best(contenders))


def test_models_rated_on_different_titles_are_compared_with_a_warning(simple: PageRun) -> None:
    cases = [make_case(1, "a"), make_case(2, "a"), make_case(3, "b")]
    results = {"case1": ("passed", "ok"), "case2": ("passed", "ok"), "case3": ("failed", "empty")}
    words = page_data([make_run(cases, results)], MADE_AT).index["words"]
    assert "Their pass rates are of different titles" in told(words["best"])
    assert "of different titles" not in told(page_data([simple], MADE_AT).index["words"]["best"])


def test_the_words_say_what_fails_most_and_what_helps(make_metrics: Callable[..., ModelMetrics]) -> None:
    metrics = [
        make_metrics("a", passed=1, failed=5, failures={"schema": 3, "fenced": 2}),
        make_metrics("b", passed=1, failed=3, error=1, failures={"fenced": 3}, errors={"timeout": 1}),
    ]
    text = told(what_fails_most([Contender(one) for one in metrics], Counter({("tone", "required"): 3})))
    assert text.startswith("fenced: 5 of 8 failed answers. Answers come in a code fence")
    assert "tone breaks required most often: in 3 answers" in text
    assert "timeout: 1 of 1 error." in text


def test_the_words_name_what_a_killed_run_lacks(make_metrics: Callable[..., ModelMetrics]) -> None:
    behind = Contender(make_metrics("b", passed=2, not_run=("x", "y", "z")))
    text = told(what_is_missing([Contender(make_metrics("a", passed=5)), behind], unjudged=2))
    assert text.startswith("3 of 10 planned cases were not run: b 3 of 5. Resume the run")
    assert "2 of them have an answer that no test has judged." in text
    assert what_is_missing([Contender(make_metrics("a", passed=5))]) == []


def test_a_gate_is_told_with_its_reason(make_metrics: Callable[..., ModelMetrics]) -> None:
    gate = GateResult("a", "PASS", "point", 0.9, 0.95, None)
    assert told(gate_sentences([Contender(make_metrics("a", passed=19, failed=1), gate)])).startswith(
        "a: PASS: the pass rate"
    )


def test_a_page_of_very_many_cases_stays_small_and_keeps_failures_before_passes() -> None:
    count = MOST_WHOLE * 3
    cases = [make_case(number) for number in range(count)]
    failed = set(range(0, count, 100))
    results = {
        f"case{number}": ("failed", "schema") if number in failed else ("passed", "ok") for number in range(count)
    }
    chance = random.Random(3)
    exchanges = [make_exchange(f"case{number}", chance.randbytes(500).hex()) for number in range(count)]
    run = make_run(cases, results, exchanges)
    data = page_data([run], MADE_AT)
    entries, held = data.index["entries"], set[int]()
    for number, place in enumerate(entries["place"]):
        if place is not None:
            held.add(number)
    assert failed <= held
    assert max(held) > count * 0.99, "passes from the whole run, not from its beginning alone"
    assert sum(map(len, data.chunks)) < 8_000_000
    left = count - len(held)
    assert f"Those of {left:,} are not (all of them passed)" in data.index["words"]["left_out"]
    assert len(entries["key"]) == count, "every case is in the matrix"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("/home/ada/plots/data/titles.json", "…/data/titles.json"),
        (r"C:\Users\ada\plots\data\titles.json", "…/data/titles.json"),
        (r"\\nas\ada\data\titles.json", "…/data/titles.json"),
        ("~/plots/titles.json", "…/plots/titles.json"),
        ("data/titles.json", "data/titles.json"),
        ("http://127.0.0.1:1234/v1", "http://127.0.0.1:1234/v1"),
        ("/", "/"),
    ],
)
def test_a_page_names_no_folder_of_the_machine(simple: PageRun, value: str, shown: str) -> None:
    header = {"settings": {"TITLES_PATH": value, "MANY": [value]}}
    run = replace(simple, records=replace(simple.records, header=header))
    ((_, fact),) = page_data([run], MADE_AT).index["runs"][0]["facts"]
    assert json.loads(fact) == {"TITLES_PATH": shown, "MANY": [shown]}


def test_an_answer_that_a_later_one_replaced_says_so() -> None:
    cases = [replace(make_case(number), repeat=number, title=Title("t1", HEADLINE)) for number in (1, 2, 3)]
    times = {"case1": "2026-11-22T10:00:02", "case2": "2026-11-22T10:00:01", "case3": "2026-11-22T10:00:03"}
    exchanges = [replace(make_exchange(case), at=at) for case, at in times.items()]
    run = make_run(cases, dict.fromkeys(times, ("passed", "ok")), exchanges)
    kept = {name: replace(result, kept=result.case != "case3") for name, result in run.records.results.items()}
    run = replace(run, records=replace(run.records, results=kept))
    assert page_data([run], MADE_AT).index["entries"]["replaced"] == {1: 0}
