"""Files of labels: what is refused, and which labels count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plotbot.errors import InputError
from plotbot.plan.criteria import Criterion
from plotbot.run.labels import Label, counted, read_labels

HOOK = Criterion("hook", "Is there one?")
GOOD = {"answer": "a1", "criterion": "hook", "wording": HOOK.digest, "label": "pass", "labeller": "ann", "at": "2026"}


def _label(**changes: str) -> Label:
    return Label(**{**GOOD, **changes})


def test_of_several_labels_the_last_of_each_labeller_counts_and_then_most_of_them() -> None:
    labels = [
        _label(label="fail", at="2026-02"),
        _label(at="2026-01"),
        _label(answer="a2", labeller="bob"),
        _label(answer="a2", label="fail", labeller="cat"),
        _label(answer="a2", label="fail"),
        _label(answer="a3"),
        _label(answer="a3", label="fail", labeller="bob"),
    ]
    told = counted(labels, [HOOK], {"a1": 1, "a2": 1, "a3": 1})
    assert told.good == {"hook": {"a1": False, "a2": False}}
    assert told.notes == ("1 answer without a label: as many labellers say pass as fail",)


def test_what_does_not_count_is_said() -> None:
    labels = [
        _label(wording="00000000"),
        _label(wording="00000000", answer="a2"),
        _label(criterion="\x1bold"),
        _label(answer="x"),
    ]
    told = counted(labels, [HOOK], {"a1": 1})
    assert told.good == {}
    assert told.notes == (
        "2 labels of hook void: its wording has changed since",
        "1 label of \\x1bold void: there is no such criterion any more",
        "1 label of answers that were not judged left out",
    )


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ([], "no file of labels"),
        ({"labels_version": 2, "run": "r", "labels": []}, "no file of labels"),
        ({"labels_version": 1, "run": "", "labels": []}, "`run` is the id"),
        ({"labels_version": 1, "run": "r", "labels": {}}, "`labels` is a list"),
        ({"labels_version": 1, "run": "r", "labels": [GOOD, 1]}, "label 2"),
        ({"labels_version": 1, "run": "r", "labels": [{**GOOD, "label": "maybe"}]}, "'pass' or 'fail'"),
        ({"labels_version": 1, "run": "r", "labels": [{**GOOD, "answer": 7}]}, "no 'answer'"),
    ],
)
def test_another_file_is_refused_with_the_place(tmp_path: Path, document: Any, why: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputError, match=why):
        read_labels(path)
    path.write_text(json.dumps({"labels_version": 1, "run": "r", "labels": [GOOD]}), encoding="utf-8")
    assert read_labels(path).labels == (_label(),)
