from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from plotbot.categories import ERROR_CATEGORIES, FAILURE_CATEGORIES
from plotbot.measure.gate import GateResult
from plotbot.measure.metrics import ModelMetrics
from plotbot.report.advice import advice, next_step

MakeMetrics = Callable[..., ModelMetrics]


def test_every_category_has_advice_of_one_short_sentence() -> None:
    told = {category: advice(category) for category in ERROR_CATEGORIES | FAILURE_CATEGORIES}
    assert [category for category, text in told.items() if not text.endswith(".") or len(text) >= 110] == []


@pytest.mark.parametrize(
    ("failures", "errors", "start"),
    [
        ({"fenced": 3, "schema": 1}, {"timeout": 2}, "fenced is 3 of 4 failures. "),
        ({"fenced": 2}, {"timeout": 2}, "timeout is 2 of 2 errors. "),
        ({"schema": 2, "fenced": 2}, {}, "fenced is 2 of 4 failures. "),
        ({"<b>unheard-of</b>": 9, "schema": 1}, {}, "schema is 1 of 10 failures. "),
    ],
)
def test_the_next_step_is_about_what_happens_most(
    make_metrics: MakeMetrics, failures: Mapping[str, int], errors: Mapping[str, int], start: str
) -> None:
    step = next_step([make_metrics(failures=failures, errors=errors)])
    assert step == start + advice(start.split(maxsplit=1)[0])


def test_the_next_step_looks_at_all_models(make_metrics: MakeMetrics) -> None:
    models = [make_metrics("a", failures={"fenced": 2}), make_metrics("b", failures={"fenced": 1, "schema": 2})]
    assert str(next_step(models)).startswith("fenced is 3 of 5 failures.")


def test_a_run_that_stopped_early_is_to_be_resumed(make_metrics: MakeMetrics) -> None:
    for failures in ({}, {"fenced": 9}):
        step = str(next_step([make_metrics(passed=3, failures=failures, not_run=("a", "b"))]))
        assert step.startswith("pytest evals --resume (2 planned but not run")


@pytest.mark.parametrize(
    ("category", "traits", "words"),
    [
        ("wrong_shape", ["object"], "one JSON object"),
        ("wrong_shape", ["array", "array"], "a JSON array"),
        ("wrong_shape", ["array", "object"], "which shape the schema wants"),
        ("wrong_shape", [], "which shape the schema wants"),
        ("truncated", ["looped"], "raise REPEAT_PENALTY, not MAX_TOKENS"),
        ("truncated", [], "raise MAX_TOKENS"),
    ],
)
def test_advice_fits_what_the_replies_have_in_common(
    make_metrics: MakeMetrics, category: str, traits: list[str], words: str
) -> None:
    models = [make_metrics(failures={category: 1}, traits={category: trait}) for trait in traits]
    assert words in advice(category, models)


def test_advice_that_knows_no_schema_names_no_shape() -> None:
    told = {category: advice(category) for category in FAILURE_CATEGORIES}
    assert [category for category, text in told.items() if " array" in text or " object" in text] == []


def test_an_inconclusive_gate_wants_more_titles(make_metrics: MakeMetrics) -> None:
    gates = [
        GateResult(name, "INCONCLUSIVE", "interval", 0.9, 0.94, None, needed)
        for name, needed in (("a", 217), ("b", 40))
    ]
    assert "TEST_SAMPLE_SIZE to about 217" in str(next_step([make_metrics(passed=3)], gates))


def test_a_perfect_run_leaves_nothing_to_do(make_metrics: MakeMetrics) -> None:
    assert next_step([make_metrics(passed=3)]) is None
