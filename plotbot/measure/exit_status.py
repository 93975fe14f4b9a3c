"""What a run tells the shell: one number, the first reason that applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from plotbot.measure.gate import GateResult
from plotbot.measure.tally import Tally, missing_parts
from plotbot.records import ExitStatus


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended, in plain words and numbers of items.

    `interrupted` means by a person or a signal; a stop by `-x` or `--maxfail` is `stopped_by_maxfail` alone, although
    xdist reports both alike. `failures` are by model, because a gate excuses the failures of its own model only.
    """

    usage: bool = False
    harness_fault: bool = False
    interrupted: bool = False
    planned: int = 0
    errors: int = 0
    not_run: int = 0
    stopped_by_maxfail: bool = False
    failures: Mapping[str, int] = field(default_factory=dict)
    gates: Sequence[GateResult] = ()


def counted_end(
    tallies: Sequence[Tally], header: Mapping[str, Any], gates: Sequence[GateResult], *, unsettled: int
) -> RunEnd:
    """The end of a run that came to its end by itself.

    *unsettled* is what leaves it incomplete however good it was: answers not in their title files, models that were
    not the pinned ones to the end.
    """
    return RunEnd(
        planned=sum(tally.planned for tally in tallies),
        errors=sum(tally.error for tally in tallies) + unsettled,
        # How many cases a missing part has is not known, only that there are some.
        not_run=sum(tally.not_run for tally in tallies) + len(missing_parts(header)),
        failures={tally.model: tally.failed for tally in tallies},
        gates=gates,
    )


def exit_status(end: RunEnd) -> ExitStatus:
    """The first status that applies: 4, 3, 2, 5, 10, 1, 0.

    A run that `-x` stopped is never 0, even where the gate holds: the gate has seen a part of the plan only.
    """
    reasons = (
        (end.usage, ExitStatus.USAGE),
        (end.harness_fault, ExitStatus.HARNESS_FAULT),
        (end.interrupted, ExitStatus.INTERRUPTED),
        (end.planned == 0, ExitStatus.NO_CASES),
        (_incomplete(end), ExitStatus.INCOMPLETE),
        (end.stopped_by_maxfail or _not_good_enough(end), ExitStatus.FAILURES),
    )
    return next((status for applies, status in reasons if applies), ExitStatus.OK)


def _incomplete(end: RunEnd) -> bool:
    return end.errors > 0 or (end.not_run > 0 and not end.stopped_by_maxfail)


def _not_good_enough(end: RunEnd) -> bool:
    gated = {gate.model for gate in end.gates}
    if any(gate.verdict != "PASS" for gate in end.gates):
        return True
    return any(count > 0 for model, count in end.failures.items() if model not in gated)
