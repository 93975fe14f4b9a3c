"""`--reuse RUN`: what earlier runs have on record is taken in the place of asking.

An answer is taken if the model was asked exactly the same, messages, parameters, seed and format, and is served now as
it was then. It goes into the new run's journal, which says where it came from, and is judged like any other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from plotbot.ask.transport.chat_client import params_sent
from plotbot.ask.transport.prompts import Conversations
from plotbot.errors import KeepError
from plotbot.fingerprint import Fingerprint
from plotbot.keep.run_reading import RunOnDisk
from plotbot.records import Case, Exchange, Question
from plotbot.safe import digest

ALL = "all"
_COMPARED = tuple(field.name for field in fields(Fingerprint) if field.name != "slots")
"""The number of slots is how a model is asked, not what it says."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where an earlier run has the answer to a case."""

    run: RunOnDisk
    case: str

    def exchange_for(self, case_id: str) -> Exchange:
        """The recorded exchange as that of the case *case_id*. Raises `KeepError` if it cannot be read any more."""
        exchange = self.run.exchange(self.case)
        if exchange is None:
            raise KeepError(f"{self.run.folder.journal}: the answer to case {self.case} is not there any more")
        return replace(exchange, case=case_id, reused_from=exchange.reused_from or self.run.folder.run_id)


def find_answers(
    cases: Iterable[Case],
    questions: Mapping[str, Question],
    params: Mapping[str, Any],
    served: Mapping[str, Sequence[Fingerprint]],
    runs: Iterable[RunOnDisk],
) -> dict[str, Recorded]:
    """By case id: the newest answer on record in *runs*, which come newest first.

    *params* are those of the run's requests; *served* are each model's fingerprints now, one for each host.
    """
    wanted: dict[str, list[Case]] = {}
    said = Conversations(questions)
    for case in cases:
        wanted.setdefault(_request(case, said, params_sent(params, case)), []).append(case)
    about = {(case.model, case.prompt_hash, case.title.text) for some in wanted.values() for case in some}
    found: dict[str, Recorded] = {}
    for run in runs:
        for request, recorded in _answers(run, about):
            if request in wanted and _is_served(recorded, served):
                found |= {case.id: Recorded(run, recorded.case) for case in wanted.pop(request)}
        if not wanted:
            break
    return found


def _answers(run: RunOnDisk, about: set[tuple[str, str, str]]) -> Iterator[tuple[str, Exchange]]:
    """The replies of a run to cases like these, and what was asked for each."""
    said, usable = Conversations(run.questions), run.replied - run.suspect
    for case in run.cases.values():
        if case.id in usable and (case.model, case.prompt_hash, case.title.text) in about:
            exchange = run.exchange(case.id)
            if exchange is not None and exchange.reply is not None:
                yield _request(case, said, exchange.params), exchange


def _request(case: Case, said: Conversations, params: Mapping[str, Any]) -> str:
    """A digest of all that is asked. The prompt hash stands for schema and wording."""
    return digest(json.dumps([case.model, case.prompt_hash, said.of(case), dict(params)], sort_keys=True), 32)


def _is_served(exchange: Exchange, served: Mapping[str, Sequence[Fingerprint]]) -> bool:
    """Whether all hosts serve the model that answered; a model that is not loaded yet does not tell everything."""
    hosts = served.get(exchange.model, ())
    return bool(hosts) and all(_is_same(exchange.fingerprint, now) for now in hosts)


def _is_same(then: Fingerprint, now: Fingerprint) -> bool:
    told = ((name, getattr(then, name), getattr(now, name)) for name in _COMPARED)
    return all(one == other or (other is None and name in Fingerprint.ONLY_LOADED) for name, one, other in told)
