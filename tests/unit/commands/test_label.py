from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder
from plotbot.keep.run_reading import read_run
from plotbot.measure.judged import JudgedAnswer, Judgements
from plotbot.measure.tally import ModelVariant
from plotbot.plan.criteria import read_criteria
from plotbot.run.answers import answer_titles
from plotbot.run.judged import write_judgements

Make = Callable[..., Any]
CRITERIA = Path(__file__).parents[3] / "data" / "criteria.json"
AT = "2026-11-29T10:00:00Z"


@pytest.fixture
def labelled(project: Path, runs_dir: Path, write_run: Make, row: Make) -> RunFolder:
    folder: RunFolder = write_run(runs_dir, *(row(one) for one in "abcdefgh"), row("x", outcome="failed"))
    shutil.copyfile(CRITERIA, project / "data" / "criteria.json")
    return folder


@pytest.fixture
def labels_of(project: Path, labelled: RunFolder) -> Make:
    """Write a file of one labeller's labels; *said* are pairs of a title's id and a label."""
    ids = {one.fields["title_id"]: one.id for one in answer_titles(read_run(labelled, Disk()))}
    wording = {one.name: one.digest for one in read_criteria(CRITERIA)}

    def write(name: str, said: Mapping[str, str], run: str = labelled.run_id, **more: str) -> Path:
        path = project / f"{name}.json"
        labels = [
            {"answer": ids[one], "criterion": "hook", "wording": wording["hook"], "label": label, "labeller": name,
             "at": AT, **more}
            for one, label in said.items()
        ]  # fmt: skip
        path.write_text(json.dumps({"labels_version": 1, "run": run, "labels": labels}), encoding="ascii")
        return path

    return write


def test_the_page_is_written_beside_the_run_without_verdict_and_subject(plotbot: Make, labelled: RunFolder) -> None:
    ids = [one.id for one in answer_titles(read_run(labelled, Disk()))]
    verdicts = {"quality.hook": {one: [True] for one in ids} | {ids[0]: [False]}}
    wording = {"hook": read_criteria(CRITERIA)[0].wording}
    answers = {one: JudgedAnswer(ModelVariant("m"), "t") for one in ids}
    write_judgements(labelled, Judgements(labelled.run_id, "j", "r", {}, wording, answers, verdicts), Disk())
    printed = plotbot("label", "last", "--criterion", "hook", "--most", "2")
    assert (printed.status, printed.err) == (0, "")
    assert printed.out.startswith("2 questions about 2 of 8 answers\nhalf of the answers")
    page = (labelled.path / "label.html").read_text(encoding="utf-8")
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert ids[0] in {one["id"] for one in data["answers"]}
    assert data["answers"][0].keys() == {"id", "headline", "entries"}


def test_without_criteria_the_file_is_named(plotbot: Make, runs_dir: Path, write_run: Make, row: Make) -> None:
    write_run(runs_dir, row("a"))
    printed = plotbot("label", "last")
    assert printed.status == 4
    assert "data/criteria.json: there are no criteria to label by" in printed.err
    assert "--criteria FILE" in printed.err


def test_two_labellers_are_put_together_with_their_agreement(plotbot: Make, project: Path, labels_of: Make) -> None:
    ann = labels_of("ann", dict.fromkeys("abcd", "pass") | dict.fromkeys("efgh", "fail"))
    bob = labels_of("bob", dict.fromkeys("abc", "pass") | dict.fromkeys("def", "fail"))
    assert plotbot("label", "--take", str(ann)).status == 0
    printed = plotbot("label", "--take", str(bob), "--take", str(ann))
    assert printed.out.splitlines()[1:3] == [
        "labellers: ann 8, bob 6",
        "hook: ann and bob agree on 5 of 6 (83.3%), kappa 0.67",
    ]
    assert "14 labels, 6 of them new, 0 changed" in printed.out
    again = labels_of("ann", {"a": "fail"}, at="2026-11-29T12:00:00+01:00")
    earlier = labels_of("ann2", {"b": "fail"}, at="2026-11-29T09:00:00Z", labeller="ann")
    printed = plotbot("label", "--take", str(again), "--take", str(earlier))
    assert "14 labels, 0 of them new, 1 changed" in printed.out
    kept = json.loads((project / "data" / "labels.json").read_bytes())["labels"]
    assert [one["label"] for one in kept if one["labeller"] == "ann"].count("fail") == 5


def test_labels_of_a_former_wording_stay_in_the_file_and_are_called_void(
    plotbot: Make, project: Path, labels_of: Make
) -> None:
    plotbot("label", "--take", str(labels_of("ann", dict.fromkeys("abc", "pass"))))
    criteria = project / "data" / "criteria.json"
    criteria.write_text(criteria.read_text(encoding="utf-8").replace("Would a reader", "Would no reader"))
    bob = labels_of("bob", {"a": "pass"})
    printed = plotbot("label", "--take", str(bob))
    assert "4 labels of hook void: its wording has changed since" in printed.out
    assert "agree" not in printed.out
    assert len(json.loads((project / "data" / "labels.json").read_bytes())["labels"]) == 4


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"run": "another"}, "its labels are of run 'another'"),
        ({"answer": "zzz\x1b"}, r"label 1 is of an answer that run 20261122-121501-7f3a01 has not: 'zzz\x1b'"),
        ({"at": "yesterday"}, "label 1: its `at` is a time with its zone"),
        ({"at": "2026-11-29T10:00:00"}, "label 1: its `at` is a time with its zone"),
        ({"label": "maybe"}, "label 1: its label is 'pass' or 'fail', not 'maybe'"),
        ({"labeller": " "}, "label 1 has no 'labeller'"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused_whole(
    plotbot: Make, project: Path, labels_of: Make, more: dict[str, str], said: str
) -> None:
    printed = plotbot("label", "--take", str(labels_of("ann", {"a": "pass"}, **more)))
    assert printed.status == 4
    assert said in printed.err
    assert not (project / "data" / "labels.json").exists()


def test_options_that_make_no_sense_are_refused(plotbot: Make, labelled: RunFolder) -> None:
    assert "--most 0" in plotbot("label", "--most", "0").err
    assert "--take FILE" in plotbot("label", "--into", "x.json").err
    assert "has hook, stakes" in plotbot("label", "--criterion", "hok").err


def test_many_labellers_are_not_all_compared_with_each_other(plotbot: Make, project: Path, labels_of: Make) -> None:
    document = json.loads(labels_of("ann", dict.fromkeys("ab", "pass")).read_bytes())
    one = document["labels"][0]
    document["labels"] += [{**one, "labeller": f"p{number:03}"} for number in range(200)]
    (project / "many.json").write_text(json.dumps(document), encoding="ascii")
    printed = plotbot("label", "--take", str(project / "many.json"))
    assert printed.status == 0
    lines = printed.out.splitlines()
    assert lines[1].startswith("labellers: ann 2, p000 1, ")
    assert lines[1].endswith(" and 191 others")
    assert len([line for line in lines if "agree on" in line]) == 45
    assert "of each question's labellers the 10 with the most labels are compared" in lines
