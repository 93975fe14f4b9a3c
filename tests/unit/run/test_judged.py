"""judged.json: what it carries from a judge's run to the report, and labels of another run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from plotbot.errors import InputError
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder
from plotbot.measure.judged import CHOICE, PAIR, JudgedAnswer, Judgements, measure_judged
from plotbot.measure.tally import ModelVariant
from plotbot.plan.criteria import Criterion
from plotbot.report.judged import judged_json, judged_lines
from plotbot.run.judged import joined_judgements, read_judgements, with_labels, write_judgements
from plotbot.run.labels import Label, Labels

WORDING = "Is there a hook?"
DISK = Disk()


def _judgements(run: str = "20261129-030000-aaaaaa", judge: str = "judge", subject: str = "a\x1b[2J") -> Judgements:
    """Forty answers; the judge passes those below 30, and is right about those below 24 and from 32 on."""
    ids = [f"a{number:02}" for number in range(40)]
    return Judgements(
        run=run,
        judge=judge,
        judge_run="20261129-040000-bbbbbb",
        fingerprint={"key": "k", "sha256": "0" * 64},
        criteria={"hook": WORDING},
        answers={
            one: JudgedAnswer(ModelVariant(subject if number % 2 else "b", ""), f"t{number // 2}", number % 10 == 0)
            for number, one in enumerate(ids)
        },
        verdicts={
            CHOICE: {one: [number % 8 != 0] for number, one in enumerate(ids)},
            PAIR: {one: [True] for one in ids},
            "quality.hook": {one: [number < 30, number < 30] for number, one in enumerate(ids)},
        },
    )


def _labels(run: str, wording: str = WORDING, every: int = 1) -> Labels:
    digest = Criterion("hook", wording).digest
    good = {f"a{number:02}": number < 24 or 30 <= number < 32 for number in range(0, 40, every)}
    labels = [Label(one, "hook", digest, "pass" if good[one] else "fail", "ann", "2026") for one in good]
    return Labels(run, tuple(labels))


def _folder(path: Path, judgements: Judgements) -> Mapping[str, RunFolder]:
    folder = RunFolder(path / judgements.run)
    folder.path.mkdir()
    write_judgements(folder, judgements, DISK)
    return {judgements.run: folder}


def test_what_is_written_is_read_and_gives_the_same_numbers(tmp_path: Path) -> None:
    judgements = replace(_judgements(), thresholds={"about": 0.5, "quality.hook": 0.4}, failed={"fenced": 2})
    labelled = with_labels(judgements, _labels(judgements.run), {}, DISK)
    (folder,) = _folder(tmp_path, labelled).values()
    again = read_judgements(folder, DISK)
    assert again is not None
    assert json.dumps(judged_json(measure_judged(again))) == json.dumps(judged_json(measure_judged(labelled)))
    lines = judged_lines(measure_judged(again))
    assert all(len(line) <= 80 and line.isprintable() for line in lines)
    text = " ".join(" ".join(lines).split())
    assert "sensitivity 0.92, specificity 0.57, kappa 0.53, base rate 65.0%, by 40 labels" in text
    assert "false positives: yes to 4 of 4 planted mismatches" in text
    assert "gate quality.hook of b: PASS" in text
    assert "is one of the judged" not in text
    own = measure_judged(replace(labelled, judge="b"))
    assert "the judge is one of the judged" in " ".join(judged_lines(own))


def test_what_one_judge_said_of_all_parts_is_said_of_the_joined_run(tmp_path: Path) -> None:
    whole = replace(_judgements(), failed={"fenced": 4}, thresholds={"about": 0.5})
    whole = with_labels(whole, _labels(whole.run), {}, DISK)
    parts = []
    for number in range(3):
        mine = {one for place, one in enumerate(whole.answers) if place % 2 == number}
        part = replace(
            whole,
            run=f"20261129-03000{number}-aaaaaa",
            failed={"fenced": 2},
            answers={one: whole.answers[one] for one in whole.answers if one in mine},
            verdicts={name: {one: by[one] for one in by if one in mine} for name, by in whole.verdicts.items()},
            labels={name: {one: by[one] for one in by if one in mine} for name, by in whole.labels.items()},
        )
        parts.append(RunFolder(tmp_path / part.run))
        parts[-1].path.mkdir()
        if mine:
            write_judgements(parts[-1], part, DISK)
    warned: list[str] = []
    joined = joined_judgements(parts, whole.run, DISK, warned.append)
    assert joined is not None
    told = measure_judged(joined)
    assert (told.rows, told.choice, told.believed, told.gates) == (
        (expected := measure_judged(whole)).rows, expected.choice, expected.believed, expected.gates,
    )  # fmt: skip
    assert (joined.failed, joined.notes) == ({"fenced": 4}, ["run 20261129-030002-aaaaaa was not judged"])
    assert joined_judgements(parts[2:], whole.run, DISK, warned.append) is None
    assert warned == []
    write_judgements(parts[2], replace(whole, judge="another"), DISK)
    assert joined_judgements(parts, whole.run, DISK, warned.append) is None
    assert "not one judge" in warned[0]


@pytest.mark.parametrize("content", ["[]", "{}", '{"judged_version": 2}', "{", '{"judged_version": 1, "judge": []}'])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    folder = RunFolder(tmp_path)
    folder.judged.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"judged\.json"):
        read_judgements(folder, DISK)
    assert read_judgements(RunFolder(tmp_path / "x"), DISK) is None


def test_labels_of_another_run_are_said_to_assume_that_the_judge_errs_alike(tmp_path: Path) -> None:
    mine, other = _judgements(), _judgements("20261128-030000-cccccc")
    runs = _folder(tmp_path, other)
    told = measure_judged(with_labels(mine, _labels(other.run), runs, DISK))
    for row in told.rows:
        (hook,) = row.criteria
        assert hook.assumed
        assert hook.estimate is not None
        assert hook.estimate.interval.method == "rogan_gladen"
        assert hook.estimate.interval.low < 0.65 < hook.estimate.interval.high
    assert "it is assumed that the judge errs alike" in " ".join(" ".join(judged_lines(told)).split())
    with pytest.raises(InputError, match="has not been judged here"):
        with_labels(mine, _labels("20261127-030000-dddddd"), runs, DISK)
    with pytest.raises(InputError, match="which 'judge' judged"):
        with_labels(replace(mine, judge="j2"), _labels(other.run), runs, DISK)


def test_labels_of_one_subject_alone_do_not_pass_for_those_of_another(tmp_path: Path) -> None:
    judgements = with_labels(_judgements(), _labels(_judgements().run, every=2), {}, DISK)
    rows = {row.row.model: row.criteria[0] for row in measure_judged(judgements).rows}
    assert not rows["b"].assumed
    assert rows["a\x1b[2J"].assumed


def test_labels_of_another_wording_do_not_count() -> None:
    judgements = with_labels(_judgements(), _labels(_judgements().run, "Is there a good hook?"), {}, DISK)
    assert judgements.labels == {}
    assert judgements.notes == ("40 labels of hook void: its wording has changed since",)
    assert all(row.criteria[0].estimate is None for row in measure_judged(judgements).rows)


def test_a_judge_that_finds_few_of_the_good_holds_no_gate_although_its_kappa_would_do() -> None:
    # Of 100 answers 7 are good. The judge passes two of them and nothing else.
    ids = [f"a{number:02}" for number in range(100)]
    judgements = replace(
        _judgements(),
        answers={one: JudgedAnswer(ModelVariant("b"), one) for one in ids},
        verdicts={"quality.hook": {one: [number < 2] for number, one in enumerate(ids)}},
        labels={"hook": {one: number < 7 for number, one in enumerate(ids)}},
        labels_run=_judgements().run,
        thresholds={"quality.hook": 0.01},
    )
    told = measure_judged(judgements)
    (believed,) = told.believed
    assert believed.reliability is not None
    assert believed.reliability.kappa == pytest.approx((0.95 - 0.9128) / (1 - 0.9128))
    (gate,) = told.gates
    assert gate.verdict == "INCONCLUSIVE"
    assert gate.reason == "the judge's sensitivity + specificity - 1 is 0.29, below 0.3"
    assert "gate quality.hook of b: INCONCLUSIVE: the judge's sensitivity + specificity" in " ".join(judged_lines(told))
