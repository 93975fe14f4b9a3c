from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import plotbot.report.summary_json
from plotbot.measure.intervals import Interval, clustered_interval
from plotbot.measure.metrics import ModelMetrics
from plotbot.measure.repeats import Repeats
from plotbot.measure.speed import ServerTime
from plotbot.records import RunRecords
from plotbot.report.markdown import summary_markdown
from plotbot.report.summary_json import summarise
from plotbot.report.terminal_lines import WIDEST
from plotbot.report.terminal_summary import summary_lines

MakeMetrics = Callable[..., ModelMetrics]
MakeRecords = Callable[..., RunRecords]

REPEATS = "60 answers to 20 titles are worth 31 independent ones; pass@3 95.0%, pass^3 70.0%; 25.0% got both verdicts"


@pytest.fixture
def metrics(make_metrics: MakeMetrics) -> ModelMetrics:
    return make_metrics(
        "qwen/qwen3-4b",
        passed=48,
        failed=12,
        interval=clustered_interval([(3, 3)] * 14 + [(2, 3)] * 3 + [(0, 3)] * 3),
        repeats=Repeats(20, 3, 31.2, {1: 0.8, 2: 0.9, 3: 0.95}, {1: 0.8, 2: 0.75, 3: 0.7}, 0.25),
        server_time=ServerTime(1.1, 0.6),
    )


def test_the_terminal_says_what_repeats_and_queueing_come_to(metrics: ModelMetrics) -> None:
    lines = summary_lines([metrics])
    text = " ".join(" ".join(lines).split())
    assert f"repeats: {REPEATS}" in text
    assert "seconds: 1.10 at work, 0.60 queueing" in text
    assert all(len(line) <= WIDEST for line in lines)


def test_a_run_without_repeats_or_queueing_says_nothing_of_them(make_metrics: MakeMetrics) -> None:
    text = "\n".join(summary_lines([make_metrics(passed=3, server_time=ServerTime(1.0, 0.001))]))
    assert all(word not in text for word in ("repeats:", "queueing"))


def test_the_markdown_says_it_in_a_line_for_each_model(metrics: ModelMetrics, make_records: MakeRecords) -> None:
    lines = summary_markdown(make_records(), [metrics]).splitlines()
    assert f"- `qwen/qwen3-4b`: {REPEATS}" in lines


def test_a_comparison_stands_in_the_markdown_as_it_is(metrics: ModelMetrics, make_records: MakeRecords) -> None:
    compared = ["compared: a -> b", "  newly broken: 1: ```<img src=x> | @all (ok -> schema)"]
    text = summary_markdown(make_records(), [metrics], compared=compared)
    assert "\n".join(["````text", *compared, "````"]) in text


def test_the_summary_carries_all_of_it_and_satisfies_its_schema(
    metrics: ModelMetrics, make_records: MakeRecords
) -> None:
    path = Path(plotbot.report.summary_json.__file__).with_name("summary.schema.json")
    summary: dict[str, Any] = json.loads(json.dumps(summarise(make_records(), [metrics]), allow_nan=False))
    jsonschema.validate(summary, json.loads(path.read_text(encoding="utf-8")))
    (model,) = summary["models"]
    assert model["interval"]["method"] == "wilson_clustered"
    assert model["server_seconds"] == {"working_median": 1.1, "queueing_median": 0.6}
    assert model["repeats"]["effective"] == 31.2
    assert model["repeats"]["pass_at_k"] == {"1": 0.8, "2": 0.9, "3": 0.95}
    assert model["repeats"]["pass_all_k"]["3"] == 0.7
    assert model["variant"] == ""


def test_an_interval_says_how_it_was_made(make_metrics: MakeMetrics, make_records: MakeRecords) -> None:
    plain = make_metrics(passed=1, interval=Interval(0.2, 1.0))
    assert summarise(make_records(), [plain])["models"][0]["interval"]["method"] == "wilson"
