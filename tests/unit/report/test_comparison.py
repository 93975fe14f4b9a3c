from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from plotbot.measure.comparison import Change, Comparison
from plotbot.measure.intervals import Interval
from plotbot.report.comparison import WIDTH, comparison_lines

HEAD = Comparison("evals/test_a.py::test_a[*]", "org/m", "none", ())


def _changes(count: int, before: str = "ok", after: str = "schema") -> tuple[Change, ...]:
    return tuple(Change(f"t{number:02}", (before,), (after,)) for number in range(count))


def _comparison(**fields: Any) -> Comparison:
    rated = dataclasses.replace(
        HEAD, pairs=50, rate_before=0.9, rate_after=0.84, interval=Interval(-0.15, 0.02), p=0.375
    )
    return dataclasses.replace(rated, **fields)


def test_a_comparison_reads_at_a_glance() -> None:
    comparison = _comparison(broken=_changes(4), fixed=_changes(1, "schema", "ok"), alone=3, unrated=1)
    assert comparison_lines("config/baseline.json", "r2", [comparison]) == [
        "compared: config/baseline.json -> r2",
        "",
        "evals/test_a.py::test_a[*], org/m, none",
        "  pass rate 90.0% -> 84.0% over 50 titles: -6.0 points [-15 to +2], p 0.38",
        "  (exact McNemar)",
        "  newly broken: 4: t00 (ok -> schema); t01 (ok -> schema); t02 (ok -> schema);",
        "    t03 (ok -> schema)",
        "  newly fixed: 1: t00 (schema -> ok)",
        "  titles left out: 3 in one run only, or with another headline, 1 without a",
        "    verdict on the model in both",
    ]


def test_no_change_is_said_in_one_line() -> None:
    lines = comparison_lines("a", "b", [_comparison(rate_before=0.9, rate_after=0.9, p=1.0)])
    assert lines[-1] == "  no change in 50 titles, pass rate 90.0%"


def test_a_refusal_names_what_was_asked_otherwise_and_compares_nothing() -> None:
    refused = Comparison("e", "m", "none", ("prompt a -> b", "parameter top_k 1 -> 2"), refused=True)
    assert comparison_lines("a", "b", [refused])[-1] == (
        "  not compared, asked otherwise: prompt a -> b; parameter top_k 1 -> 2"
    )
    anyway = _comparison(differences=("prompt a -> b",), notes=("server x -> y",))
    text = "\n".join(comparison_lines("a", "b", [anyway]))
    assert "compared although asked otherwise: prompt a -> b" in text
    assert "note: another server: server x -> y" in text


def test_without_a_rated_pair_there_is_no_rate() -> None:
    nothing = _comparison(pairs=0, rate_before=None, rate_after=None, interval=None, p=None, unrated=5)
    assert "  no title is rated in both" in comparison_lines("a", "b", [nothing])


def test_runs_with_nothing_in_common_say_so() -> None:
    assert comparison_lines("a", "b", []) == ["a and b have no eval, model and response format in common"]


def test_of_many_changes_the_first_ten_are_named() -> None:
    text = " ".join(" ".join(comparison_lines("a", "b", [_comparison(drifted=_changes(25))])).split())
    assert "failing otherwise: 25: t00" in text
    assert "t09 (ok -> schema); and 15 more" in text
    assert "t10" not in text


@pytest.mark.parametrize("name", ["\x1b[2J\x00", "\ud800", "\u202eevil", "new\nline", "x" * 500])
def test_nothing_that_was_compared_moves_the_cursor_or_cannot_be_written(name: str) -> None:
    hostile = Comparison(
        name, name, name, (name,), (name,), broken=(Change(name, (name,), (name,)),), pairs=1, rate_before=1.0,
        rate_after=0.0, interval=Interval(-1.0, 0.5), p=1.0,
    )  # fmt: skip
    lines = comparison_lines(name, name, [hostile])
    assert all(line.isprintable() for line in lines)
    assert "".join(lines).encode("utf-8")
    assert all(len(line) <= WIDTH for line in lines if "x" not in line)
