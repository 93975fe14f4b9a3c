from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from plotbot.errors import InputError
from plotbot.measure.baseline import baseline_text, read_baseline, read_baseline_file
from plotbot.measure.comparison import Comparison, compare_sheets
from plotbot.measure.verdict_sheet import SheetPart, TitleVerdicts, VerdictSheet, verdict_sheet
from plotbot.records import Fingerprint, Question, RunRecords

MakeRun = Callable[..., RunRecords]
QUESTIONS = {"hash-none": Question("Be odd.", {"type": "array"}, "none", "hash-none")}


def _rows(*titles: tuple[str, Sequence[tuple[str, str]]]) -> list[dict[str, Any]]:
    return [
        {
            "model": "org/m", "title": title, "repeat": repeat, "outcome": outcome, "category": category,
            "tolerated": outcome == "passed" and category != "ok",
            "case": f"c-{title}-{repeat}", "item": f"evals/test_a.py::test_a[c-{title}-{repeat}]",
        }
        for title, results in titles
        for repeat, (outcome, category) in enumerate(results, start=1)
    ]  # fmt: skip


GOOD, BAD = ("passed", "ok"), ("failed", "schema")


def _sheet(make_run: MakeRun, *titles: tuple[str, Sequence[tuple[str, str]]], run: str = "r1") -> VerdictSheet:
    records = make_run(*_rows(*titles))
    header = {"params": {"temperature": 0}, "fingerprints": {"org/m": {"sha256": "abc", "slots": 4, "server": "x"}}}
    return verdict_sheet(dataclasses.replace(records, run=run, header=header), QUESTIONS)


def _changed(sheet: VerdictSheet, **fields: Any) -> VerdictSheet:
    return dataclasses.replace(sheet, parts=tuple(dataclasses.replace(part, **fields) for part in sheet.parts))


def _only(comparisons: Sequence[Comparison]) -> Comparison:
    (comparison,) = comparisons
    return comparison


def _titles(found: Sequence[Any]) -> list[str]:
    return [change.title for change in found]


def test_a_sheet_has_a_word_for_everything_that_can_become_of_a_case(make_run: MakeRun) -> None:
    results = [GOOD, BAD, ("passed", "fenced"), ("error", "timeout"), ("skipped", "ok")]
    part = _only_part(_sheet(make_run, ("t1", results)))
    assert part.eval == "evals/test_a.py::test_a[*]"
    assert part.titles["t1"].verdicts == ("ok", "schema", "tolerated:fenced", "error:timeout", "skipped")
    records = dataclasses.replace(make_run(*_rows(("t1", [GOOD]))), results={})
    assert _only_part(verdict_sheet(records, {})).titles["t1"].verdicts == ("not run",)


def _only_part(sheet: VerdictSheet) -> SheetPart:
    (part,) = sheet.parts
    return part


def test_a_baseline_file_is_the_same_for_the_same_run_whatever_its_order(make_run: MakeRun) -> None:
    one = _sheet(make_run, ("t2", [GOOD, BAD]), ("t1", [BAD, GOOD]))
    other = _sheet(make_run, ("t1", [BAD, GOOD]), ("t2", [GOOD, BAD]))
    assert baseline_text(one) == baseline_text(other)
    assert read_baseline(baseline_text(one), "here") == one
    lines = baseline_text(one).splitlines()
    assert [line for line in lines if line.startswith('"t')][1:] == [
        '"t1": {"headline": "a1d0a0ac", "verdicts": ["schema", "ok"]},'.replace("a1d0a0ac", _headline(one)),
        '"t2": {"headline": "a1d0a0ac", "verdicts": ["ok", "schema"]}'.replace("a1d0a0ac", _headline(one)),
    ]


def test_repeats_stand_in_their_order_whatever_order_they_ran_in(make_run: MakeRun) -> None:
    rows = _rows(("t1", [GOOD, BAD, ("failed", "empty")]))
    part = _only_part(verdict_sheet(make_run(*reversed(rows)), QUESTIONS))
    assert part.titles["t1"].verdicts == ("ok", "schema", "empty")


def _headline(sheet: VerdictSheet) -> str:
    return _only_part(sheet).titles["t1"].headline


@pytest.mark.parametrize("name", ["\ud800", "\x00\x1b[2J", "t\u202e", "x" * 10_000])
def test_a_baseline_file_holds_any_title_id(make_run: MakeRun, name: str) -> None:
    sheet = _sheet(make_run, (name, [GOOD]))
    assert baseline_text(sheet).isascii()
    assert read_baseline(baseline_text(sheet), "here") == sheet


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "nonsense",
        '{"baseline_version": 1}',
        '{"baseline_version": 1, "run": "r", "params": {}, "parts": [{"titles": 3}]}',
        '{"baseline_version": 1, "run": "r", "params": {}, "parts": 7}',
        "[" * 100_000,
    ],
)
def test_what_is_no_baseline_is_refused_with_its_file_and_what_to_do(text: str) -> None:
    with pytest.raises(InputError, match=r"config/b\.json: no baseline .*`plotbot baseline RUN`"):
        read_baseline(text, "config/b.json")


def test_a_later_version_and_a_missing_file_are_named(tmp_path: Any) -> None:
    with pytest.raises(InputError, match="a baseline of version 2; this plotbot reads 1"):
        read_baseline('{"baseline_version": 2}', "b.json")
    with pytest.raises(InputError, match=r"b\.json: there is no baseline here"):
        read_baseline_file(tmp_path / "b.json")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(InputError, match="cannot be read"):
        read_baseline_file(tmp_path / "b.json")


def test_a_run_against_itself_has_changed_nothing(make_run: MakeRun) -> None:
    sheet = _sheet(make_run, *[(f"t{n}", [GOOD if n % 3 else BAD]) for n in range(30)])
    found = _only(compare_sheets(sheet, sheet))
    assert (found.broken, found.fixed, found.drifted, found.pairs, found.p) == ((), (), (), 30, 1.0)
    assert (found.alone, found.unrated, found.differences, found.refused) == (0, 0, (), False)


def test_exactly_the_planted_regressions_are_found(make_run: MakeRun) -> None:
    before = _sheet(make_run, *[(f"t{n:02}", [GOOD]) for n in range(50)])
    after = _sheet(make_run, *[(f"t{n:02}", [BAD if n in {3, 17, 44} else GOOD]) for n in range(50)], run="r2")
    found = _only(compare_sheets(before, after))
    assert _titles(found.broken) == ["t03", "t17", "t44"]
    assert (found.fixed, found.drifted, found.pairs) == ((), (), 50)
    assert (found.rate_before, found.rate_after, found.p) == (1.0, 0.94, 0.25)


def test_fixed_titles_and_other_failures_are_told_apart(make_run: MakeRun) -> None:
    before = _sheet(make_run, ("a", [BAD]), ("b", [BAD]), ("c", [GOOD]))
    after = _sheet(make_run, ("a", [GOOD]), ("b", [("failed", "not_json")]), ("c", [("passed", "fenced")]))
    found = _only(compare_sheets(before, after))
    assert (_titles(found.broken), _titles(found.fixed), _titles(found.drifted)) == ([], ["a"], ["b", "c"])


def test_repeats_pair_by_title_and_count_how_many_are_good(make_run: MakeRun) -> None:
    before = _sheet(make_run, ("a", [GOOD, GOOD, GOOD]), ("b", [GOOD, BAD, BAD]), ("c", [GOOD, BAD, GOOD]))
    after = _sheet(make_run, ("a", [GOOD, BAD, GOOD]), ("b", [BAD, BAD, BAD]), ("c", [BAD, GOOD, GOOD]))
    found = _only(compare_sheets(before, after))
    assert (_titles(found.broken), found.fixed, found.drifted) == (["a", "b"], (), ())
    assert (found.pairs, found.p) == (3, 0.5)
    assert (found.rate_before, found.rate_after) == (6 / 9, 4 / 9)


def test_errors_other_headlines_and_other_titles_pair_with_nothing(make_run: MakeRun) -> None:
    before = _sheet(make_run, ("a", [GOOD]), ("b", [GOOD]), ("c", [("error", "timeout")]), ("d", [GOOD]))
    after = _sheet(make_run, ("b", [GOOD]), ("c", [GOOD]), ("d", [("skipped", "ok")]), ("e", [GOOD]))
    found = _only(compare_sheets(before, after))
    assert (found.pairs, found.alone, found.unrated) == (1, 2, 2)
    other = _changed(after, titles={"b": TitleVerdicts("another", ("ok",))})
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
def test_runs_that_asked_otherwise_are_compared_only_anyway(
    make_run: MakeRun, fields: dict[str, Any], said: str
) -> None:
    before = _sheet(make_run, ("a", [GOOD]))
    after = _changed(_sheet(make_run, ("a", [BAD])), **fields)
    refused = _only(compare_sheets(before, after))
    assert refused.refused
    assert refused.broken == ()
    assert refused.differences[0].startswith(said)
    compared = _only(compare_sheets(before, after, anyway=True))
    assert (compared.refused, compared.differences) == (False, refused.differences)
    assert _titles(compared.broken) == ["a"]


def test_other_parameters_are_a_difference_and_another_server_is_a_note(make_run: MakeRun) -> None:
    before = _sheet(make_run, ("a", [GOOD]))
    warmer = dataclasses.replace(before, params={"temperature": 1})
    assert _only(compare_sheets(before, warmer)).differences == ("parameter temperature 0 -> 1",)
    elsewhere = _changed(before, fingerprint={"sha256": "abc", "slots": 9, "server": "y"})
    found = _only(compare_sheets(before, elsewhere))
    assert (found.differences, found.notes, found.refused) == ((), ("server x -> y",), False)


def test_of_hosts_that_differ_a_sheet_has_every_value(make_run: MakeRun) -> None:
    def fingerprint(*told: str) -> object:
        rows = [{**row, "exchange": {}} for row in _rows(("a", [GOOD] * len(told)))]
        records = make_run(*rows)
        exchanges = {
            key: dataclasses.replace(exchange, model="org/m", fingerprint=Fingerprint(sha256=one, slots=4))
            for (key, exchange), one in zip(records.exchanges.items(), told, strict=True)
        }
        return _only_part(verdict_sheet(dataclasses.replace(records, exchanges=exchanges), QUESTIONS)).fingerprint

    assert fingerprint("def", "abc", "def") == {"sha256": "abc or def", "slots": 4}
    assert fingerprint("abc", "abc") == {"sha256": "abc", "slots": 4}


def test_two_models_are_compared_when_both_are_named(make_run: MakeRun) -> None:
    before = _sheet(make_run, ("a", [GOOD]), ("b", [GOOD]))
    other = _changed(_sheet(make_run, ("a", [GOOD]), ("b", [BAD])), model="n", fingerprint={"sha256": "def"})
    both = dataclasses.replace(before, parts=(*before.parts, *other.parts))
    assert compare_sheets(before, other) == ()
    found = _only(compare_sheets(both, both, models=("org/m", "n")))
    assert (found.model, found.refused, _titles(found.broken)) == ("org/m -> n", False, ["b"])
    assert _only(compare_sheets(before, other, anyway=True)).differences == ("model org/m -> n",)
    assert json.loads(baseline_text(both))["parts"][1]["model"] == "n"
