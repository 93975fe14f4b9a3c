"""What tests of several steps share: a run's files as a run leaves them."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from plotbot.keep.filesystem import Disk
from plotbot.keep.journal import Journal
from plotbot.keep.run_folder import RunFolder
from plotbot.records import Attempt, Case, Exchange, Fault, ItemResult, Question, Reply, Title

CALLS = [name for name in vars(Disk) if not name.startswith("_")]
Before = Callable[[str, tuple[Any, ...]], None]
RUN = "20261122-121501-7f3a01"
AT = "2026-11-22T12:15:02+00:00"
SCHEMA = {"type": "array", "items": {"type": "object", "required": ["title"]}}
QUESTION = Question("Write.", SCHEMA, "none", "9f2c41d0ab37")
HEADER = {
    "plotbot": "0",
    "started": "2026-11-22T12:15:01+00:00",
    "sample_seed": 7,
    "models": ["m"],
    "settings": {"MIN_PASS_RATE": None, "GATE": "point"},
    "params": {},
    "servers": [],
}


@dataclass(frozen=True, slots=True)
class Row:
    """One item of a run: what the model said about a title, what became of it, and whether it has been folded.

    Without a `said` there is a fault; without an `outcome` no verdict; not `asked` means not even an exchange.
    """

    title: str
    said: str | None = '[{"title": "A seed"}]'
    outcome: str | None = "passed"
    category: str = "ok"
    kept: bool = True
    folded: bool = False
    asked: bool = True
    model: str = "m"
    at: str = AT
    repeat: int = 1
    variant: str = ""
    test: str = "test_story_seed"

    @property
    def case(self) -> Case:
        key = f"{self.model}-{self.title}" + (
            f"-{self.variant}-r{self.repeat}" if self.variant or self.repeat > 1 else ""
        )
        title = Title(self.title, f"About {self.title}")
        return Case(key, key, self.model, title, QUESTION.hash, "none", self.repeat, 7, self.variant)

    @property
    def item(self) -> str:
        return f"evals/test_story_seeds.py::{self.test}[{self.case.slug}]"

    def exchange(self) -> Exchange:
        fault = Fault("timeout", "no answer in 90 s") if self.said is None else None
        reply = None if self.said is None else Reply(self.said, details={"id": "x"})
        attempt = Attempt(self.at, 0.5, 200, fault)
        return Exchange(self.case.id, self.model, self.at, 0.5, (attempt,), reply, fault, {"temperature": 0.7})

    def records(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if self.asked:
            yield "exchange", self.exchange().to_json()
        if self.outcome is not None:
            kept = self.kept and self.outcome == "passed"
            yield "verdict", ItemResult(self.case.id, self.item, self.outcome, self.category, kept=kept).to_json()
        if self.folded:
            yield "folded", {"cases": [self.case.id]}


def write_run_files(runs_dir: Path, *rows: Row, run_id: str = RUN, **header: Any) -> RunFolder:
    folder = RunFolder(runs_dir / run_id)
    folder.path.mkdir(parents=True)
    plan = {
        "run": run_id,
        "header": {**HEADER, **header},
        "questions": [asdict(QUESTION)],
        "cases": [row.case.to_json() for row in rows],
        "items": [[row.item, row.case.id] for row in rows],
    }
    folder.plan.write_text(json.dumps(plan), encoding="ascii")
    journal = Journal.open(folder.journal, Disk())
    for row in rows:
        for kind, data in row.records():
            journal.append(kind, data, durable=False)
    journal.close()
    return folder


@pytest.fixture
def row() -> type[Row]:
    return Row


@pytest.fixture
def write_run() -> Callable[..., RunFolder]:
    """Write a run of `row`s into a folder of runs: plan and journal, as a run that was killed leaves them."""
    return write_run_files


def hook_disk(before: Before) -> Disk:
    """A real disk that calls *before* with the name and arguments of every call, ahead of it."""
    disk = Disk()

    def call(name: str, method: Callable[..., Any], *arguments: Any) -> Any:
        before(name, arguments)
        return method(*arguments)

    for name in CALLS:
        setattr(disk, name, functools.partial(call, name, getattr(disk, name)))
    return disk


@pytest.fixture
def hooked() -> Callable[[Before], Disk]:
    return hook_disk
