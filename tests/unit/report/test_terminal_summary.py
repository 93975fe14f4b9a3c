from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from plotbot.measure.gate import judge_gates
from plotbot.measure.metrics import ModelMetrics
from plotbot.report.terminal_lines import WIDEST
from plotbot.report.terminal_summary import detail_lines, summary_lines, table_lines

MakeMetrics = Callable[..., ModelMetrics]

HOSTILE = "\x1b[2J<img src=x>\u202eevil\ud800\nnew line `|` 模型模型模型模型模型模型模型模型 " + "x" * 300


def test_the_table_has_one_row_a_model_and_reads_at_a_glance(make_metrics: MakeMetrics) -> None:
    models = [
        make_metrics("qwen/qwen3-4b", passed=44, failed=3, error=1, not_run=("a", "b")),
        make_metrics("google/gemma-3-27b-it-qat", passed=50, seconds_median=None, speed=None),
    ]
    assert table_lines(models) == [
        "                                                not       pass rate median",
        "model                 plan pass fail error skip run          [95 %]      s tok/s",
        "qwen/qwen3-4b           50   44    3     1    0   2   93.6% [82-98]   1.23  56.8",
        "google/gem…27b-it-qat   50   50    0     0    0   0 100.0% [92-100]      -     -",
    ]


@pytest.mark.parametrize("count", [0, 7, 10_000, 100_000])
@pytest.mark.parametrize(
    "model", ["m", "google/gemma-3-27b-it-qat-Q4_K_M-experimental", HOSTILE, "模型" * 60, "é" * 200]
)
def test_every_line_but_paths_fits_eighty_columns(make_metrics: MakeMetrics, model: str, count: int) -> None:
    rows = [
        make_metrics(
            model, passed=count, failed=count, error=count, skipped=count,
            seconds_median=123456.0, tolerated=count, extra_attempts=count,
            failures={"json_in_reasoning": count, "prose_around": count, "thinking_leak": count, "wrong_shape": count},
            errors={"context_overflow": count, "model_unavailable": count, "model_unloaded": count},
        )
    ]  # fmt: skip
    for line in summary_lines(rows * 2, judge_gates(rows, {"*": 0.9}, "interval")):
        wide = sum("\u4e00" <= character <= "\u9fff" for character in line)
        assert len(line) + wide <= 80, line


def test_nothing_in_the_summary_moves_the_cursor_or_cannot_be_written(make_metrics: MakeMetrics) -> None:
    metrics = make_metrics(HOSTILE, passed=1, failures={"\x1b[31m": 1})
    text = "".join(summary_lines([metrics], paths={"report": "\x1b]0;x\x07.html"}))
    assert text.isprintable()
    assert text.encode("utf-8")


@pytest.mark.parametrize(
    ("first", "second"), [("org/some-very-long-model-name-Q4_K_M", "org/some-very-long-model-name-Q8_0")]
)
def test_a_long_name_keeps_both_its_ends(make_metrics: MakeMetrics, first: str, second: str) -> None:
    rows = table_lines([make_metrics(first, passed=1), make_metrics(second, passed=1)])[2:]
    names = [row.split()[0] for row in rows]
    assert all(name.startswith("org/") and "…" in name for name in names)
    assert [name[-4:] for name in names] == ["4_K_M"[-4:], "Q8_0"]


def test_the_details_name_the_full_model_and_count_its_categories(make_metrics: MakeMetrics) -> None:
    metrics = make_metrics(
        "org/some-very-long-model-name-Q4_K_M", passed=44, failed=4, error=2, tolerated=5, extra_attempts=3,
        failures={"fenced": 3, "schema": 1}, errors={"timeout": 2},
    )  # fmt: skip
    assert detail_lines([metrics], judge_gates([metrics], {"*": 0.9})) == [
        "org/some-very-long-model-name-Q4_K_M",
        "  planned 50 = 44 passed + 4 failed + 2 error + 0 skipped + 0 not run",
        "  failures: fenced 3, schema 1",
        "  errors: timeout 2",
        "  tolerated: 5 of the passed",
        "  attempts beyond the first: 3",
        "  gate: PASS: the pass rate 91.67% reaches the threshold 90%",
        "",
    ]


def test_several_models_are_added_up(make_metrics: MakeMetrics) -> None:
    lines = detail_lines([make_metrics("a", passed=1), make_metrics("b", failed=2)], ())
    assert lines[-1] == "all models: planned 3 = 1 passed + 2 failed + 0 error + 0 skipped + 0 not run"


def test_the_summary_ends_with_the_paths_and_the_next_step(make_metrics: MakeMetrics) -> None:
    path = "reports/" + "x" * 100 + ".html"
    lines = summary_lines([make_metrics(passed=1, failed=1, failures={"empty": 1})], paths={"report": path})
    assert f"report: {path}" in lines
    assert next(line for line in lines if line.startswith("next: ")).startswith("next: empty is 1 of 1 failure.")


def test_an_empty_plan_says_so() -> None:
    assert summary_lines(()) == ["no case was planned"]


def test_the_variants_of_a_model_stand_below_its_name_and_only_what_went_wrong_is_told(
    make_metrics: MakeMetrics,
) -> None:
    def row(variant: str, **given: Any) -> ModelMetrics:
        metrics = make_metrics("qwen/qwen3-4b", **given)
        return dataclasses.replace(metrics, tally=dataclasses.replace(metrics.tally, variant=variant))

    rows = [row("prompt.txt t=0.8", passed=9), row("t=0.2", passed=8, failed=1, failures={"schema": 1})]
    lines = summary_lines(rows)
    assert [line[:18].rstrip() for line in lines[2:5]] == ["qwen/qwen3-4b", "  prompt.txt t=0.8", "  t=0.2"]
    assert "qwen/qwen3-4b t=0.2" in lines
    assert "qwen/qwen3-4b prompt.txt t=0.8" not in lines
    assert any(line.startswith("all variants: planned 18 = 17 passed + 1 failed") for line in lines)
    assert all(len(line) <= WIDEST for line in lines)


@pytest.mark.parametrize("columns", [20, 40, 60])
@pytest.mark.parametrize("model", ["m", "google/gemma-3-27b-it-qat-Q4_K_M-experimental", "é" * 200])
def test_a_narrow_terminal_gets_the_figures_in_words(
    make_metrics: MakeMetrics, monkeypatch: pytest.MonkeyPatch, columns: int, model: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = summary_lines([make_metrics(model, passed=1, failed=3, failures={"json_in_reasoning": 3})])
    assert [line for line in lines if len(line) > columns] == []
    told = " ".join(" ".join(lines).split())
    assert "planned 4 = 1 passed + 3 failed" in told
    assert "pass rate" in told


def test_a_wide_terminal_gets_eighty_columns(make_metrics: MakeMetrics, monkeypatch: pytest.MonkeyPatch) -> None:
    before = summary_lines([make_metrics("m" * 300, passed=44, failed=3)])
    monkeypatch.setenv("COLUMNS", "500")
    assert summary_lines([make_metrics("m" * 300, passed=44, failed=3)]) == before
