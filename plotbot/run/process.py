"""What one process of a session knows: its settings, its run, and the item that it runs. Every xdist worker has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from plotbot.errors import UsageProblem
from plotbot.judge import Schema
from plotbot.records import Case, Exchange, PlannedItem, Verdict
from plotbot.run.eval_files import EvalFiles, Schemas
from plotbot.settings import Settings


class FoldLog(Protocol):
    """What notes the results of folding: the recorder in the main process, an RPC client in a worker."""

    def note_folded(self, case_ids: Sequence[str]) -> None:
        """Note which cases' answers are in their title files."""

    def note_unfolded(self, reasons: Mapping[str, str], *, disk_refused: bool = False) -> None:
        """Note which cases' answers could not be folded, and why; *disk_refused* says that it was the disk."""


class Run(Protocol):
    """What an item needs of its run: the run itself in the main process, an RPC client in a worker."""

    @property
    def fold_log(self) -> FoldLog:
        """What notes the results of folding. There is one as soon as there is a plan."""

    def cases(self, files: EvalFiles) -> Sequence[Case]:
        """The cases of an eval, from the frozen plan."""

    def select(self, items: Sequence[PlannedItem]) -> None:
        """Report the items that deselection left; the main process begins to ask."""

    def exchange(self, case_id: str) -> Exchange:
        """Wait for the case's exchange until it is durable. Raises `AskError` where none can be had."""

    def refuse(self, problem: UsageProblem) -> None:
        """Report why the session cannot go on; the main process ends it after collection."""

    def close(self) -> None:
        """Release the run: this process asks nothing more of it."""


@dataclass(slots=True)
class ItemState:
    """The state of an item that runs; its fixtures fill it in."""

    case: Case
    files: EvalFiles
    exchange: Exchange | None = None
    schema: Schema | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    asserted: Verdict | None = None
    """The bad verdict that the failing assertion is about; None if it is about something else."""
    kept: bool = False
    failed: bool = False
    """Whether a part of it has failed already: a subtest."""

    @property
    def verdict(self) -> Verdict | None:
        """The last verdict that the eval was given; None if it did not judge."""
        return self.verdicts[-1] if self.verdicts else None


@dataclass(slots=True)
class Process:
    """The state of one process.

    `current` is the item that runs, `problem` why collection failed. `hurried` is set by an interrupt: what `results`
    has still to fold gets a few seconds only.
    """

    settings: Settings
    run_id: str
    run: Run
    keeps_answers: bool = True
    folded: frozenset[str] = frozenset()
    current: ItemState | None = None
    hurried: bool = False
    problem: UsageProblem | None = None
    schemas: Schemas = field(default_factory=Schemas)
