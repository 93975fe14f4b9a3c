from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from plotbot.measure.comparison import Comparison, compare_sheets
from plotbot.measure.pairing import Paired, pair_titles, titles_of
from plotbot.measure.verdict_sheet import TitleVerdicts, VerdictSheet
from tests.unit.measure.rows import BAD, GOOD, QUESTIONS, changed, only_part, sheet_of


def _only(comparisons: Sequence[Comparison]) -> Comparison:
    (comparison,) = comparisons
    return comparison


def _paired(before: VerdictSheet, after: VerdictSheet) -> Paired:
    return _only(compare_sheets(before, after)).paired


def _titles(found: Sequence[Any]) -> list[str]:
    return [change.title for change in found]


def test_a_run_against_itself_has_changed_nothing() -> None:
    sheet = sheet_of(*[(f"t{n}", [GOOD if n % 3 else BAD]) for n in range(30)])
    found = _paired(sheet, sheet)
    assert (found.broken, found.fixed, found.drifted, found.titles, found.p) == ((), (), (), 30, 1.0)
    assert (found.alone, found.unrated) == (0, 0)


def test_exactly_the_planted_regressions_are_found() -> None:
    before = sheet_of(*[(f"t{n:02}", [GOOD]) for n in range(50)])
    after = sheet_of(*[(f"t{n:02}", [BAD if n in {3, 17, 44} else GOOD]) for n in range(50)], run="r2")
    found = _paired(before, after)
    assert _titles(found.broken) == ["t03", "t17", "t44"]
    assert (found.fixed, found.drifted, found.titles) == ((), (), 50)
    assert (found.rate_before, found.rate_after, found.p) == (1.0, 0.94, 0.25)


def test_fixed_titles_and_other_failures_are_told_apart() -> None:
    before = sheet_of(("a", [BAD]), ("b", [BAD]), ("c", [GOOD]))
    after = sheet_of(("a", [GOOD]), ("b", [("failed", "not_json")]), ("c", [("passed", "fenced")]))
    found = _paired(before, after)
    assert (_titles(found.broken), _titles(found.fixed), _titles(found.drifted)) == ([], ["a"], ["b", "c"])


def test_repeats_pair_by_title_and_count_how_many_are_good() -> None:
    before = sheet_of(("a", [GOOD, GOOD, GOOD]), ("b", [GOOD, BAD, BAD]), ("c", [GOOD, BAD, GOOD]))
    after = sheet_of(("a", [GOOD, BAD, GOOD]), ("b", [BAD, BAD, BAD]), ("c", [BAD, GOOD, GOOD]))
    found = _paired(before, after)
    assert (_titles(found.broken), found.fixed, found.drifted) == (["a", "b"], (), ())
    assert (found.titles, found.p) == (3, 0.5)
    assert (found.rate_before, found.rate_after) == (6 / 9, 4 / 9)


def test_errors_other_headlines_and_other_titles_pair_with_nothing() -> None:
    before = sheet_of(("a", [GOOD]), ("b", [GOOD]), ("c", [("error", "timeout")]), ("d", [GOOD]))
    after = sheet_of(("b", [GOOD]), ("c", [GOOD]), ("d", [("skipped", "ok")]), ("e", [GOOD]))
    found = _paired(before, after)
    assert (found.titles, found.alone, found.unrated) == (1, 2, 2)
    other = changed(after, titles={"b": TitleVerdicts("another", ("ok",))})
    assert compare_sheets(before, other) == ()
    nothing = pair_titles(titles_of(only_part(before)), titles_of(only_part(other)))
    assert (nothing.titles, nothing.alone, nothing.p, nothing.interval) == (0, 4, None, None)


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
def test_runs_that_asked_otherwise_are_compared_and_say_what_differs(fields: dict[str, Any], said: str) -> None:
    found = _only(compare_sheets(sheet_of(("a", [GOOD])), changed(sheet_of(("a", [BAD])), **fields)))
    assert found.differences[0].startswith(said)
    assert _titles(found.paired.broken) == ["a"]


def test_other_parameters_are_a_difference_and_another_server_is_a_note() -> None:
    before = sheet_of(("a", [GOOD]))
    warmer = dataclasses.replace(before, params={"temperature": 1})
    assert _only(compare_sheets(before, warmer)).differences == ("parameter temperature 0 -> 1",)
    elsewhere = changed(before, fingerprint={"sha256": "abc", "slots": 9, "server": "y"})
    found = _only(compare_sheets(before, elsewhere))
    assert (found.differences, found.notes) == ((), ("server x -> y",))


def test_prompts_and_schemas_that_are_known_are_told_as_unified_diffs() -> None:
    before = sheet_of(("a", [GOOD]))
    question = dataclasses.replace(QUESTIONS["hash-none"], prompt="Be odd.\nBe brief.", hash="h2")
    after = dataclasses.replace(changed(before, prompt="p2", asked="h2"), questions={"h2": question})
    diff = ("--- prompt before", "+++ prompt after", "@@ -1 +1,2 @@", " Be odd.", "+Be brief.")
    assert _only(compare_sheets(before, after)).diffs == (diff,)
    without_texts = dataclasses.replace(after, questions={})
    assert _only(compare_sheets(before, without_texts)).diffs == ()


def test_whatever_shares_titles_is_compared_the_likest_parts_with_one_another() -> None:
    before = sheet_of(("a", [GOOD]), ("b", [GOOD]))
    other = changed(sheet_of(("a", [GOOD]), ("b", [BAD])), model="n", fingerprint={"sha256": "def"})
    both = dataclasses.replace(before, parts=(*before.parts, *other.parts))
    found = _only(compare_sheets(both, both, models=("org/m", "n")))
    assert (found.before.label, found.after.label, _titles(found.paired.broken)) == ("org/m", "n", ["b"])
    assert found.differences == ("model org/m -> n",)
    turned = dataclasses.replace(both, parts=both.parts[::-1])
    assert [(one.before.label, one.after.label) for one in compare_sheets(both, turned)] == [
        ("org/m", "org/m"),
        ("n", "n"),
    ]
    assert _only(compare_sheets(before, other)).differences == ("model org/m -> n",)
    assert compare_sheets(before, sheet_of(("c", [GOOD]))) == ()


def test_a_run_of_one_variant_is_compared_with_the_variant_that_asks_the_same() -> None:
    alone = sheet_of(("t1", [GOOD]))
    several = (
        changed(alone, variant="t=0.8", params={"temperature": 0.8}),
        changed(alone, variant="t=0", params={"temperature": 0}),
    )
    after = dataclasses.replace(alone, parts=tuple(part for sheet in several for part in sheet.parts))
    (comparison,) = compare_sheets(alone, after)
    assert (comparison.after.label, comparison.differences) == ("org/m t=0", ())
    (named,) = compare_sheets(after, after, models=("org/m t=0.8", "org/m t=0"))
    assert (named.before.label, named.after.label) == ("org/m t=0.8", "org/m t=0")
    assert named.differences == ("parameter temperature 0.8 -> 0",)
