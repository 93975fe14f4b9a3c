from __future__ import annotations

import json
from typing import Any

import pytest

from plotbot.plugin.outcomes import attach, result_on, serializable
from plotbot.records import Finding, ItemResult, Violation

RESULT = ItemResult(
    "id", "evals/test_a.py::test_a[x]", "failed", "schema", "\x1b[2J", (Violation("$", "type", "no"),),
    (Finding("$[0]", "placeholder", "no"),), recoverable=True, kept=True, seconds=1.5,
)  # fmt: skip


def _report(**attributes: Any) -> pytest.TestReport:
    return pytest.TestReport("evals/test_a.py::test_a[x]", ("", 0, ""), {}, "passed", None, "call", **attributes)


def test_a_result_reaches_the_main_process_from_a_worker() -> None:
    sent = _report()
    attach(sent, RESULT)
    line = json.dumps(serializable(dict(sent.__dict__)))
    received = _report()
    received.__dict__.update(json.loads(line))
    assert result_on(received) == RESULT
    assert result_on(received) is result_on(received)


def test_a_report_of_no_eval_has_no_result() -> None:
    assert result_on(_report()) is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("\ud800", "\\ud800"),
        ({"a": ("\udfff", 1)}, {"a": ("\\udfff", 1)}),
        ([b"x", None, 1.5, True], [b"x", None, 1.5, True]),
        ({"a": {1, 2} - {2}}, {"a": "{1}"}),
    ],
)
def test_what_leaves_a_worker_is_builtin_and_can_be_encoded(data: Any, expected: Any) -> None:
    assert serializable(data) == expected
