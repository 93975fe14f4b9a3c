"""A run's verdicts without its replies: the content of a baseline, and the input of a comparison."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from plotbot.categories import OK
from plotbot.measure.tally import ModelVariant, eval_of, variant_names
from plotbot.records import NOT_NEEDED, ItemResult, Question, RunRecords
from plotbot.safe import digest

SKIPPED, NOT_RUN, UNNEEDED = "skipped", "not run", "not needed"
_TOLERATED, _ERROR = "tolerated:", "error:"


class _Key(NamedTuple):
    eval: str
    model: str
    response_format: str
    asked: str
    variant: str


@dataclass(frozen=True, slots=True)
class TitleVerdicts:
    """The verdicts on one title, a word for each repeat in order, and a digest of the headline.

    A word is `ok`, a failure's category, `tolerated:` and a tolerated failure's category, `error:` and an error's
    category, `skipped`, `not run` or `not needed`.
    """

    headline: str
    verdicts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SheetPart:
    """One eval's verdicts on one model in one variant, and what must be equal to compare them.

    `asked` is the prompt hash, over everything that was asked. `prompt` and `schema` are digests that tell which of the
    two has changed. `fingerprint` identifies the model as it was served.
    """

    eval: str
    model: str
    response_format: str
    asked: str
    prompt: str
    schema: str
    fingerprint: Mapping[str, Any]
    titles: Mapping[str, TitleVerdicts]
    variant: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    """The parameters that its requests stated in place of the run's."""

    @property
    def label(self) -> str:
        """The name of its row in reports: the model, and the variant if the run has several."""
        return ModelVariant(self.model, self.variant).label


@dataclass(frozen=True, slots=True)
class VerdictSheet:
    """A run's verdicts. `params` are the sampling parameters of all its requests, including the base of the seeds.

    `questions` (by hash) and `headlines` (by title id) are texts that say what a difference is; a baseline has none.
    `variants` are their names in the run's order: the first is the one that the others are compared with.
    """

    run: str
    params: Mapping[str, Any]
    parts: tuple[SheetPart, ...]
    questions: Mapping[str, Question] = field(default_factory=dict, compare=False)
    headlines: Mapping[str, str] = field(default_factory=dict, compare=False)
    variants: tuple[str, ...] = field(default=(), compare=False)
    name: str = field(default="", compare=False)
    """What a person calls the run; empty for a baseline."""


def verdict_sheet(records: RunRecords, questions: Mapping[str, Question]) -> VerdictSheet:
    """The verdicts of a run; *questions* are by hash. The sheet is sorted, so that equal runs give equal sheets."""
    found: dict[_Key, dict[str, dict[int, tuple[str, str]]]] = {}
    params: dict[_Key, Mapping[str, Any]] = {}
    for planned in dict.fromkeys(records.items):
        case = records.cases.get(planned.case)
        if case is not None:
            key = _Key(eval_of(planned.item, case), case.model, case.response_format, case.prompt_hash, case.variant)
            params[key] = case.params
            word = digest(case.title.text), _word(records.results.get(planned.item))
            found.setdefault(key, {}).setdefault(case.title.id, {})[case.repeat] = word
    parts = (_part(key, params[key], found[key], records, questions) for key in sorted(found))
    headlines = {case.title.id: case.title.text for case in records.cases.values()}
    variants = variant_names(records.header)
    return VerdictSheet(
        records.run, _params(records.header), tuple(parts), questions, headlines, variants, records.name
    )


def passes(word: str) -> bool:
    return word == OK or word.startswith(_TOLERATED)


def is_rated(word: str) -> bool:
    """Whether a verdict says something about the model: errors, skips and cases not run do not."""
    return word not in {SKIPPED, NOT_RUN, UNNEEDED} and not word.startswith(_ERROR)


def _word(result: ItemResult | None) -> str:
    if result is None:
        return NOT_RUN
    if result.outcome == "passed":
        return f"{_TOLERATED}{result.category}" if result.tolerated else OK
    if result.outcome == NOT_NEEDED:
        return UNNEEDED
    if result.outcome in {"failed", "skipped"}:
        return result.category if result.outcome == "failed" else SKIPPED
    return f"{_ERROR}{result.category}"


def _part(
    key: _Key,
    params: Mapping[str, Any],
    titles: Mapping[str, Mapping[int, tuple[str, str]]],
    records: RunRecords,
    questions: Mapping[str, Question],
) -> SheetPart:
    question = questions.get(key.asked)
    return SheetPart(
        eval=key.eval,
        model=key.model,
        response_format=key.response_format,
        asked=key.asked,
        prompt="" if question is None else digest(question.prompt, 12),
        schema="" if question is None else digest(json.dumps(question.schema, sort_keys=True), 12),
        fingerprint=_fingerprint(records, key.model),
        titles={title: _title(titles[title].items()) for title in sorted(titles)},
        variant=key.variant,
        params=params,
    )


def _title(words: Iterable[tuple[int, tuple[str, str]]]) -> TitleVerdicts:
    ordered = [word for _, word in sorted(words)]
    return TitleVerdicts(ordered[0][0], tuple(word for _, word in ordered))


def _fingerprint(records: RunRecords, model: str) -> dict[str, Any]:
    """The fingerprint in the exchanges, which saw the model loaded; without one, that of the run's header.

    A field that differs between hosts has all their values: only a run on the same mix of hosts is equal.
    """
    seen: list[Mapping[str, Any]] = []
    for exchange in records.exchanges.values():
        told = exchange.fingerprint.to_json()
        if exchange.model == model and exchange.reply is not None and told and told not in seen:
            seen.append(told)
    if not seen:
        return dict(records.header.get("fingerprints", {}).get(model, {}))
    return {field: _mixed(seen, field) for field in dict.fromkeys(field for told in seen for field in told)}


def _mixed(seen: Sequence[Mapping[str, Any]], field: str) -> Any:
    values = [told[field] for told in seen if field in told]
    return values[0] if len(set(values)) == 1 else " or ".join(sorted(map(str, set(values))))


def _params(header: Mapping[str, Any]) -> dict[str, Any]:
    params = dict(header.get("params", {}))
    seed = header.get("settings", {}).get("MODEL_SEED")
    return params if seed is None else {**params, "model_seed": seed}
