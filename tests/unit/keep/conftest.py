"""What the tests of keeping share: answers, locks, and disks that record or refuse calls."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from plotbot.keep.filesystem import Disk
from plotbot.keep.locks import TitleLocks
from plotbot.keep.title_files import FoldOutcome, fold
from plotbot.records import Answer, Title

CALLS = [name for name in vars(Disk) if not name.startswith("_")]
Before = Callable[[str, tuple[Any, ...]], None]


class MakeAnswer(Protocol):
    def __call__(
        self,
        title_id: str = "1abc2d",
        *,
        text: str = "A headline",
        model: str = "qwen/qwen3-4b",
        prompt_hash: str = "9f2c41d0ab37",
        at: str = "2026-11-22T12:00:00Z",
        response: Any = None,
        meta: Mapping[str, Any] = {},
    ) -> Answer: ...


def make_answer(
    title_id: str = "1abc2d",
    *,
    text: str = "A headline",
    model: str = "qwen/qwen3-4b",
    prompt_hash: str = "9f2c41d0ab37",
    at: str = "2026-11-22T12:00:00Z",
    response: Any = None,
    meta: Mapping[str, Any] = {},
) -> Answer:
    what = [{"title": text}] if response is None else response
    return Answer(Title(title_id, text), model, prompt_hash, what, {"run": "r1", "case": "c1", "at": at, **meta})


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
def answer() -> MakeAnswer:
    return make_answer


@pytest.fixture
def hooked() -> Callable[[Before], Disk]:
    return hook_disk


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., FoldOutcome]:
    """Fold answers into `tmp_path / "data"` or another folder, on a disk of the test's choice; busy locks refuse."""

    def save_to(*answers: Answer, disk: Disk | None = None, folder: Path = tmp_path / "data") -> FoldOutcome:
        used = disk or Disk()
        return fold(answers, folder, locks=TitleLocks(folder / ".locks", used, timeout=0.0), disk=used)

    return save_to
