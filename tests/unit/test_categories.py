"""Every category of a verdict is complete: each test names one place that a new category needs.

A new failure category touches `plotbot/categories.py` (its row), the module that gives it, `plotbot/report/advice.py`,
`docs/verdicts.md` and `tests/unit/judge/test_verdicts.py`.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from plotbot.categories import ERROR_CATEGORIES, FAILURE_CATEGORIES, FAILURES, OK, RECOVERABLE_CATEGORIES
from plotbot.judge import explain
from plotbot.records import Verdict
from plotbot.report.advice import ADVICE, advice
from plotbot.settings.keys import KEYS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
GIVERS = [*sorted((ROOT / "plotbot" / "judge").glob("*.py")), ROOT / "plotbot" / "plugin" / "outcomes.py"]
CONSTRUCTORS = {"Verdict": 0, "Extraction": 0, "_at": 2}
"""The functions of `judge` that take a category, and its position among their arguments."""


def given_categories(path: Path) -> set[str]:
    """The categories that a module writes out as text where it makes a verdict."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    named = [
        (call, CONSTRUCTORS[call.func.id])
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in CONSTRUCTORS
    ]
    arguments = [call.args[position] for call, position in named if len(call.args) > position]
    return {str(node.value) for node in arguments if isinstance(node, ast.Constant)}


def test_judging_gives_no_category_that_is_not_in_the_table() -> None:
    assert set().union(*map(given_categories, GIVERS)) <= FAILURE_CATEGORIES


@pytest.mark.parametrize("category", FAILURES)
def test_some_module_gives_the_category(category: str) -> None:
    assert any(f'"{category}"' in path.read_text(encoding="utf-8") for path in GIVERS)


def test_the_page_of_verdicts_has_the_table_of_failures() -> None:
    shown = re.search(r"<!-- failures:.*?-->\n(.*?\n)<!-- end of failures -->", PAGE, re.DOTALL)
    assert shown is not None
    rows = [
        f"| `{name}` | {failure.meaning} | {'yes' if failure.recoverable else 'no'} |"
        for name, failure in FAILURES.items()
    ]
    assert shown[1].splitlines() == ["| category | what came | recoverable |", "|---|---|---|", *rows]


@pytest.mark.parametrize("category", sorted(ERROR_CATEGORIES))
def test_the_page_of_verdicts_names_the_error(category: str) -> None:
    assert f"`{category}`" in PAGE


@pytest.mark.parametrize("category", sorted(FAILURE_CATEGORIES | ERROR_CATEGORIES))
def test_a_report_has_advice_on_the_category(category: str) -> None:
    assert advice(category)


def test_a_report_has_advice_on_known_categories_only() -> None:
    assert set(ADVICE) <= FAILURE_CATEGORIES | ERROR_CATEGORIES


@pytest.mark.parametrize("category", FAILURES)
def test_an_explanation_says_what_the_category_means(category: str) -> None:
    assert explain(Verdict(category)).startswith(f"{category}: {FAILURES[category].meaning}\n")


def test_the_recoverable_categories_can_be_tolerated_and_no_others() -> None:
    (tolerate,) = [key for key in KEYS if key.name == "TOLERATE"]
    assert set(tolerate.choices) == RECOVERABLE_CATEGORIES < FAILURE_CATEGORIES


def test_no_category_is_both_a_failure_and_an_error() -> None:
    assert ERROR_CATEGORIES.isdisjoint(FAILURE_CATEGORIES)
    assert OK not in ERROR_CATEGORIES | FAILURE_CATEGORIES
