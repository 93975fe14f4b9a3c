"""A judged run in numbers: what the judge says of each subject, what labels make of it, and how far to believe it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from plotbot.measure.intervals import Interval, clustered_interval
from plotbot.measure.judging import (
    Calibration,
    Estimate,
    JudgedGate,
    Labelled,
    Reliability,
    corrected_rate,
    forced_choice_rate,
    judged_gate,
    reliability,
    same_again,
    transported_rate,
)
from plotbot.measure.tally import Counts, ModelVariant

ABOUT, QUALITY = "about", "quality."
CHOICE, PAIR = "choice", "pair"
"""The questions about a headline, beside those of the criteria, whose keys are `quality.` and a name."""
NO_LABELS = "without labels there is only the judge's opinion, which is no rate"
GUESSES = "the judge is no better than chance at telling whose headline it is"


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """An answer that was judged: its row in the subjects' run, its headline's id, and whether its pair was planted."""

    row: ModelVariant
    title: str
    planted: bool = False


@dataclass(frozen=True)
class Judgements:
    """What a judge said of the answers of a run, and the labels beside it.

    `verdicts` are by question and answer id, one for each time that the judge was asked: whether its choice was right,
    whether it said yes. `labels` are by criterion and answer id. `elsewhere` has labels of another run by criterion,
    with that run's verdicts; `labels_run` is its id. `failed` counts the judge's own failures by category.
    """

    run: str
    judge: str
    judge_run: str
    fingerprint: Mapping[str, Any]
    criteria: Mapping[str, str]
    answers: Mapping[str, JudgedAnswer]
    verdicts: Mapping[str, Mapping[str, Sequence[bool]]]
    failed: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    elsewhere: Mapping[str, Calibration] = field(default_factory=dict)
    labels_run: str = ""
    notes: Sequence[str] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def rows(self) -> tuple[ModelVariant, ...]:
        return tuple(dict.fromkeys(answer.row for answer in self.answers.values()))

    def by_title(self, question: str, row: ModelVariant | None = None, *, planted: bool | None = None) -> list[Counts]:
        """The verdicts on a question by title, (yes, asked) each; of one row, or of planted pairs, where that is said.

        Answers to one headline are not independent, whichever subject gave them.
        """
        titles: dict[str, tuple[int, int]] = {}
        for answer_id, verdicts in self.verdicts.get(question, {}).items():
            answer = self.answers[answer_id]
            if (row is None or answer.row == row) and (planted is None or answer.planted is planted):
                yes, asked = titles.get(answer.title, (0, 0))
                titles[answer.title] = yes + sum(verdicts), asked + len(verdicts)
        return list(titles.values())

    def labelled(self, criterion: str, row: ModelVariant | None = None) -> Labelled:
        """The labelled answers of a criterion beside the judge's verdict on each; of several verdicts most count."""
        verdicts = self.verdicts.get(f"{QUALITY}{criterion}", {})
        return Labelled.of([
            (2 * sum(verdicts[answer_id]) >= len(verdicts[answer_id]), good)
            for answer_id, good in self.labels.get(criterion, {}).items()
            if answer_id in verdicts and (row is None or self.answers[answer_id].row == row)
        ])  # fmt: skip


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """A criterion in one row: the judge's opinion, (yes, judged), and the corrected rate where labels allow one.

    `assumed` says that the labels are of other answers, and so that the judge is assumed to err alike on both.
    """

    name: str
    opinion: Counts
    estimate: Estimate | None
    labels: int = 0
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """What was found of one subject in one variant."""

    row: ModelVariant
    about: Estimate | None
    chosen: Counts
    criteria: tuple[CriterionResult, ...]


@dataclass(frozen=True, slots=True)
class Believed:
    """How far the judge is to be believed on a criterion, over all rows; `worth` counts labels."""

    name: str
    labels: int
    reliability: Reliability | None
    worth: int | None


@dataclass(frozen=True, slots=True)
class JudgedMetrics:
    """A judged run in numbers. Counts are (yes, asked) or (alike, judged twice); intervals are by title."""

    judgements: Judgements
    rows: tuple[JudgedRow, ...]
    choice: Estimate | None
    mismatches: Counts
    mismatch_interval: Interval | None
    matches: Counts
    retest: Counts
    believed: tuple[Believed, ...]
    gates: tuple[JudgedGate, ...]

    @property
    def guesses(self) -> bool:
        """Whether the judge's choices are no better than chance: the interval of all of them holds 0."""
        return self.choice is not None and self.choice.interval.low <= 0

    @property
    def usable(self) -> int:
        """The judge's answers that could be used."""
        return _usable(self.judgements)


def measure_judged(judgements: Judgements) -> JudgedMetrics:
    """The numbers of a judged run. The same judgements and labels give the same numbers."""
    choice = forced_choice_rate(judgements.by_title(CHOICE))
    rows = tuple(_row(judgements, row) for row in judgements.rows)
    believed = tuple(_believed(judgements, criterion) for criterion in judgements.criteria)
    mismatches = judgements.by_title(PAIR, planted=True)
    said = [verdicts for by_answer in judgements.verdicts.values() for verdicts in by_answer.values()]
    guesses = choice is not None and choice.interval.low <= 0
    return JudgedMetrics(
        judgements=judgements,
        rows=rows,
        choice=choice,
        mismatches=_total(mismatches),
        mismatch_interval=clustered_interval(mismatches),
        matches=_total(judgements.by_title(PAIR, planted=False)),
        retest=same_again(said),
        believed=believed,
        gates=tuple(_gates(judgements, rows, believed, guesses=guesses)),
    )


def _row(judgements: Judgements, row: ModelVariant) -> JudgedRow:
    chosen = judgements.by_title(CHOICE, row)
    return JudgedRow(
        row,
        forced_choice_rate(chosen),
        _total(chosen),
        tuple(_criterion(judgements, name, row) for name in judgements.criteria),
    )


def _criterion(judgements: Judgements, name: str, row: ModelVariant) -> CriterionResult:
    titles, labelled = judgements.by_title(f"{QUALITY}{name}", row), judgements.labelled(name, row)
    if labelled.count:
        return CriterionResult(name, _total(titles), corrected_rate(titles, labelled), labelled.count)
    source = _source(judgements, name)
    if source is None:
        return CriterionResult(name, _total(titles), None)
    return CriterionResult(name, _total(titles), transported_rate(titles, source), source.labelled.count, assumed=True)


def _source(judgements: Judgements, criterion: str) -> Calibration | None:
    """The labels that there are of answers of other rows, or of another run."""
    labelled = judgements.labelled(criterion)
    if labelled.count:
        return Calibration(judgements.by_title(f"{QUALITY}{criterion}"), labelled)
    return judgements.elsewhere.get(criterion)


def _believed(judgements: Judgements, criterion: str) -> Believed:
    source = _source(judgements, criterion)
    if source is None:
        return Believed(criterion, 0, None, None)
    estimate = corrected_rate(source.titles, source.labelled)
    told = reliability(source.titles, source.labelled)
    return Believed(criterion, source.labelled.count, told, None if estimate is None else estimate.worth)


def _gates(
    judgements: Judgements, rows: Sequence[JudgedRow], believed: Sequence[Believed], *, guesses: bool
) -> Iterator[JudgedGate]:
    by_name = {one.name: one for one in believed}
    for name, threshold in judgements.thresholds.items():
        for row in rows:
            if name == ABOUT:
                yield judged_gate(name, row.row.label, threshold, row.about, GUESSES if guesses else None)
                continue
            criterion = name.removeprefix(QUALITY)
            found = next((one for one in row.criteria if one.name == criterion), None)
            doubt = _doubt(by_name.get(criterion))
            yield judged_gate(name, row.row.label, threshold, None if found is None else found.estimate, doubt)


def _doubt(believed: Believed | None) -> str | None:
    if believed is None or not believed.labels:
        return NO_LABELS
    if believed.reliability is None:
        return "its labels are of answers with one verdict only, so they do not tell how the judge errs"
    return believed.reliability.doubt


def _total(titles: Sequence[Counts]) -> Counts:
    return (sum(yes for yes, _ in titles), sum(asked for _, asked in titles))


def _usable(judgements: Judgements) -> int:
    questions = {name.split(".")[0]: by_answer for name, by_answer in judgements.verdicts.items()}
    return sum(len(verdicts) for by_answer in questions.values() for verdicts in by_answer.values())
