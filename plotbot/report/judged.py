"""A judged run in words and a table, for terminal, Markdown and page."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from plotbot.measure.intervals import CONFIDENCE
from plotbot.measure.judged import Believed, CriterionResult, JudgedMetrics, JudgedRow
from plotbot.measure.judging import Estimate, JudgedGate
from plotbot.measure.tally import ModelVariant
from plotbot.report import formatting
from plotbot.report.formatting import Part, Sentence, as_text, name
from plotbot.report.terminal_lines import terminal_width
from plotbot.safe import one_line, plural

_NAME_LIMIT = 60
_FINGERPRINT = ("key", "quantization", "sha256", "context_length", "server", "server_version")
OPINION = "the judge's opinion"
_ASSUMPTION = "it is assumed that the judge errs alike on those and on these"
Row = tuple[Sentence, str, Sentence]
"""A subject, what was asked about its answers, and what came out."""


def judged_rows(judged: JudgedMetrics) -> list[Row]:
    """For each subject and variant the rate about its headline, and each criterion."""
    return [row for one in judged.rows for row in _rows(one, guesses=judged.guesses)]


def judged_sentences(judged: JudgedMetrics) -> list[Sentence]:
    """What is to be said of the judge itself."""
    return [
        _judge(judged),
        *_own_answers(judged),
        *_choices(judged),
        *_pairs(judged),
        *_retest(judged),
        *(_believed(one, judged.judgements.labels_run, judged.judgements.run) for one in judged.believed),
        *_notes(judged),
    ]


def judged_lines(judged: JudgedMetrics) -> list[str]:
    """The table, the judge and the gates, line by line, for a terminal."""

    def text(sentence: Sentence) -> str:
        return as_text(sentence, lambda one: one_line(one, formatting.LONGEST_NAME))

    rows = [(text(subject), question, text(result)) for subject, question, result in judged_rows(judged)]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    table = [f"{subject:{widths[0]}}  {question:{widths[1]}}  {result}" for subject, question, result in rows]
    told = [*map(text, judged_sentences(judged)), *(text(gate_sentence(gate)) for gate in judged.gates)]
    return [line for one in (*table, "", *told) for line in _wrapped(one)]


def _wrapped(line: str) -> list[str]:
    width = terminal_width()
    wrapped = textwrap.wrap(line, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return wrapped or [""]


def gate_sentence(gate: JudgedGate) -> Sentence:
    threshold = f"{gate.threshold * 100:.4g}%"
    return ["gate ", name(gate.name), " of ", name(gate.row), f": {gate.verdict}: {gate.reason} ({threshold})"]


def judged_json(judged: JudgedMetrics) -> dict[str, Any]:
    """The `judged` of summary.json."""
    judgements = judged.judgements
    return {
        "judge": {
            "model": judgements.judge,
            "run": judgements.judge_run,
            "fingerprint": dict(judgements.fingerprint),
            "usable": judged.usable,
            "failures": dict(judgements.failed),
            "no_better_than_chance": judged.guesses,
            "choices": _estimate(judged.choice),
            "yes_to_planted_mismatches": list(judged.mismatches),
            "yes_to_own_headlines": list(judged.matches),
            "same_verdict_again": list(judged.retest),
            "criteria": [_believed_json(one) for one in judged.believed],
        },
        "models": [
            {
                "model": one.row.model,
                "variant": one.row.variant,
                "about": _estimate(one.about),
                "chosen": list(one.chosen),
                "criteria": [_criterion_json(criterion) for criterion in one.criteria],
            }
            for one in judged.rows
        ],
        "labels_run": judgements.labels_run,
        "notes": list(judgements.notes),
        "gates": [
            {
                "name": one.name,
                "row": one.row,
                "threshold": one.threshold,
                "verdict": one.verdict,
                "reason": one.reason,
            }
            for one in judged.gates
        ],
    }


def _rows(one: JudgedRow, *, guesses: bool) -> Iterator[Row]:
    subject: Sentence = [name(one.row.label)]
    if one.about is not None:
        chosen, asked = one.chosen
        doubt = "; the judge is no better than chance" if guesses else ""
        yield subject, "about its headline", [f"{_rate(one.about)}, {chosen} of {asked} chosen right{doubt}"]
    for criterion in one.criteria:
        yield subject, one_line(criterion.name, _NAME_LIMIT), [_result(criterion)]


def _result(criterion: CriterionResult) -> str:
    yes, judged = criterion.opinion
    if not judged:
        return "not judged"
    opinion = f"{OPINION}: {yes} yes, {judged - yes} no"
    if criterion.estimate is None:
        return f"{opinion} (no labels, so no rate)"
    assumed = f" of other answers; {_ASSUMPTION}" if criterion.assumed else ""
    return f"{_rate(criterion.estimate)} good, by {plural(criterion.labels, 'label')}{assumed}; {opinion}"


def _rate(estimate: Estimate) -> str:
    """A rate that may be below 0, as one that is corrected for chance is."""
    low, high = formatting.outwards(estimate.interval, 100)
    shown = formatting.percent(estimate.rate) if 0 <= estimate.rate <= 1 else f"{estimate.rate * 100:.1f}%"
    return f"{shown} [{low} to {high}]"


def _judge(judged: JudgedMetrics) -> Sentence:
    judgements = judged.judgements
    told: list[Part] = []
    for field in _FINGERPRINT:
        if field in judgements.fingerprint:
            told += [", " if told else " (", f"{field} ", name(str(judgements.fingerprint[field]))]
    failures = formatting.category_counts(judgements.failed)
    of = judged.usable + sum(judgements.failed.values())
    own = f"; its own failures: {failures}" if failures else ""
    usable = f"{judged.usable} of its {plural(of, 'answer')} can be used{own}"
    return ["judge ", name(judgements.judge), *told, ")" if told else "", f", run {judgements.judge_run}: {usable}"]


def _notes(judged: JudgedMetrics) -> Iterator[Sentence]:
    for note in judged.judgements.notes:
        yield [name(note)]


def _own_answers(judged: JudgedMetrics) -> Iterator[Sentence]:
    if judged.judgements.judge in {one.row.model for one in judged.rows}:
        yield ["the judge is one of the judged, and a model tends to favour its own answers: name another judge"]


def _choices(judged: JudgedMetrics) -> Iterator[Sentence]:
    if judged.choice is None:
        yield ["no choice among headlines: the run has fewer than four, or the judge named none that could be used"]
    elif judged.guesses:
        yield [f"the judge is no better than chance: its choices, corrected for luck, are {_rate(judged.choice)} right"]
    else:
        yield [f"its choices, corrected for luck, are {_rate(judged.choice)} right over all subjects"]


def _pairs(judged: JudgedMetrics) -> Iterator[Sentence]:
    yes, planted = judged.mismatches
    own_yes, own = judged.matches
    mine = f"yes to {own_yes} of {plural(own, 'own headline')}"
    if planted and judged.mismatch_interval is not None:
        rate = f"{formatting.percent(yes / planted)} [{formatting.interval_percent(judged.mismatch_interval)}]"
        told = plural(planted, "planted mismatch", "planted mismatches")
        yield [f"false positives: yes to {yes} of {told}, {rate}; {mine}"]
    elif own:
        yield [f"false positives: no planted mismatch among so few answers; {mine}"]


def _retest(judged: JudgedMetrics) -> Iterator[Sentence]:
    alike, twice = judged.retest
    if twice:
        yield [f"test-retest: {alike} of {plural(twice, 'verdict is', 'verdicts are')} the same when asked again"]
    else:
        yield ["test-retest: not measured, each question was asked once; --repeats 2 asks twice"]


def _believed(one: Believed, labels_run: str, run: str) -> Sentence:
    criterion = name(one.name)
    if not one.labels:
        return [criterion, f": no labels, so nothing tells how the judge errs: plotbot label {run}"]
    source: Sentence = [" of run ", name(labels_run)] if labels_run != run else []
    told = one.reliability
    if told is None:
        return [
            criterion,
            f": {plural(one.labels, 'label')}",
            *source,
            ", all of answers with one verdict: label some of the other",
        ]
    figures = [("sensitivity", told.sensitivity), ("specificity", told.specificity), ("kappa", told.kappa)]
    words = ", ".join(f"{label} {'-' if value is None else f'{value:.2f}'}" for label, value in figures)
    worth = "" if one.worth is None else f"; this judge is worth {plural(one.worth, 'label')}"
    base = f"base rate {formatting.percent(told.base_rate)}"
    return [criterion, f": {words}, {base}, by {plural(one.labels, 'label')}", *source, worth]


def _believed_json(one: Believed) -> dict[str, Any]:
    told = one.reliability
    return {
        "name": one.name,
        "labels": one.labels,
        "worth_labels": one.worth,
        "sensitivity": None if told is None else told.sensitivity,
        "specificity": None if told is None else told.specificity,
        "kappa": None if told is None else told.kappa,
        "base_rate": None if told is None else told.base_rate,
    }


def _criterion_json(one: CriterionResult) -> dict[str, Any]:
    return {
        "name": one.name,
        "opinion": list(one.opinion),
        "estimate": _estimate(one.estimate),
        "labels": one.labels,
        "assumes_the_judge_errs_alike": one.assumed,
    }


def _estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    interval = estimate.interval
    return {
        "rate": estimate.rate,
        "interval": {
            "low": interval.low, "high": interval.high, "confidence": CONFIDENCE, "method": interval.method,
        },
    }  # fmt: skip


def judged_page(judged: JudgedMetrics, order: Sequence[ModelVariant]) -> dict[str, Any]:
    """What the page's section shows, its rows in the *order* of the page's other tables."""
    places = {row: place for place, row in enumerate(order)}
    rows = sorted(judged.rows, key=lambda one: places.get(one.row, len(places)))
    sentences: Sequence[Sentence] = [*judged_sentences(judged), *map(gate_sentence, judged.gates)]
    return {"rows": judged_rows(replace(judged, rows=tuple(rows))), "sentences": sentences}
