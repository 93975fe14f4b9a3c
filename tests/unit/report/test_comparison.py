from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from plotbot.measure.comparison import Comparison
from plotbot.measure.intervals import Interval
from plotbot.measure.pairing import Change, Paired, Rival
from plotbot.report.comparison import comparison_lines
from plotbot.report.terminal_lines import WIDEST

HEAD = Comparison("evals/test_a.py::test_a[*]", Rival("org/m", {}, "r1"), Rival("org/m", {}, "r2"), Paired())
EQUAL = Paired(titles=50, rate_before=0.9, rate_after=0.84, interval=Interval(-0.15, 0.02), p=0.375)


def _changes(count: int, before: str = "ok", after: str = "schema") -> tuple[Change, ...]:
    return tuple(Change(f"t{number:02}", (before,), (after,)) for number in range(count))


def _comparison(**fields: Any) -> Comparison:
    return dataclasses.replace(HEAD, paired=dataclasses.replace(EQUAL, **fields))


def test_a_comparison_reads_at_a_glance() -> None:
    comparison = _comparison(broken=_changes(4), fixed=_changes(1, "schema", "ok"), alone=3, unrated=1)
    comparison = dataclasses.replace(comparison, headlines={"t00": "Goose sues town"})
    assert comparison_lines("config/baseline.json", "r2", [comparison]) == [
        "compared: config/baseline.json -> r2",
        "",
        "evals/test_a.py::test_a[*], org/m",
        "  org/m in run r1 (90.0%) and org/m in run r2 (84.0%) cannot be told apart: +6.0",
        "  points [-2.0 to 15.0] on the same 50 titles (p 0.38).",
        "  newly broken: 4: Goose sues town (ok -> schema); t01 (ok -> schema); t02 (ok",
        "    -> schema); t03 (ok -> schema)",
        "  newly fixed: 1: Goose sues town (schema -> ok)",
        "  titles left out: 3 in one run only, or with another headline, 1 without a",
        "    verdict on the model in both",
        "  not more than chance: 4 broken, 1 fixed",
    ]


def test_no_change_is_said_in_one_line() -> None:
    lines = comparison_lines("a", "b", [_comparison(rate_before=0.9, rate_after=0.9, p=1.0)])
    assert lines[-1] == "  no change in 50 titles, pass rate 90.0%"


def test_what_was_asked_otherwise_is_told_with_the_diff_of_the_prompt() -> None:
    diff = ("--- prompt before", "+++ prompt after", "@@ -1 +1 @@", "-Be odd.", "+Be \x1b[2Jbrief.")
    comparison = dataclasses.replace(
        _comparison(broken=_changes(20), p=1e-6),
        differences=("prompt a -> b",),
        notes=("server x -> y",),
        diffs=(diff,),
    )
    lines = comparison_lines("a", "b", [comparison])
    assert "  asked otherwise: prompt a -> b" in lines
    assert "  note: another server: server x -> y" in lines
    assert "    -Be odd." in lines
    assert "    +Be \\x1b[2Jbrief." in lines
    assert lines[-1] == "  more than chance: 20 broken, 0 fixed"


def test_without_a_rated_pair_there_is_no_rate() -> None:
    nothing = _comparison(titles=0, rate_before=None, rate_after=None, interval=None, p=None, unrated=5)
    assert comparison_lines("a", "b", [nothing])[-1] == "  no title is rated in both"


def test_runs_with_nothing_in_common_say_so() -> None:
    assert comparison_lines("a", "b", []) == ["a and b have no title in common"]


def test_of_many_changes_the_first_ten_are_named() -> None:
    text = " ".join(" ".join(comparison_lines("a", "b", [_comparison(drifted=_changes(25))])).split())
    assert "failing otherwise: 25: t00" in text
    assert "t09 (ok -> schema); and 15 more" in text
    assert "t10" not in text


@pytest.mark.parametrize("name", ["\x1b[2J\x00", "\ud800", "\u202eevil", "new\nline", "x" * 500])
def test_nothing_that_was_compared_moves_the_cursor_or_cannot_be_written(name: str) -> None:
    paired = Paired(
        broken=(Change(name, (name,), (name,)),), titles=1, rate_before=1.0, rate_after=0.0,
        interval=Interval(-1.0, 0.5), p=1.0,
    )  # fmt: skip
    rivals = Rival(name, {}, name), Rival(name, {}, name)
    hostile = Comparison(name, *rivals, paired, (name,), ((name,),), (name,), {name: name})
    lines = comparison_lines(name, name, [hostile])
    assert all(line.isprintable() for line in lines)
    assert "".join(lines).encode("utf-8")
    assert all(len(line) <= WIDEST for line in lines if "x" not in line)
