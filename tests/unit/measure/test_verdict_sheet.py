from __future__ import annotations

import dataclasses

from plotbot.fingerprint import Fingerprint
from plotbot.measure.verdict_sheet import verdict_sheet
from tests.unit.measure.rows import BAD, GOOD, QUESTIONS, only_part, rows_of, run_of, sheet_of


def test_a_sheet_has_a_word_for_everything_that_can_become_of_a_case() -> None:
    results = [GOOD, BAD, ("passed", "fenced"), ("error", "timeout"), ("skipped", "ok")]
    part = only_part(sheet_of(("t1", results)))
    assert part.eval == "evals/test_a.py::test_a[*]"
    assert part.titles["t1"].verdicts == ("ok", "schema", "tolerated:fenced", "error:timeout", "skipped")
    records = dataclasses.replace(run_of(*rows_of(("t1", [GOOD]))), results={})
    assert only_part(verdict_sheet(records, {})).titles["t1"].verdicts == ("not run",)


def test_repeats_stand_in_their_order_whatever_order_they_ran_in() -> None:
    rows = rows_of(("t1", [GOOD, BAD, ("failed", "empty")]))
    part = only_part(verdict_sheet(run_of(*reversed(rows)), QUESTIONS))
    assert part.titles["t1"].verdicts == ("ok", "schema", "empty")


def test_of_hosts_that_differ_a_sheet_has_every_value() -> None:
    def fingerprint(*told: str) -> object:
        rows = [{**row, "exchange": {}} for row in rows_of(("a", [GOOD] * len(told)))]
        records = run_of(*rows)
        exchanges = {
            key: dataclasses.replace(exchange, model="org/m", fingerprint=Fingerprint(sha256=one, slots=4))
            for (key, exchange), one in zip(records.exchanges.items(), told, strict=True)
        }
        return only_part(verdict_sheet(dataclasses.replace(records, exchanges=exchanges), QUESTIONS)).fingerprint

    assert fingerprint("def", "abc", "def") == {"sha256": "abc or def", "slots": 4}
    assert fingerprint("abc", "abc") == {"sha256": "abc", "slots": 4}
