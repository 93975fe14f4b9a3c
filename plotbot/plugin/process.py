"""What one pytest process knows: its settings, its run, the item it is at; one in every worker, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pytest

from plotbot.errors import UsageProblem
from plotbot.judge import Schema
from plotbot.records import Case, Exchange, PlannedItem, Verdict
from plotbot.run.eval_files import EvalFiles, Schemas
from plotbot.settings import Settings


class Run(Protocol):
    """What an item needs of its run, in whichever process it happens to be."""

    def cases(self, files: EvalFiles) -> Sequence[Case]:
        """The cases of an eval, from the frozen plan."""

    def select(self, items: Sequence[PlannedItem]) -> None:
        """Say what is left after deselection; the main process begins to ask."""

    def exchange(self, case_id: str) -> Exchange:
        """The case's exchange, once it is durable."""

    def note_folded(self, case_ids: Sequence[str]) -> None:
        """Say which answers are in their title files."""

    def note_unfolded(self, reasons: Mapping[str, str]) -> None:
        """Say which answers could not be folded, and why."""

    def refuse(self, problem: UsageProblem) -> None:
        """Say why the session cannot go on; the main process ends it when collection is over."""

    def close(self) -> None:
        """Nothing more is wanted of the run by this process."""


@dataclass(slots=True)
class ItemState:
    """What an item has come to so far; its fixtures fill it in."""

    case: Case
    files: EvalFiles
    exchange: Exchange | None = None
    schema: Schema | None = None
    verdict: Verdict | None = None
    kept: bool = False


@dataclass(slots=True)
class Process:
    """`run` is the run itself in the main process, and the line to it in a worker; `hurried` says to end it soon."""

    settings: Settings
    run_id: str
    run: Run
    keeps_answers: bool = True
    folded: frozenset[str] = frozenset()
    current: ItemState | None = None
    hurried: bool = False
    problem: UsageProblem | None = None
    schemas: Schemas = field(default_factory=Schemas)


_PROCESS = pytest.StashKey[Process]()


def begin_process(config: pytest.Config, process: Process) -> None:
    config.stash[_PROCESS] = process


def process_of(config: pytest.Config) -> Process:
    return config.stash[_PROCESS]


def end_process(config: pytest.Config) -> None:
    """Let go of the run; fine where the session ended before it had one."""
    process = config.stash.get(_PROCESS, None)
    if process is not None:
        process.run.close()
