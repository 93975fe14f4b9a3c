"""What the tests of keeping share: answers, locks, and disks that record or refuse calls."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from plotbot.keep.filesystem import Disk
from plotbot.keep.locks import TitleLocks
from plotbot.keep.title_files import FoldOutcome, fold
from plotbot.records import Answer, Title


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


@pytest.fixture
def answer() -> MakeAnswer:
    return make_answer


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., FoldOutcome]:
    """Fold answers into `tmp_path / "data"` or another folder, on a disk of the test's choice; busy locks refuse."""

    def save_to(*answers: Answer, disk: Disk | None = None, folder: Path = tmp_path / "data") -> FoldOutcome:
        used = disk or Disk()
        return fold(answers, folder, locks=TitleLocks(folder / ".locks", used, timeout=0.0), disk=used)

    return save_to
