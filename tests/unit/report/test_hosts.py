from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import plotbot.report.summary_json
from plotbot.measure.hosts import FieldByHost, HostMetrics, Hosts
from plotbot.measure.intervals import wilson_interval
from plotbot.measure.metrics import ModelMetrics
from plotbot.measure.speed import Speed
from plotbot.measure.tally import Tally
from plotbot.records import RunRecords
from plotbot.report.formatting import as_text
from plotbot.report.hosts import apart_sentence, aside_sentence, mixed_sentence, short
from plotbot.report.markdown import summary_markdown
from plotbot.report.page.conclusions import Contender, what_is_mixed, which_is_best
from plotbot.report.summary_json import summarise
from plotbot.report.terminal_lines import WIDEST
from plotbot.report.terminal_summary import summary_lines, table_lines

MakeMetrics = Callable[..., ModelMetrics]
MakeRecords = Callable[..., RunRecords]

HOSTILE = "\x1b[2J<img src=x>\u202e|`\ud800\n@all " + "模型" * 40 + "x" * 300
QUANTIZATION = FieldByHost("quantization", {"one:1234": ("Q4_K_M",), "two:1234": ("Q8_0",)})
SLOTS = FieldByHost("slots", {"one:1234": ("4",), "two:1234": ()})


def _host(name: str, passed: int = 0, failed: int = 0, **failures: int) -> HostMetrics:
    rated = passed + failed
    rate = passed / rated if rated else None
    interval = wilson_interval(passed, rated)
    speed = Speed(50.0, "server") if rated else None
    return HostMetrics(
        name, rated, rated / 50, Tally("m", passed, failed), rate, interval, 1.5, 4.25, speed, failures
    )  # fmt: skip


@pytest.fixture
def mixed(make_metrics: MakeMetrics) -> ModelMetrics:
    hosts = (_host("one:1234", 29, 1), _host("two:1234", 10, 10, unreachable=3, timeout=1))
    return make_metrics("qwen/qwen3-4b", passed=39, failed=11, hosts=Hosts(hosts, (QUANTIZATION,), (SLOTS,)))


@pytest.fixture
def alike(make_metrics: MakeMetrics) -> ModelMetrics:
    hosts = (_host("one:1234", 29, 1), _host("two:1234", 10, 10))
    return make_metrics("qwen/qwen3-4b", passed=39, failed=11, hosts=Hosts(hosts))


def _text(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


def test_the_table_has_a_line_for_each_host_under_its_model(mixed: ModelMetrics, make_metrics: MakeMetrics) -> None:
    assert table_lines([mixed, make_metrics("gemma", passed=50)]) == [
        "                                        not       pass rate median",
        "model         plan pass fail error skip run          [95 %]      s tok/s",
        "qwen/qwen3-4b   50   39   11     0    0   0  *78.0% [64-88]   1.23  56.8",
        "  one:1234      30   29    1     0    0   0  96.7% [83-100]   1.50  50.0",
        "  two:1234      20   10   10     0    0   0   50.0% [29-71]   1.50  50.0",
        "gemma           50   50    0     0    0   0 100.0% [92-100]   1.23  56.8",
    ]


def test_the_terminal_names_failed_attempts_and_what_is_mixed(mixed: ModelMetrics) -> None:
    text = _text(summary_lines([mixed]))
    assert "attempts failed at two:1234: unreachable 3, timeout 1" in text
    assert "attempts failed at one:1234" not in text
    words = "quantization Q4_K_M at one:1234, Q8_0 at two:1234. The pass rate 78.0% is a mix of theirs."
    assert f"* mixed: its hosts did not serve the same model: {words}" in text
    assert "its hosts also differ in: slots 4 at one:1234, not told at two:1234." in text


def test_hosts_that_serve_the_same_model_mark_nothing_as_mixed(alike: ModelMetrics, make_records: MakeRecords) -> None:
    for text in (_text(summary_lines([alike])), summary_markdown(make_records(), [alike])):
        assert "one:1234" in text
        assert "mix" not in text
        assert "*7" not in text
        assert "differ" not in text
    assert what_is_mixed([Contender(alike)]) == []
    assert apart_sentence(alike)
    assert aside_sentence(alike) is None


def test_a_run_with_one_host_says_nothing_of_hosts(make_metrics: MakeMetrics, make_records: MakeRecords) -> None:
    plain = make_metrics(passed=3)
    assert "hosts" not in summarise(make_records(), [plain])["models"][0]
    assert "host" not in summary_markdown(make_records(), [plain])
    assert "host" not in _text(summary_lines([plain]))
    assert (mixed_sentence(plain), aside_sentence(plain), apart_sentence(plain)) == (None, None, [])


def test_the_markdown_has_a_row_for_each_host_and_says_what_is_mixed(
    mixed: ModelMetrics, make_records: MakeRecords
) -> None:
    lines = summary_markdown(make_records(), [mixed]).splitlines()
    model = "`qwen/qwen3-4b`"
    assert f"| {model} | 50 | 39 | 11 | 0 | 0 | 0 | mixed 78.0% [64-88] | 1.23 | 56.8 |" in lines
    assert f"| {model} | `one:1234` | 30 (60.0%) | 29 | 1 | 96.7% [83-100] | 1.50 | 4.25 | 50.0 | - |" in lines
    failed = "`unreachable 3, timeout 1`"
    assert f"| {model} | `two:1234` | 20 (40.0%) | 10 | 10 | 50.0% [29-71] | 1.50 | 4.25 | 50.0 | {failed} |" in lines
    words = "`quantization` `Q4_K_M` at `one:1234`, `Q8_0` at `two:1234`. The pass rate 78.0% is a mix of theirs."
    assert f"- {model}: **mixed:** its hosts did not serve the same model: {words}" in lines


def test_the_pages_words_take_a_mixed_rate_apart(mixed: ModelMetrics, alike: ModelMetrics) -> None:
    (sentence,) = what_is_mixed([Contender(alike), Contender(mixed, run="r2")])
    text = as_text(sentence, str)
    assert text.startswith("qwen/qwen3-4b in run r2: its hosts did not serve the same model: quantization Q4_K_M at ")
    assert text.endswith("Apart: one:1234 96.7% [83-100] and two:1234 50.0% [29-71].")
    best = [as_text(one, str) for one in which_is_best([Contender(mixed)])]
    assert "Mixed rates, of hosts that did not serve the same model: qwen/qwen3-4b." in best


@pytest.mark.parametrize("name", ["mixed", "alike"])
def test_the_summary_carries_the_hosts_and_satisfies_its_schema(
    request: pytest.FixtureRequest, make_records: MakeRecords, name: str
) -> None:
    path = Path(plotbot.report.summary_json.__file__).with_name("summary.schema.json")
    metrics = request.getfixturevalue(name)
    summary: dict[str, Any] = json.loads(json.dumps(summarise(make_records(), [metrics]), allow_nan=False))
    jsonschema.validate(summary, json.loads(path.read_text(encoding="utf-8")))
    hosts = summary["models"][0]["hosts"]
    assert hosts["mixed"] is (name == "mixed")
    assert [one["host"] for one in hosts["by_host"]] == ["one:1234", "two:1234"]


def test_the_summary_carries_every_number_of_a_host(mixed: ModelMetrics, make_records: MakeRecords) -> None:
    hosts = summarise(make_records(), [mixed])["models"][0]["hosts"]
    assert hosts["differences"] == [
        {"field": "quantization", "values": {"one:1234": ["Q4_K_M"], "two:1234": ["Q8_0"]}}
    ]  # fmt: skip
    assert hosts["asides"] == [{"field": "slots", "values": {"one:1234": ["4"], "two:1234": []}}]
    two = hosts["by_host"][1]
    assert (two["answered"], two["share"], two["pass_rate"]) == (20, 0.4, 0.5)
    assert (two["tally"]["passed"], two["tally"]["failed"]) == (10, 10)
    assert two["interval"]["low"] == pytest.approx(0.2993, abs=1e-4)
    assert two["seconds"] == {"median": 1.5, "p95": 4.25}
    assert two["tokens_per_second"] == {"median": 50.0, "source": "server"}
    assert two["failed_attempts"] == {"unreachable": 3, "timeout": 1}


@pytest.fixture
def hostile(make_metrics: MakeMetrics) -> ModelMetrics:
    field = FieldByHost(HOSTILE, {HOSTILE: (HOSTILE, "y"), "b:1": ()})
    by_host = (_host(HOSTILE, 100_000, 0, **{HOSTILE: 5}), _host("b:1", 0, 100_000))
    return make_metrics(HOSTILE, passed=100_000, failed=100_000, hosts=Hosts(by_host, (field,), (field,)))


def test_hostile_and_long_host_names_tear_no_line_of_the_terminal(hostile: ModelMetrics) -> None:
    lines = summary_lines([hostile])
    for line in lines:
        wide = sum("\u4e00" <= character <= "\u9fff" for character in line)
        assert len(line) + wide <= WIDEST, line
    assert "".join(lines).isprintable()
    assert "".join(lines).encode("utf-8")


def test_a_hosts_name_is_ascii_in_the_terminal_and_so_as_wide_as_it_is_long(make_metrics: MakeMetrics) -> None:
    names = ("模" * 40, "\u0430pple.lan:1234")
    field = FieldByHost("quantization", {name: ("Q4", name) for name in names})
    by_host = tuple(_host(name, 1, 1, timeout=1) for name in names)
    lines = summary_lines([make_metrics(passed=2, failed=2, hosts=Hosts(by_host, (field,)))])
    assert "\\u0430pple.lan:1234" in _text(lines)
    assert not [line for line in lines if not line.replace("…", "").isascii() or len(line) > WIDEST]


def test_hostile_host_names_stay_in_their_cells_of_the_markdown(
    hostile: ModelMetrics, make_records: MakeRecords
) -> None:
    text = summary_markdown(make_records(), [hostile])
    rows = [line.replace("\\|", "") for line in text.splitlines() if "`b:1`" in line and line.startswith("|")]
    assert [row.count("|") for row in rows] == [11]
    assert "\x1b" not in text
    assert text.encode("utf-8")


def test_of_many_hosts_only_the_first_few_are_named(make_metrics: MakeMetrics) -> None:
    names = [f"host-{number:02}:1234" for number in range(64)]
    field = FieldByHost("quantization", {name: ("Q4" if name != names[3] else "Q8",) for name in names})
    metrics = make_metrics(passed=64, hosts=Hosts(tuple(_host(name, 1) for name in names), (field,)))
    sentence = mixed_sentence(metrics)
    assert sentence is not None
    assert "host-06:1234 and 57 more, Q8 at host-03:1234." in as_text(sentence, str)
    assert as_text(apart_sentence(metrics), str).endswith(" and 58 more.")


@pytest.mark.parametrize(
    ("text", "cut"), [("a:1", "a:1"), ("x" * 60 + "a-host.lan:1234", "x" * 22 + "...a-host.lan:1234")]
)
def test_a_long_name_keeps_both_its_ends(text: str, cut: str) -> None:
    assert short(text) == cut
