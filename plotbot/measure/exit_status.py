"""The exit status of a run: the first reason that applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from plotbot.errors import ExitStatus
from plotbot.measure.gate import GateResult
from plotbot.measure.tally import ModelVariant, Tally, missing_parts

_WORST_FIRST = (
    ExitStatus.USAGE,
    ExitStatus.HARNESS_FAULT,
    ExitStatus.INTERRUPTED,
    ExitStatus.NO_CASES,
    ExitStatus.INCOMPLETE,
    ExitStatus.FAILURES,
    ExitStatus.OK,
)


@dataclass(frozen=True, slots=True)
class ExitReasons:
    """What decides the exit status of a run; counts are numbers of items.

    `floor` is the status that pytest's session has for other reasons than its evals: the run's is never better.
    `interrupted` means by a person or a signal. A stop by `-x` or `--maxfail` sets `stopped_by_maxfail` only, although
    xdist reports both alike. `failures` are by model and variant, because a gate excuses those of its own row only.
    """

    floor: int = 0
    usage: bool = False
    harness_fault: bool = False
    interrupted: bool = False
    planned: int = 0
    errors: int = 0
    not_run: int = 0
    stopped_by_maxfail: bool = False
    failures: Mapping[ModelVariant, int] = field(default_factory=dict)
    gates: Sequence[GateResult] = ()


def counted_reasons(
    tallies: Sequence[Tally], header: Mapping[str, Any], gates: Sequence[GateResult], *, unsettled: int
) -> ExitReasons:
    """The reasons that can be counted, for a run that was not cut short.

    *unsettled* counts what leaves it incomplete whatever its verdicts are: answers that are not in their title files,
    and models that were not the pinned ones at the end.
    """
    return ExitReasons(
        planned=sum(tally.planned for tally in tallies),
        errors=sum(tally.error for tally in tallies) + unsettled,
        # The number of cases in a missing part is unknown, but it is at least one.
        not_run=sum(tally.not_run for tally in tallies) + len(missing_parts(header)),
        failures={tally.row: tally.failed for tally in tallies},
        gates=gates,
    )


def worse(one: int, other: int) -> int:
    """The worse of two statuses of a session, of which one may be another plugin's own.

    A status that is none of `ExitStatus` ranks below a usage error and a harness fault, and above all others.
    """
    return min(one, other, key=_rank)


def exit_status(end: ExitReasons) -> int:
    """The first status that applies, 4, 3, 2, 5, 10, 1, 0, or the floor where that is worse.

    A run that `-x` stopped is never 0, even if the gate holds: the gate has seen only a part of the plan.
    """
    reasons = (
        (end.usage, ExitStatus.USAGE),
        (end.harness_fault, ExitStatus.HARNESS_FAULT),
        (end.interrupted, ExitStatus.INTERRUPTED),
        (end.planned == 0, ExitStatus.NO_CASES),
        (_incomplete(end), ExitStatus.INCOMPLETE),
        (end.stopped_by_maxfail or _not_good_enough(end), ExitStatus.FAILURES),
    )
    return worse(end.floor, next((status for applies, status in reasons if applies), ExitStatus.OK))


def _incomplete(end: ExitReasons) -> bool:
    return end.errors > 0 or (end.not_run > 0 and not end.stopped_by_maxfail)


def _not_good_enough(end: ExitReasons) -> bool:
    gated = {gate.row for gate in end.gates}
    if any(gate.verdict != "PASS" for gate in end.gates):
        return True
    return any(count > 0 for row, count in end.failures.items() if row not in gated)


def _rank(status: int) -> float:
    return _WORST_FIRST.index(status) if status in _WORST_FIRST else _WORST_FIRST.index(ExitStatus.HARNESS_FAULT) + 0.5
