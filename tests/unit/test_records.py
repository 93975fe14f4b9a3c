from __future__ import annotations

import dataclasses
import inspect
import json
from typing import Any

import pytest

from plotbot import records
from plotbot.categories import OK
from plotbot.fingerprint import Fingerprint
from plotbot.records import Attempt, Case, Exchange, Fault, Finding, ItemResult, Reply, Title, Verdict, Violation

HOSTILE = "\x00\x1b[2J\u202e \ud800 'quoted' {braced} 👻"
CASE = Case("id", "slug", "qwen/qwen3-4b", Title("t", HOSTILE), "hash", "none", 2, 2**31 - 1)
ATTEMPTS = (
    Attempt("2026-11-22T12:00:00Z", 0.5, None, Fault("timeout", HOSTILE), "127.0.0.1:1234"),
    Attempt("2026-11-22T12:00:01Z", 0.25, 200),
)
RECORDS: list[Any] = [
    CASE,
    Exchange("id", "m", "now", 0.25, ATTEMPTS, reply=Reply(HOSTILE, HOSTILE, "stop", "m", 1, 2, 3.5, {"a": [None]})),
    Exchange("id", "m", "now", 0.25, ATTEMPTS, None, Fault("protocol", HOSTILE), {"a": 1}, raw=b"\x00\xff<html>"),
    ItemResult("id", "evals/test_a.py::test_a[x]", "failed", "schema", HOSTILE, (Violation("$", "type", HOSTILE),),
               (Finding("$[0]", "placeholder", HOSTILE),), recoverable=True, kept=True, seconds=1.5, phase="setup"),
]  # fmt: skip


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_survives_the_journal_whatever_it_holds(record: Any) -> None:
    line = json.dumps(record.to_json())
    assert line.isascii()
    assert type(record).from_json(json.loads(line)) == record


def test_what_reports_count_of_many_exchanges_is_in_memory_once() -> None:
    one, other = (
        Exchange.from_json(json.loads(json.dumps(record.to_json()))).without_text()
        for record in (RECORDS[1], dataclasses.replace(RECORDS[1], at="later", fingerprint=Fingerprint(slots=4)))
    )
    assert one.reply == Reply("", "", "stop", "m", 1, 2, 3.5)
    assert [(attempt.status, attempt.fault, attempt.host) for attempt in one.attempts] == [
        (attempt.status, attempt.fault, attempt.host) for attempt in ATTEMPTS
    ]
    assert one.attempts is other.attempts
    assert (one.seconds, one.host, other.fingerprint.slots) == (0.25, "", 4)


def test_what_many_results_have_in_common_is_in_memory_once() -> None:
    one, other = (ItemResult.from_json(json.loads(json.dumps(RECORDS[3].to_json()))) for _ in "ab")
    assert one == other == RECORDS[3]
    assert one.message is other.message
    assert one.violations is other.violations


def test_a_journal_changed_by_hand_may_hold_anything_in_the_place_of_a_word() -> None:
    changed = {
        **RECORDS[3].to_json(),
        "message": ["no text"],
        "violations": [{"path": [], "keyword": {}, "message": 1}],
    }
    assert ItemResult.from_json(changed).to_json() == changed
    hosts = [{**attempt, "host": []} for attempt in RECORDS[1].to_json()["attempts"]]
    exchange = Exchange.from_json({**RECORDS[1].to_json(), "attempts": hosts, "model": {}, "fingerprint": {"key": []}})
    assert exchange.without_text().to_json()["model"] == {}


def test_every_record_is_frozen_and_has_slots() -> None:
    kinds = [kind for _, kind in inspect.getmembers(records, inspect.isclass) if dataclasses.is_dataclass(kind)]
    assert len(kinds) >= 14
    for kind in kinds:
        assert kind.__hash__ is not None, f"{kind} is not frozen"
        assert "__slots__" in vars(kind), kind


@pytest.mark.parametrize(
    ("verdict", "ok"),
    [(Verdict(OK), True), (Verdict("fenced"), False), (Verdict("fenced", recoverable=True, tolerated=True), True)],
)
def test_a_verdict_is_ok_when_it_is_good_or_tolerated(verdict: Verdict, ok: bool) -> None:
    assert verdict.ok is ok


def test_a_fingerprint_has_in_json_what_is_told_and_reads_one_of_a_later_version() -> None:
    served = Fingerprint(server="lmstudio", key="m", slots=4)
    assert served.to_json() == {"server": "lmstudio", "key": "m", "slots": 4}
    assert Fingerprint.from_json({**served.to_json(), "tokenizer": "new"}) == served


def test_fingerprints_differ_in_fields_that_both_tell() -> None:
    one, other = Fingerprint(key="a", format="gguf", slots=4), Fingerprint(key="b", quantization="Q8_0", slots=4)
    assert one.differing(other, Fingerprint.PINNED) == ["key"]
    assert one.differing(other, Fingerprint.PINNED, must_tell=True) == ["key", "format"]


def test_every_compared_field_is_a_field_of_the_fingerprint() -> None:
    fields = {field.name for field in dataclasses.fields(Fingerprint)}
    assert {*Fingerprint.PINNED, *Fingerprint.SERVER} == fields - {"model", "publisher"}
    assert set(Fingerprint.MODEL) == set(Fingerprint.PINNED) - {"slots"}
    assert set(Fingerprint.PINNED) >= Fingerprint.ONLY_LOADED
