"""The table of replies: the category of each, and whether its answer can be recovered."""

import json
from typing import Any

import pytest

from plotbot.categories import FAILURE_CATEGORIES, OK
from plotbot.judge import Schema, judge, validate_entry
from plotbot.records import Finding, Reply, Title, Verdict

ENTRY: dict[str, Any] = {
    "title": "Man's goose wins seat on town council",
    "core_event": "A goose is elected and refuses to leave the chamber.",
    "themes": ["power", "absurdity"],
    "tone": "wry",
    "conflict_type": "person vs society",
    "stakes": "the town's good name",
    "setting_hint": "a small fenland town",
    "characters": ["Mabel, the goose", "the mayor"],
    "potential_story_hooks": ["Who voted for the goose?", "What does the goose want?"],
}


def changed(**fields: Any) -> str:
    return json.dumps([{**ENTRY, **fields}], ensure_ascii=False)


GOOD = json.dumps([ENTRY])
OBJECT = json.dumps(ENTRY)
THREE_ENTRIES = json.dumps([ENTRY] * 3)
PYTHON = str([ENTRY])
HALF = GOOD[: len(GOOD) // 2]
LONE = chr(0xD83D)
STRAY_QUOTE = GOOD.replace("wry", 'so "wry"')

Row = tuple[str, Reply, str, bool]


def text(name: str, content: str, category: str, *, recoverable: bool = False) -> Row:
    return name, Reply(content, finish_reason="stop"), category, recoverable


ROWS: list[Row] = [
    text("plain", GOOD, "ok"),
    text("pretty printed", json.dumps([ENTRY], indent=2), "ok"),
    text("three entries", THREE_ENTRIES, "ok"),
    text("white space around", f"\n\n \t{GOOD}\r\n", "ok"),
    text("no finish reason", GOOD, "ok"),
    text("a fence inside a string", changed(tone="as in ```json\n[1]\n``` code"), "ok"),
    text("tildes inside a string", changed(stakes="~~~\nall of it\n~~~"), "ok"),
    text("a thinking mark inside a string", changed(tone="a <think>dark</think> one"), "ok"),
    text("a closing mark inside a string", changed(stakes="</think> is on the door"), "ok"),
    text("brackets inside a string", changed(tone='dry [sic] {"a": '), "ok"),
    text("an escaped pair of surrogates", changed(tone="wry EMOJI").replace("EMOJI", "\\ud83d\\ude00"), "ok"),
    text("an escaped backslash before ud800", changed(tone="the \\ud800 affair"), "ok"),
    text("an escaped NUL", changed(tone="wr\x00y"), "ok"),
    text("straight quotes for curly ones", changed(title="Man's goose wins seat on town council"), "ok"),
    text("the word NaN in a string", changed(tone="NaN, Infinity, 1e999"), "ok"),
    ("cut in a string", Reply(HALF, finish_reason="length"), "truncated", False),
    ("cut but whole", Reply(GOOD, finish_reason="length"), "truncated", True),
    ("cut, whole, then white space", Reply(GOOD + "\n" * 40, finish_reason="length"), "truncated", True),
    ("cut with a whole object", Reply(OBJECT, finish_reason="length"), "truncated", False),
    ("cut after the first entry", Reply(f"[{OBJECT}, ", finish_reason="length"), "truncated", False),
    ("cut in a fence", Reply(f"```json\n{HALF}", finish_reason="length"), "truncated", False),
    ("cut before any text", Reply("", reasoning=f"hm {GOOD}", finish_reason="length"), "truncated", False),
    ("nothing", Reply("", finish_reason="stop"), "empty", False),
    ("white space only", Reply(" \n\t \r\n", finish_reason="stop"), "empty", False),
    ("a byte order mark only", Reply("\ufeff", finish_reason="stop"), "empty", False),
    ("reasoning without JSON", Reply("", reasoning="The goose [1] {maybe}.", finish_reason="stop"), "empty", False),
    ("JSON as reasoning", Reply("", reasoning=GOOD, finish_reason="stop"), "json_in_reasoning", True),
    ("JSON after reasoning", Reply("\n", reasoning=f"Let me see.\n{GOOD}"), "json_in_reasoning", True),
    ("drafts in reasoning", Reply("", reasoning=f'{{"a": 1}} no: {GOOD}'), "json_in_reasoning", True),
    ("wrong JSON as reasoning", Reply("", reasoning='{"vendor": "TEST CAFE"}'), "json_in_reasoning", False),
    ("broken JSON as reasoning", Reply("", reasoning=PYTHON), "json_in_reasoning", False),
    ("reasoning beside a good answer", Reply(GOOD, reasoning=f"hm {GOOD}", finish_reason="stop"), "ok", False),
    text("thinking first", f"<think>\nA goose.\n</think>\n\n{GOOD}", "thinking_leak", recoverable=True),
    text("empty thinking", f"<think></think>{GOOD}", "thinking_leak", recoverable=True),
    text("thinking never closed", f"<think>A goose. {GOOD}", "thinking_leak"),
    text("thinking only", "<think>I had better not.</think>", "thinking_leak"),
    text("thinking never opened", f"A goose.\n</think>\n{GOOD}", "thinking_leak", recoverable=True),
    text("a broken draft, then a closing mark", f'So [{{"a": ...\n</think>\n{GOOD}', "thinking_leak", recoverable=True),
    text("a valid draft in thinking", f"<think>{GOOD}</think>[]", "thinking_leak"),
    text("thinking with a fence after", f"<think>x</think>\n```json\n{GOOD}\n```", "thinking_leak", recoverable=True),
    text("thinking after the answer", f"{GOOD}\n<think>Was that right?", "thinking_leak", recoverable=True),
    text("two thoughts", f"<think>a</think><think>{{}}</think>{GOOD}", "thinking_leak", recoverable=True),
    text("a thought in a thought", f"<think>a<think>b</think>{GOOD}", "thinking_leak", recoverable=True),
    text("thinking in capitals", f"<THINKING>x</THINKING>{GOOD}", "thinking_leak", recoverable=True),
    text("Magistral", f"[THINK]A goose.[/THINK]{GOOD}", "thinking_leak", recoverable=True),
    text("a valid draft, then a closing mark", f"So {GOOD}, no.</think>[]", "thinking_leak"),
    text("a closing mark too many", f"So {GOOD} <think>a</think> b</think>[]", "thinking_leak"),
    text("Magistral, never closed", f"[THINK]A goose. {GOOD}", "thinking_leak"),
    text("Magistral, nothing else", "[THINK]", "thinking_leak"),
    text("Kimi", f"◁think▷A goose.◁/think▷{GOOD}", "thinking_leak", recoverable=True),
    text("Gemma", f"<|channel>thought\nA goose.<channel|>{GOOD}", "thinking_leak", recoverable=True),
    text(
        "gpt-oss",
        f"<|channel|>analysis<|message|>A goose.<|end|><|start|>assistant<|channel|>final<|message|>{GOOD}",
        "thinking_leak",
        recoverable=True,
    ),
    text("a json fence", f"```json\n{GOOD}\n```", "fenced", recoverable=True),
    text("a JSON5 fence", f"```JSON5\n{GOOD}\n```\n", "fenced", recoverable=True),
    text("a bare fence", f"```\n{GOOD}\n```", "fenced", recoverable=True),
    text("a tilde fence", f"~~~\n{GOOD}\n~~~", "fenced", recoverable=True),
    text("a fence of four", f"````json\n{GOOD}\n````", "fenced", recoverable=True),
    text("a fence on one line", f"```json {GOOD} ```", "fenced", recoverable=True),
    text("a fence never closed", f"```json\n{GOOD}", "fenced", recoverable=True),
    text("a fence never opened", f"{GOOD}\n```", "fenced", recoverable=True),
    text("prose around a fence", f"Here you are:\n\n```json\n{GOOD}\n```\nEnjoy!", "fenced", recoverable=True),
    text("a sketch before a fence", f'As {{"a": 1}}:\n```\n{GOOD}\n```', "fenced", recoverable=True),
    text("a fence with Windows lines", f"```json\r\n{GOOD}\r\n```\r\n", "fenced", recoverable=True),
    text("a fence around a fence in a string", f"```\n{changed(tone='a ``` b')}\n```", "fenced", recoverable=True),
    text("a fence around what breaks the schema", "```json\n[]\n```", "fenced"),
    text("a fence around an object", f"```json\n{OBJECT}\n```", "fenced"),
    text("a fence around broken JSON", f"```json\n{PYTHON}\n```", "fenced"),
    text("a fence around a number", "```\n42\n```", "fenced"),
    text("prose before", f"Sure! {GOOD}", "prose_around", recoverable=True),
    text("prose after", f"{GOOD}\n\nHope this helps!", "prose_around", recoverable=True),
    text("prose with brackets before", f"As asked [1], for {{title}} [sic]: {GOOD}", "prose_around", recoverable=True),
    text("a fence of code after", f"Sure: {GOOD}\n```python\nrun()\n```", "prose_around", recoverable=True),
    text("prose, and a mark in a string", f"Sure: {changed(tone='a <think> one')}", "prose_around", recoverable=True),
    text("brackets first", f"[sic] A goose: {GOOD}", "prose_around", recoverable=True),
    text("a footnote first", f"[1] A goose: {GOOD}", "prose_around", recoverable=True),
    text("a sketch before", f'In the form {{"title": …}}:\n{GOOD}', "prose_around", recoverable=True),
    text("the label of a fence", f"json\n{GOOD}", "prose_around", recoverable=True),
    text("inline code", f"`{GOOD}`", "prose_around", recoverable=True),
    text("a comment before", f"// a seed\n{GOOD}", "prose_around", recoverable=True),
    text("the answer twice", GOOD + GOOD, "prose_around", recoverable=True),
    text("an empty array first", f"[]\n{GOOD}", "prose_around", recoverable=True),
    text("two objects", f"{OBJECT}\n{OBJECT}", "prose_around"),
    text("prose around broken JSON", f"Sure: {PYTHON}", "prose_around"),
    text("prose around an unfinished array", f"Sure: [{OBJECT}, ", "prose_around"),
    text("prose with a surrogate before", f"{LONE} {GOOD}", "prose_around", recoverable=True),
    text("a terminal's end mark", f"{GOOD}<|im_end|>", "prose_around", recoverable=True),
    text("a refusal", "I cannot help with that.", "not_json"),
    text("prose with brackets", "A goose [1] {title} [sic] and `code`.", "not_json"),
    text("a bare word of Python", "None", "not_json"),
    text("a quotation", '"Man bites dog" is a fine headline.', "not_json"),
    text("a list in Markdown", "- title: goose\n- tone: wry", "not_json"),
    text("YAML", "title: goose\ntone: wry\n", "not_json"),
    text("XML", "<story><title>goose</title></story>", "not_json"),
    text("code in a fence", "```python\nprint('goose')\n```", "not_json"),
    text("an empty fence", "```json\n```", "not_json"),
    text("surrogates only", LONE * 5, "not_json"),
    text("NULs between letters", "a\x00b\x1b[2J", "not_json"),
    text("a million backticks", "`" * 1_000_000, "not_json"),
    text("a word after a megabyte of blanks", " " * 1_000_001 + "x", "not_json"),
    text("an answer after a megabyte of blanks", "\n" * 1_000_001 + GOOD, "bad_json", recoverable=False),
    text("an answer before a megabyte of letters", GOOD + "a" * 1_000_001, "prose_around", recoverable=True),
    text("ten million letters", "a" * 10_000_000, "not_json"),
    text("cut without saying so", HALF, "bad_json"),
    text("an opening bracket", "[", "bad_json"),
    text("single quotes", "[{'title': 'goose'}]", "bad_json"),
    text("Python's constants", "[{'a': None, 'b': True}]", "bad_json"),
    text("unquoted keys", '{title: "goose"}', "bad_json"),
    text("unquoted items", "[goose, duck]", "bad_json"),
    text("a trailing comma", GOOD[:-1] + ",]", "bad_json"),
    text("a comment inside", GOOD[:-1] + " // done\n]", "bad_json"),
    text("an unescaped quote", STRAY_QUOTE, "bad_json"),
    text("a bracket too many", GOOD + "]", "bad_json"),
    text("an ellipsis for entries", GOOD[:-1] + ", ...]", "bad_json"),
    text("two bracketed words", "[goose] [duck]", "not_json"),
    text("broken, then good", f"{PYTHON}\n{GOOD}", "bad_json"),
    text("NaN", '[{"a": NaN}]', "bad_json"),
    text("minus Infinity", "[-Infinity]", "bad_json"),
    text("a bare NaN", "NaN", "bad_json"),
    text("1e999", "[1e999]", "bad_json"),
    text("-1e999 alone", "-1e999", "bad_json"),
    text("a number of 5,000 digits", "1" * 5_000, "bad_json"),
    text("an exponent of 5,000 digits", f"[1e{'9' * 5_000}]", "bad_json"),
    text("a leading zero", "[01]", "bad_json"),
    text("a plus sign", "[+1]", "bad_json"),
    text("a repeated key", changed(tone="wry").replace('"tone"', '"title"'), "bad_json"),
    text("a repeated key far inside", '[{"a": [[{"b": {"c": 1, "c": 2}}]]}]', "bad_json"),
    text("a repeated key in escapes", '[{"a": 1, "\\u0061": 2}]', "bad_json"),
    text("a lone surrogate as escape", changed(tone="wry X").replace("X", "\\ud800"), "bad_json"),
    text("a lone surrogate as escape in a key", '[{"\\udfff": 1}]', "bad_json"),
    text("surrogates in the wrong order", '["\\ude00\\ud83d"]', "bad_json"),
    text("a raw lone surrogate", changed(tone=f"wry {LONE}"), "bad_json"),
    text("a raw NUL in a string", GOOD.replace("wry", "w\x00y"), "bad_json"),
    text("a raw line break in a string", GOOD.replace("wry", "w\ny"), "bad_json"),
    text("a NUL after it", GOOD + "\x00", "bad_json", recoverable=True),
    text("a byte order mark", "\ufeff" + GOOD, "bad_json", recoverable=True),
    text("a no-break space", "\xa0" + GOOD, "bad_json", recoverable=True),
    text("a byte order mark and a fence", f"\ufeff```\n{GOOD}\n```", "fenced", recoverable=True),
    text("a bad escape", '["\\x41"]', "bad_json"),
    text("100,000 brackets", "[" * 100_000, "bad_json"),
    text("100,000 brackets, closed", "[" * 100_000 + "]" * 100_000, "bad_json"),
    text("100,000 objects", '{"a":' * 100_000, "bad_json"),
    text("65 levels", "[" * 65 + "]" * 65, "bad_json"),
    text("64 levels", "[" * 64 + "]" * 64, "schema"),
    text("ten million characters", f'["{"a" * 10_000_000}"]', "bad_json"),
    text("a bare object", OBJECT, "wrong_shape", recoverable=True),
    text("a bare object that lacks fields", '{"title": "goose"}', "wrong_shape"),
    text("a bare object about another title", OBJECT.replace("goose", "duck"), "wrong_shape"),
    text("a wrapping object", f'{{"stories": {GOOD}}}', "wrong_shape"),
    text("an empty object", "{}", "wrong_shape"),
    text("null", "null", "wrong_shape"),
    text("true", " true ", "wrong_shape"),
    text("a string", '"goose"', "wrong_shape"),
    text("the answer in a string", json.dumps(GOOD), "wrong_shape"),
    text("minus zero", "-0", "wrong_shape"),
    text("a huge number", "9" * 300, "wrong_shape"),
    text("an empty array", "[]", "schema"),
    text("an array of arrays", f"[{GOOD}]", "schema"),
    text("an array of numbers", "[1, -0, 1e300]", "schema"),
    text("an array of null", "[null]", "schema"),
    text("four entries", json.dumps([ENTRY] * 4), "schema"),
    text("a missing field", json.dumps([{k: v for k, v in ENTRY.items() if k != "tone"}]), "schema"),
    text("a field too many", changed(mood="wry"), "schema"),
    text("a string for a list", changed(themes="power"), "schema"),
    text("another conflict", changed(conflict_type="goose vs council"), "schema"),
    text("a second entry that lacks all", f"[{OBJECT}, {{}}]", "schema"),
    text("another title", changed(title="Duck wins seat"), "content"),
    text("a title in other case", changed(title="man's goose wins seat on town council"), "content"),
    text("51 words", changed(core_event=" ".join(["goose"] * 51)), "content"),
    text("a placeholder", changed(tone="..."), "content"),
    text("the schema's own words", changed(setting_hint="Where and when."), "content"),
    text("a repeated hook", changed(potential_story_hooks=["Who paid for it?", "who paid for it?"]), "content"),
]


@pytest.fixture
def verdict_on(schema: Schema, title: Title) -> Any:
    return lambda reply, *tolerate: judge(reply, schema, title, check=validate_entry, tolerate=tolerate)


def test_the_table_has_every_category_that_judging_can_give() -> None:
    assert {category for _, _, category, _ in ROWS} == {OK, *FAILURE_CATEGORIES} - {"assertion"}


@pytest.mark.parametrize(("answer", "category", "recoverable"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_reply_gets_the_category_and_the_recovery_of_the_table(
    verdict_on: Any, answer: Reply, category: str, recoverable: bool
) -> None:
    verdict: Verdict = verdict_on(answer)
    assert (verdict.category, verdict.recoverable) == (category, recoverable)
    assert (verdict.value is not None) == (recoverable or category == OK)
    assert verdict.ok == (category == OK)


@pytest.mark.parametrize("row", [row for row in ROWS if row[3]], ids=lambda row: row[0])
def test_a_recovered_answer_passes_where_its_category_is_tolerated_and_keeps_the_category(
    verdict_on: Any, row: Row
) -> None:
    _, reply, category, _ = row
    verdict: Verdict = verdict_on(reply, category)
    assert verdict.ok
    assert verdict.tolerated
    assert verdict.category == category
    assert [entry["stakes"] for entry in verdict.value] == [ENTRY["stakes"]]


def test_what_cannot_be_recovered_is_not_tolerated(verdict_on: Any) -> None:
    verdict = verdict_on(Reply("```json\n[]\n```"), "fenced")
    assert (verdict.category, verdict.ok, verdict.value) == ("fenced", False, None)
    assert verdict.violations[0].keyword == "minItems"


def test_of_several_values_the_first_that_passes_is_taken(verdict_on: Any) -> None:
    later = changed(tone="later")
    assert verdict_on(Reply(f"[] or {GOOD} or {later}")).value[0]["tone"] == "wry"


def test_of_several_values_in_the_reasoning_the_last_that_passes_is_taken(verdict_on: Any) -> None:
    later = changed(tone="later")
    assert verdict_on(Reply("", reasoning=f"{GOOD} or {later} or []")).value[0]["tone"] == "later"


def test_where_no_value_passes_the_violations_are_those_of_the_first(verdict_on: Any) -> None:
    assert verdict_on(Reply("[] or [null]")).violations[0].keyword == "minItems"


def test_tolerating_one_category_does_not_tolerate_another(verdict_on: Any) -> None:
    assert not verdict_on(Reply(f"Sure! {GOOD}"), "fenced").ok


def test_the_value_of_a_good_reply_is_the_whole_array(verdict_on: Any) -> None:
    assert verdict_on(Reply(THREE_ENTRIES)).value == [ENTRY] * 3


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("\n I will not.", "offset 2 (line 2, column 2)"),
        ('[\n  {"a": NaN}]', "offset 10 (line 2, column 9)"),
        ('["NaN", 1e99, 1e999]', "offset 14 (line 1, column 15)"),
        ('[{"a": 1,\n"b": 2, "a": 3}]', "offset 18 (line 2, column 9)"),
        ('["\\\\ud800 \\ud800"]', "offset 10 (line 1, column 11)"),
        ("[" * 100, "offset 64 (line 1, column 65)"),
        ("Look:\n```json\n[]\n```", "offset 6 (line 2, column 1)"),
        ("[]\n and so on", "offset 4 (line 2, column 2)"),
        ("Hm.</think>[]", "offset 3 (line 1, column 4)"),
        ("[{'a': 1}] and more", "offset 2 (line 1, column 3)"),
        ('[{"a": 1}', "offset 9 (line 1, column 10)"),
        ("[]\x00", "offset 2 (line 1, column 3)"),
        ("[1]", "$[0]"),
        ("{}", "$"),
    ],
)
def test_the_verdict_says_where(verdict_on: Any, content: str, where: str) -> None:
    assert verdict_on(Reply(content)).where == where


def test_a_thousand_violations_are_counted_and_twenty_listed(verdict_on: Any) -> None:
    verdict = verdict_on(Reply(f"[{', '.join(['{}'] * 50_000)}]"))
    assert len(verdict.violations) == 20
    assert verdict.came == "1,000 or more violations, the first 20 of them listed"


def test_json_in_the_reasoning_gets_advice(verdict_on: Any) -> None:
    came = verdict_on(Reply("", reasoning=GOOD)).came
    assert "separate reasoning_content and content in API responses" in came
    assert "REASONING_EFFORT=none" in came


def test_findings_have_the_path_of_their_entry(verdict_on: Any) -> None:
    second = {**ENTRY, "potential_story_hooks": ["What now, council?", "Who fed the goose?", "what now,  council"]}
    verdict = verdict_on(Reply(json.dumps([ENTRY, second])))
    assert [finding.path for finding in verdict.findings] == ["$[1].potential_story_hooks[2]"]
    assert verdict.where == "$[1].potential_story_hooks[2]"


@pytest.mark.parametrize(
    ("content", "loops"),
    [
        ('[{"title": "' + "the goose said " * 40, True),
        ('[{"title": "' + "ab" * 60, True),
        ('[{"title": "' + " ".join(f"{number} geese are elected." for number in range(40)) * 5, True),
        ('[{"title": "' + "x" * 300 + "y", False),
        ('[{"title": "' + " ".join(map(str, range(300))), False),
        ("", False),
    ],
)
def test_a_reply_that_was_cut_off_while_it_repeated_itself_says_so(content: str, loops: bool, schema: Schema) -> None:
    came = judge(Reply(content, finish_reason="length"), schema).came
    assert ("it says the same again and again" in came) == loops


def test_a_finding_names_all_paths_from_the_root(schema: Schema) -> None:
    def check(_entry: object, _title: str) -> list[Finding]:
        return [Finding("$.b", "repeated", 'the same as $.a[0] and $["c"]: costs 5$.x, “ $.quoted”')]

    finding = judge(Reply(GOOD), schema, check=check).findings[0]
    assert finding.path == "$[0].b"
    assert finding.message == 'the same as $[0].a[0] and $[0]["c"]: costs 5$.x, “ $.quoted”'
