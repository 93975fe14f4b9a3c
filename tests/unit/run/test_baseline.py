from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from plotbot.errors import InputError
from plotbot.measure.verdict_sheet import VerdictSheet
from plotbot.run.baseline import baseline_text, parse_baseline, read_baseline
from tests.unit.measure.rows import BAD, GOOD, changed, only_part, sheet_of


def test_a_baseline_file_is_the_same_for_the_same_run_whatever_its_order() -> None:
    one = sheet_of(("t2", [GOOD, BAD]), ("t1", [BAD, GOOD]))
    other = sheet_of(("t1", [BAD, GOOD]), ("t2", [GOOD, BAD]))
    assert baseline_text(one) == baseline_text(other)
    assert parse_baseline(baseline_text(one), "here") == one
    lines = baseline_text(one).splitlines()
    assert [line for line in lines if line.startswith('"t')][1:] == [
        '"t1": {"headline": "a1d0a0ac", "verdicts": ["schema", "ok"]},'.replace("a1d0a0ac", _headline(one)),
        '"t2": {"headline": "a1d0a0ac", "verdicts": ["ok", "schema"]}'.replace("a1d0a0ac", _headline(one)),
    ]


def _headline(sheet: VerdictSheet) -> str:
    return only_part(sheet).titles["t1"].headline


def test_a_baseline_file_holds_what_a_variant_is_and_asks_with() -> None:
    plain = sheet_of(("t1", [GOOD]))
    sheet = changed(plain, variant="short.txt t=0.2", params={"temperature": 0.2})
    assert parse_baseline(baseline_text(sheet), "here") == sheet
    assert "variant" not in baseline_text(plain), "a file that earlier versions read"


@pytest.mark.parametrize("name", ["\ud800", "\x00\x1b[2J", "t\u202e", "x" * 10_000])
def test_a_baseline_file_holds_any_title_id(name: str) -> None:
    sheet = sheet_of((name, [GOOD]))
    assert baseline_text(sheet).isascii()
    assert parse_baseline(baseline_text(sheet), "here") == sheet


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
        parse_baseline(text, "config/b.json")


def test_a_later_version_and_a_missing_file_are_named(tmp_path: Any) -> None:
    with pytest.raises(InputError, match="a baseline of version 2; this plotbot reads 1"):
        parse_baseline('{"baseline_version": 2}', "b.json")
    with pytest.raises(InputError, match=r"b\.json: there is no baseline here"):
        read_baseline(tmp_path / "b.json")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(InputError, match="cannot be read"):
        read_baseline(tmp_path / "b.json")


def test_each_model_has_a_part() -> None:
    before = sheet_of(("a", [GOOD]))
    both = dataclasses.replace(before, parts=(*before.parts, *changed(before, model="n").parts))
    assert json.loads(baseline_text(both))["parts"][1]["model"] == "n"
