"""Which saves `plotbot watch` notices, and how it names them."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

import pytest

from plotbot.run.watching import WatchedFiles, named, watch_files
from plotbot.settings import load_settings


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "prompt.txt"


@pytest.mark.parametrize(
    ("before", "now", "note"),
    [
        ("Write it.", "Write it.\nBe brief.\n", "data/prompt.txt: Be brief."),
        ("You turn odd news into seeds.", "You turn odd news into short seeds.", "data/prompt.txt: … short seeds."),
        ("Write it. Be brief.", "Write it.", "data/prompt.txt: Write it."),
        ("Write it.\nBe brief.", "Write it.", "data/prompt.txt"),
        ("", "a\0b \x1b[31m\ufffd", "data/prompt.txt: a\\x00b \\x1b[31m\ufffd"),
        ("Write it.", "x" * 100_001, "data/prompt.txt"),
    ],
)
def test_a_save_is_named_by_what_is_new_in_the_file(prompt: Path, before: str, now: str, note: str) -> None:
    prompt.write_text(before, encoding="utf-8")
    root = prompt.parents[1]
    files = WatchedFiles(load_settings(root, {}, {}))
    prompt.write_text(now, encoding="utf-8")
    assert named(files.changed(), root) == note
    assert files.changed() == {}


def test_several_saves_are_named_by_their_files(prompt: Path) -> None:
    root = prompt.parents[1]
    saved = {prompt: "Be brief.", root / "evals" / "test_one.py": ""}
    assert named(saved, root) == "data/prompt.txt, evals/test_one.py"


def test_nothing_watches_any_more_when_the_context_is_left(prompt: Path) -> None:
    pytest.importorskip("watchfiles")
    prompt.write_text("Write it.", encoding="utf-8")
    noticed: queue.SimpleQueue[object] = queue.SimpleQueue()
    with watch_files(WatchedFiles(load_settings(prompt.parents[1], {}, {})), noticed.put):
        assert "plotbot-saves" in {thread.name for thread in threading.enumerate()}
        prompt.write_text("Write it well.", encoding="utf-8")
        noticed.get(timeout=30)
    assert "plotbot-saves" not in {thread.name for thread in threading.enumerate()}
