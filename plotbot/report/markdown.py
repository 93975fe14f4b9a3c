"""`summary.md`: a run as a pull-request comment or a CI job summary.

Text from outside is in code spans, where GitHub makes neither markup nor links nor mentions of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from plotbot.measure.gate import GateResult
from plotbot.measure.hosts import HostMetrics
from plotbot.measure.judged import JudgedMetrics
from plotbot.measure.metrics import ModelMetrics
from plotbot.measure.pairing import Rival
from plotbot.measure.tally import total_tally
from plotbot.records import NOT_NEEDED, ItemResult, RunRecords
from plotbot.report import formatting
from plotbot.report.advice import RESUME, advice, next_step
from plotbot.report.explanation import explanation_lines
from plotbot.report.formatting import as_text
from plotbot.report.hosts import answered, aside_sentence, failed_attempts, mixed_sentence
from plotbot.report.judged import gate_sentence, judged_rows, judged_sentences
from plotbot.report.rivals import rival_sentences
from plotbot.safe import one_line, plural

_EXAMPLES = 10
_MOST_GROUPS = 50
_NAME_LIMIT = 120
_MESSAGE_LIMIT = 200
_MOST_LINES = 8


def _rate(row: ModelMetrics | HostMetrics) -> str:
    return formatting.rate_with_interval(row.pass_rate, row.interval)


def _failed_attempts(host: HostMetrics) -> str:
    return _cell(failed_attempts(host.failed_attempts)) if host.failed_attempts else formatting.NONE


_NOT_NEEDED = "not needed"
_LONGEST_COMMAND = 1000
_MODEL_COLUMNS: Mapping[str, Callable[[ModelMetrics], str]] = {
    "model": lambda one: _cell(one.label),
    "planned": lambda one: str(one.tally.planned),
    "passed": lambda one: str(one.tally.passed),
    "failed": lambda one: str(one.tally.failed),
    "error": lambda one: str(one.tally.error),
    "skipped": lambda one: str(one.tally.skipped),
    "not run": lambda one: str(one.tally.not_run),
    _NOT_NEEDED: lambda one: str(one.tally.not_needed),
    "pass rate [95 %]": lambda one: f"{'mixed ' if one.mixed else ''}{_rate(one)}",
    "median s": lambda one: formatting.seconds(one.seconds_median),
    "tok/s": lambda one: formatting.tokens_per_second(one.speed),
}
_HOST_COLUMNS: Mapping[str, Callable[[HostMetrics], str]] = {
    "host": lambda host: _cell(host.host),
    "answered": answered,
    "passed": lambda host: str(host.tally.passed),
    "failed": lambda host: str(host.tally.failed),
    "pass rate [95 %]": _rate,
    "median s": lambda host: formatting.seconds(host.seconds_median),
    "p95 s": lambda host: formatting.seconds(host.seconds_p95),
    "tok/s": lambda host: formatting.tokens_per_second(host.speed),
    "failed attempts": _failed_attempts,
}


def summary_markdown(
    records: RunRecords,
    metrics: Sequence[ModelMetrics],
    gates: Sequence[GateResult] = (),
    compared: Sequence[str] = (),
    rivals: Sequence[Rival] = (),
    judged: JudgedMetrics | None = None,
    resume: str = RESUME,
) -> str:
    """The content of `summary.md`.

    *compared* are the lines of a comparison with a baseline, *rivals* the rows of the table with their verdicts.
    *resume* is the command that goes on with the run.
    """
    blocks = [
        [f"### plotbot: {_headline(metrics, gates)}"],
        _table(metrics),
        [f"- gate for {code(gate.row.label)}: **{formatting.gate_words(gate)}**" for gate in gates],
        [
            f"- {code(one.label)}: {as_text(formatting.challenge_sentence(one.challenge), code)}"
            for one in metrics
            if one.challenge is not None
        ],
        [f"- {as_text(sentence, code)}" for sentence in rival_sentences(rivals)],
        _more(metrics),
        _groups(metrics),
        _hosts(metrics),
        _categories(metrics),
        *([] if judged is None else _judged(judged)),
        _verbatim(compared),
        _step(metrics, gates, resume),
        _examples(records),
        [_origin(records, metrics)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def code(text: str, limit: int = _NAME_LIMIT) -> str:
    """The text as a code span on one line, cut to *limit* characters, with a fence longer than any inside it."""
    shown = one_line(text, limit) or " "
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _cell(text: str, limit: int = _NAME_LIMIT) -> str:
    # GitHub splits a table row at every bar, also inside code spans, and removes the backslash again.
    return code(text, limit).replace("|", "\\|")


def _headline(metrics: Sequence[ModelMetrics], gates: Sequence[GateResult]) -> str:
    if gates:
        held = sum(gate.verdict == "PASS" for gate in gates)
        return f"{held} of {len(gates)} {'gate holds' if len(gates) == 1 else 'gates hold'}"
    total = total_tally(one.tally for one in metrics)
    return f"{total.passed} of {total.planned} passed"


def _table(metrics: Sequence[ModelMetrics]) -> list[str]:
    several = any(one.tally.not_needed for one in metrics)
    columns = {name: cell for name, cell in _MODEL_COLUMNS.items() if several or name != _NOT_NEEDED}
    ruler = ["---", *("---:" for _ in range(len(columns) - 1))]
    rows = [_row([cell(one) for cell in columns.values()]) for one in metrics]
    return [_row([*columns]), _row(ruler), *rows]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _categories(metrics: Sequence[ModelMetrics]) -> list[str]:
    rows = [
        _row((_cell(one.label), kind, _cell(category), str(count), advice(category, [one])))
        for one in metrics
        for kind, counts in (("failure", one.failures), ("error", one.errors))
        for category, count in counts.items()
    ]
    return (
        [_row(("model", "kind", "category", "count", "what helps")), _row(("---",) * 3 + ("---:", "---")), *rows]
        if rows
        else []
    )


def _step(metrics: Sequence[ModelMetrics], gates: Sequence[GateResult], resume: str) -> list[str]:
    step = next_step(metrics, gates, code(resume, _LONGEST_COMMAND))
    return [] if step is None else [f"**Next:** {step}"]


def _more(metrics: Sequence[ModelMetrics]) -> list[str]:
    """A line for each row of the table on its repeats, and one on what was not asked again."""
    repeats = [(one, words) for one in metrics for words in formatting.repeats_words(one)]
    reused = [(one, f"{plural(one.reused, 'answer')} reused from earlier runs") for one in metrics if one.reused]
    return [f"- {code(one.label)}: {words}" for one, words in (*repeats, *reused)]


def _groups(metrics: Sequence[ModelMetrics]) -> list[str]:
    """A row for each group of titles, the lowest rate first."""
    rows = [
        _row([
            _cell(one.label), _cell(group.by), _cell(group.group), str(group.tally.passed), str(group.tally.failed),
            formatting.rate_with_interval(group.pass_rate, group.interval),
            f"**worse than the rest**, {formatting.p_value(group.p)}" if group.worse and group.p is not None else "",
        ])
        for one in metrics
        for group in one.groups[:_MOST_GROUPS]
    ]  # fmt: skip
    head = ["model", "by", "group", "passed", "failed", "pass rate [95 %]", "beyond chance"]
    return [_row(head), _row(["---"] * 3 + ["---:"] * 3 + ["---"]), *rows] if rows else []


def _hosts(metrics: Sequence[ModelMetrics]) -> list[str]:
    """A row for each host of a model that was asked at several, and how these hosts differ."""
    rows = [_host_row(one.label, host) for one in metrics if one.hosts for host in one.hosts.by_host]
    words = [
        f"- {code(one.label)}: {label}{as_text(sentence, code)}"
        for one in metrics
        for label, sentence in (("**mixed:** ", mixed_sentence(one)), ("", aside_sentence(one)))
        if sentence is not None
    ]
    ruler = ["---", "---", *("---:" for _ in range(len(_HOST_COLUMNS) - 2)), "---"]
    return [_row(["model", *_HOST_COLUMNS]), _row(ruler), *rows, *([""] if words else []), *words] if rows else []


def _host_row(model: str, host: HostMetrics) -> str:
    return _row([_cell(model), *(cell(host) for cell in _HOST_COLUMNS.values())])


def _judged(judged: JudgedMetrics) -> list[list[str]]:
    """What a judge says of the answers, and what is to be said of the judge."""
    rows = [
        _row([as_text(subject, _cell), _cell(asked), as_text(told, _cell)])
        for subject, asked, told in judged_rows(judged)
    ]
    sentences = [*judged_sentences(judged), *map(gate_sentence, judged.gates)]
    head = [_row(("judged", "question", "result")), _row(("---",) * 3)]
    return [[*head, *rows], [f"- {as_text(sentence, code)}" for sentence in sentences]]


def _verbatim(lines: Sequence[str]) -> list[str]:
    """The lines as the terminal shows them, in a block in which nothing is markup."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(longest + 1, 3)
    return [f"{fence}text", *lines, fence] if lines else []


def _examples(records: RunRecords) -> list[str]:
    """The first ten cases that did not pass, in plan order, each with what is held against it, a line for each."""
    results = [records.results.get(planned.item) for planned in records.items]
    bad = [
        result for result in results if result is not None and result.outcome not in {"passed", "skipped", NOT_NEEDED}
    ]
    if not bad:
        return []
    more = f"\n\nand {len(bad) - _EXAMPLES} more: see the reports" if len(bad) > _EXAMPLES else ""
    rows = [_example(result) for result in bad[:_EXAMPLES]]
    head = [_row(("did not pass", "category", "message")), _row(("---",) * 3)]
    return ["<details><summary>Cases that did not pass</summary>", "", *head, *rows, more, "</details>"]


def _example(result: ItemResult) -> str:
    message = "<br>".join(_cell(line, _MESSAGE_LIMIT) for line in explanation_lines(result)[:_MOST_LINES])
    return _row((_cell(result.item), _cell(result.category), message))


def _origin(records: RunRecords, metrics: Sequence[ModelMetrics]) -> str:
    facts: Mapping[str, object] = {"run": records.name, "sample seed": records.header.get("sample_seed")}
    told = [f"{name} {code(str(value), _NAME_LIMIT * 2)}" for name, value in facts.items() if value is not None]
    return ", ".join([*told, formatting.accounting_line(total_tally(one.tally for one in metrics))])
