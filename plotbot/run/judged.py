"""`judged.json` in a run's folder: what a judge said of its answers, and the labels beside it.

It is made from the judge's own run, read with the run whenever its summary and pages are written, and measured then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from plotbot.errors import InputError
from plotbot.judge import kept_values
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder, judged_run
from plotbot.keep.run_reading import RunOnDisk, read_run
from plotbot.measure.judged import (
    CHOICE,
    PAIR,
    QUALITY,
    JudgedAnswer,
    JudgedMetrics,
    Judgements,
    measure_judged,
)
from plotbot.measure.judging import Calibration, Labelled
from plotbot.measure.tally import ModelVariant
from plotbot.plan.criteria import YES, Criterion
from plotbot.records import Case, Question
from plotbot.run.labels import Labels, counted
from plotbot.run.resume_command import judged_by_command
from plotbot.safe import one_line

JUDGED_VERSION = 1
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError)


def judgements_of(judge_run: RunFolder, disk: Disk) -> Judgements:
    """What the judge said in its run. Raises `InputError` for a run that did not judge answers."""
    run, subjects = read_run(judge_run, disk), judged_run(judge_run)
    if subjects is None:
        raise InputError(f"{judge_run.path}: this run did not judge the answers of another one")
    answers: dict[str, JudgedAnswer] = {}
    said: dict[str, dict[str, list[bool]]] = {}
    failed = Counter[str]()
    wordings: dict[str, str] = {}
    value_of = kept_values()
    for item in run.items:
        case, result = run.cases[item.case], run.results.get(item.item)
        question = run.questions[case.prompt_hash]
        wordings |= _wordings(question)
        answers[case.title.id] = _answer(case)
        exchange = run.exchange(case.id) if result is not None else None
        if result is None or exchange is None or result.outcome not in {"passed", "failed"}:
            continue
        if result.outcome == "failed":
            failed[result.category] += 1
            continue
        for name, verdict in _verdicts(value_of(exchange, result, question), case, question):
            said.setdefault(name, {}).setdefault(case.title.id, []).append(verdict)
    models = list(run.header.get("models", ()))
    if len(models) > 1:
        named = one_line(", ".join(map(str, models)), 200)
        raise InputError(f"{judge_run.path}: several models judged in this run ({named}): let one judge at a time")
    fingerprints = run.header.get("fingerprints", {})
    judge = models[0] if models else ""
    return Judgements(
        run=subjects,
        judge=judge,
        judge_run=judge_run.run_id,
        fingerprint=dict(fingerprints.get(judge, {})),
        criteria=wordings,
        answers=answers,
        verdicts=said,
        failed=dict(failed.most_common()),
    )


def with_labels(judgements: Judgements, labels: Labels, runs: Mapping[str, RunFolder], disk: Disk) -> Judgements:
    """The judgements with the labels of a file beside them.

    Labels of another run count through that run's own judgements: the same judge's, of a run among *runs*. Raises
    `InputError` where these are missing or another judge's.
    """
    criteria = [Criterion(name, wording) for name, wording in judgements.criteria.items()]
    if labels.run == judgements.run:
        told = counted(labels.labels, criteria, judgements.answers)
        return replace(judgements, labels=told.good, elsewhere={}, labels_run=labels.run, notes=told.notes)
    other = read_judgements(runs[labels.run], disk) if labels.run in runs else None
    if other is None:
        raise InputError(
            f"the labels are of run {labels.run!r:.60}, which has not been judged here: judge it first with the same "
            "judge, or label this run"
        )
    if not _same_judge(other, judgements):
        raise InputError(
            f"the labels are of run {labels.run!r:.60}, which {other.judge!r:.80} judged: they say nothing of "
            f"{judgements.judge!r:.80}"
        )
    told = counted(labels.labels, criteria, other.answers)
    labelled = replace(other, labels=told.good)
    elsewhere = {
        name: Calibration(labelled.by_title(f"{QUALITY}{name}"), labelled.labelled(name))
        for name in told.good
        if labelled.labelled(name).count and other.criteria.get(name) == judgements.criteria[name]
    }
    return replace(judgements, labels={}, elsewhere=elsewhere, labels_run=labels.run, notes=told.notes)


def write_judgements(folder: RunFolder, judgements: Judgements, disk: Disk) -> None:
    """Write a run's judged.json. Raises `KeepError` naming it if it cannot be written."""
    folder.write_json(folder.judged, _to_json(judgements), disk)


def read_judgements(folder: RunFolder, disk: Disk) -> Judgements | None:
    """A run's judgements; None if it has not been judged. Raises `InputError` where the file is damaged."""
    if not folder.judged.exists():
        return None
    data = folder.read_json(folder.judged, disk)
    try:
        return _from_json(data)
    except _MALFORMED as error:
        raise InputError(
            f"{folder.judged}: damaged ({type(error).__name__}): remove it, or judge the run again"
        ) from error


def judged_metrics(folder: RunFolder, disk: Disk) -> JudgedMetrics | None:
    """The numbers of a judged run; None if it has not been judged. Raises `InputError` where its file is damaged."""
    judgements = read_judgements(folder, disk)
    return None if judgements is None else measure_judged(judgements)


def joined_judgements(
    parts: Sequence[RunFolder], run: str, disk: Disk, warn: Callable[[str], None]
) -> Judgements | None:
    """What one judge said of the answers of all *parts* of a plan, as said of the *run* that joins them.

    None where no part was judged, or not all by the same judge with the same questions, which *warn* is told. Raises
    `InputError` where the file of a part is damaged.
    """
    read = {part.run_id: read_judgements(part, disk) for part in parts}
    judged = [one for one in read.values() if one is not None]
    if not judged:
        return None
    first = judged[0]
    if any(not _same_judge(one, first) or one.criteria != first.criteria for one in judged):
        warn("what judges said of the parts is left out: they are not one judge with the same questions")
        return None
    missing = [name for name, one in read.items() if one is None]
    verdicts: dict[str, dict[str, Sequence[bool]]] = {}
    labels: dict[str, dict[str, bool]] = {}
    for one in judged:
        for name, by_answer in one.verdicts.items():
            verdicts.setdefault(name, {}).update(by_answer)
        for name, by_label in one.labels.items():
            labels.setdefault(name, {}).update(by_label)
    notes = [*(note for one in judged for note in one.notes), *(f"run {name} was not judged" for name in missing)]
    return replace(
        first,
        run=run,
        judge_run=", ".join(one.judge_run for one in judged),
        answers={name: answer for one in judged for name, answer in one.answers.items()},
        verdicts=verdicts,
        failed=dict(sum((Counter(one.failed) for one in judged), Counter()).most_common()),
        labels=labels,
        labels_run=run if labels else first.labels_run,
        notes=list(dict.fromkeys(notes)),
        thresholds=first.thresholds if all(one.thresholds == first.thresholds for one in judged) else {},
    )


def _same_judge(one: Judgements, other: Judgements) -> bool:
    return one.judge == other.judge and one.fingerprint.get("sha256") == other.fingerprint.get("sha256")


def _answer(case: Case) -> JudgedAnswer:
    fields = case.title.fields
    row = ModelVariant(str(fields["subject"]), str(fields["variant"]))
    return JudgedAnswer(row, str(fields["title_id"]), planted=bool(fields.get("planted")))


def _wordings(question: Question) -> dict[str, str]:
    """The criteria that a question asks about, as it was asked; none for a question about the headline."""
    properties: Mapping[str, Any] = question.schema.get("properties", {})
    return {} if "why" in properties else {name: str(entry["description"]) for name, entry in properties.items()}


def _verdicts(value: Any, case: Case, question: Question) -> Iterator[tuple[str, bool]]:
    """What a reply of the judge says, by question."""
    if "choice" in question.schema.get("properties", {}):
        yield CHOICE, value["choice"] == case.title.fields["own"]
    elif "verdict" in question.schema.get("properties", {}):
        yield PAIR, value["verdict"] == YES
    else:
        for name in _wordings(question):
            yield f"{QUALITY}{name}", value[name]["verdict"] == YES


def _to_json(judgements: Judgements) -> dict[str, Any]:
    return {
        "judged_version": JUDGED_VERSION,
        "run": judgements.run,
        "judge": {"model": judgements.judge, "run": judgements.judge_run, "fingerprint": dict(judgements.fingerprint)},
        "criteria": dict(judgements.criteria),
        "answers": {
            answer_id: {"model": one.row.model, "variant": one.row.variant, "title": one.title, "planted": one.planted}
            for answer_id, one in judgements.answers.items()
        },
        "verdicts": {name: {one: list(said) for one, said in by.items()} for name, by in judgements.verdicts.items()},
        "failed": dict(judgements.failed),
        "labels": {name: dict(by_answer) for name, by_answer in judgements.labels.items()},
        "labels_run": judgements.labels_run,
        "elsewhere": {
            name: {"titles": [list(one) for one in source.titles], "labelled": _labelled_to_json(source.labelled)}
            for name, source in judgements.elsewhere.items()
        },
        "notes": list(judgements.notes),
        "thresholds": dict(judgements.thresholds),
    }


def _labelled_to_json(labelled: Labelled) -> Sequence[int]:
    return [labelled.passed, labelled.passed_good, labelled.failed, labelled.failed_good]


def _from_json(data: Mapping[str, Any]) -> Judgements:
    if data["judged_version"] != JUDGED_VERSION:
        raise ValueError("another version")
    judge = data["judge"]
    return Judgements(
        run=str(data["run"]),
        judge=str(judge["model"]),
        judge_run=str(judge["run"]),
        fingerprint=dict(judge["fingerprint"]),
        criteria={str(name): str(wording) for name, wording in data["criteria"].items()},
        answers={
            one: JudgedAnswer(ModelVariant(it["model"], it["variant"]), it["title"], it["planted"] is True)
            for one, it in data["answers"].items()
        },
        verdicts={
            name: {one: [it is True for it in said] for one, said in by.items() if one in data["answers"]}
            for name, by in data["verdicts"].items()
        },
        failed={str(name): int(count) for name, count in data["failed"].items()},
        labels={name: {one: good is True for one, good in by.items()} for name, by in data["labels"].items()},
        elsewhere={
            name: Calibration([(int(yes), int(of)) for yes, of in it["titles"]], Labelled(*map(int, it["labelled"])))
            for name, it in data["elsewhere"].items()
        },
        labels_run=str(data["labels_run"]),
        notes=[str(note) for note in data["notes"]],
        thresholds={str(name): float(rate) for name, rate in data["thresholds"].items()},
    )


def judge_runs(runs: Sequence[RunFolder], subjects: str) -> list[RunFolder]:
    """Those of *runs* in which `plotbot judge` judged the answers of the run with the id *subjects*."""
    return [run for run in runs if judged_run(run) == subjects and judged_by_command(run.header(Disk())) is not None]


def unjudged(run: RunOnDisk) -> int:
    """How many items of a judge's run brought no verdict of the judge: errors, skips and what was not run."""
    results = [run.results.get(item.item) for item in run.items]
    return sum(one is None or one.outcome not in {"passed", "failed"} for one in results)
