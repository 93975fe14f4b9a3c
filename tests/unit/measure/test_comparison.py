from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from plotbot.measure.comparison import Comparison, compare_sheets
from plotbot.measure.verdict_sheet import TitleVerdicts
from tests.unit.measure.rows import BAD, GOOD, changed, sheet_of


def _only(comparisons: Sequence[Comparison]) -> Comparison:
    (comparison,) = comparisons
    return comparison


def _titles(found: Sequence[Any]) -> list[str]:
    return [change.title for change in found]


def test_a_run_against_itself_has_changed_nothing() -> None:
    sheet = sheet_of(*[(f"t{n}", [GOOD if n % 3 else BAD]) for n in range(30)])
    found = _only(compare_sheets(sheet, sheet))
    assert (found.broken, found.fixed, found.drifted, found.pairs, found.p) == ((), (), (), 30, 1.0)
    assert (found.alone, found.unrated, found.differences, found.refused) == (0, 0, (), False)


def test_exactly_the_planted_regressions_are_found() -> None:
    before = sheet_of(*[(f"t{n:02}", [GOOD]) for n in range(50)])
    after = sheet_of(*[(f"t{n:02}", [BAD if n in {3, 17, 44} else GOOD]) for n in range(50)], run="r2")
    found = _only(compare_sheets(before, after))
    assert _titles(found.broken) == ["t03", "t17", "t44"]
    assert (found.fixed, found.drifted, found.pairs) == ((), (), 50)
    assert (found.rate_before, found.rate_after, found.p) == (1.0, 0.94, 0.25)


def test_fixed_titles_and_other_failures_are_told_apart() -> None:
    before = sheet_of(("a", [BAD]), ("b", [BAD]), ("c", [GOOD]))
    after = sheet_of(("a", [GOOD]), ("b", [("failed", "not_json")]), ("c", [("passed", "fenced")]))
    found = _only(compare_sheets(before, after))
    assert (_titles(found.broken), _titles(found.fixed), _titles(found.drifted)) == ([], ["a"], ["b", "c"])


def test_repeats_pair_by_title_and_count_how_many_are_good() -> None:
    before = sheet_of(("a", [GOOD, GOOD, GOOD]), ("b", [GOOD, BAD, BAD]), ("c", [GOOD, BAD, GOOD]))
    after = sheet_of(("a", [GOOD, BAD, GOOD]), ("b", [BAD, BAD, BAD]), ("c", [BAD, GOOD, GOOD]))
    found = _only(compare_sheets(before, after))
    assert (_titles(found.broken), found.fixed, found.drifted) == (["a", "b"], (), ())
    assert (found.pairs, found.p) == (3, 0.5)
    assert (found.rate_before, found.rate_after) == (6 / 9, 4 / 9)


def test_errors_other_headlines_and_other_titles_pair_with_nothing() -> None:
    before = sheet_of(("a", [GOOD]), ("b", [GOOD]), ("c", [("error", "timeout")]), ("d", [GOOD]))
    after = sheet_of(("b", [GOOD]), ("c", [GOOD]), ("d", [("skipped", "ok")]), ("e", [GOOD]))
    found = _only(compare_sheets(before, after))
    assert (found.pairs, found.alone, found.unrated) == (1, 2, 2)
    other = changed(after, titles={"b": TitleVerdicts("another", ("ok",))})
    nothing = _only(compare_sheets(before, other))
    assert (nothing.pairs, nothing.alone, nothing.p, nothing.interval) == (0, 4, None, None)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"prompt": "p2", "asked": "h2"}, "prompt "),
        ({"schema": "s2", "asked": "h2"}, "schema "),
        ({"asked": "h2"}, "the wording that plotbot puts round a headline hash-none -> h2"),
        ({"fingerprint": {"sha256": "def", "slots": 4, "server": "x"}}, "fingerprint sha256 abc -> def"),
        ({"fingerprint": {"sha256": "abc", "context_length": 9}}, "fingerprint context_length not told -> 9"),
    ],
)
def test_runs_that_asked_otherwise_are_compared_only_anyway(fields: dict[str, Any], said: str) -> None:
    before = sheet_of(("a", [GOOD]))
    after = changed(sheet_of(("a", [BAD])), **fields)
    refused = _only(compare_sheets(before, after))
    assert refused.refused
    assert refused.broken == ()
    assert refused.differences[0].startswith(said)
    compared = _only(compare_sheets(before, after, anyway=True))
    assert (compared.refused, compared.differences) == (False, refused.differences)
    assert _titles(compared.broken) == ["a"]


def test_other_parameters_are_a_difference_and_another_server_is_a_note() -> None:
    before = sheet_of(("a", [GOOD]))
    warmer = dataclasses.replace(before, params={"temperature": 1})
    assert _only(compare_sheets(before, warmer)).differences == ("parameter temperature 0 -> 1",)
    elsewhere = changed(before, fingerprint={"sha256": "abc", "slots": 9, "server": "y"})
    found = _only(compare_sheets(before, elsewhere))
    assert (found.differences, found.notes, found.refused) == ((), ("server x -> y",), False)


def test_two_models_are_compared_when_both_are_named() -> None:
    before = sheet_of(("a", [GOOD]), ("b", [GOOD]))
    other = changed(sheet_of(("a", [GOOD]), ("b", [BAD])), model="n", fingerprint={"sha256": "def"})
    both = dataclasses.replace(before, parts=(*before.parts, *other.parts))
    assert compare_sheets(before, other) == ()
    found = _only(compare_sheets(both, both, models=("org/m", "n")))
    assert (found.model, found.refused, _titles(found.broken)) == ("org/m -> n", False, ["b"])
    assert _only(compare_sheets(before, other, anyway=True)).differences == ("model org/m -> n",)
