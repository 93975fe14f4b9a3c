"""What the page is made of: runs as their records tell them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from plotbot.measure.gate import GateResult
from plotbot.measure.metrics import ModelMetrics
from plotbot.records import Case, Exchange, RunRecords

Conversation = Callable[[Case], Sequence[Mapping[str, str]]]
"""The messages (`role`, `content`) that a case was asked with; empty where they are not known."""


@dataclass(frozen=True, slots=True)
class PageRun:
    """One run to show.

    *metrics* are those of *records*. *exchanges* hold what was said and are read once, one at a time, so that a
    journal can be streamed; of several for one case the last counts. The exchanges inside *records* are not read.
    """

    records: RunRecords
    metrics: Sequence[ModelMetrics]
    exchanges: Iterable[Exchange]
    conversation: Conversation
    gates: Sequence[GateResult] = ()
