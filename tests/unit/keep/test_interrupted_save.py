"""One save, broken off at every single call to the disk: the title file is the old one or the new one."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import plotbot
from plotbot.keep.disk import Disk
from plotbot.keep.title_files import FoldOutcome
from plotbot.records import Answer

Make = Callable[..., Answer]
Save = Callable[..., FoldOutcome]
Hooked = Callable[[Callable[[str, tuple[Any, ...]], None]], Disk]

# The calls of a save over an existing file, in between those of its lock: the lock is taken and stamped, then let go.
EXPECTED = [
    "make_folder", "open_lock", "has_name", "write_at", "write",
    "read", "create", "write", "sync", "close", "replace",
    "close", "sync_folder",
]  # fmt: skip
STAMP = {EXPECTED.index("write_at") + 1, EXPECTED.index("write_at") + 2}
LET_GO = len(EXPECTED) - 1

# Where a child process finds the package, installed or not.
ROOT = Path(plotbot.__file__).parents[1]

KILLED_AT = """
import os, sys
from pathlib import Path
from plotbot.keep.disk import Disk
from plotbot.keep.locks import TitleLocks
from plotbot.keep.title_files import fold
from plotbot.records import Answer, Title

left = int(sys.argv[2])

def dying(method):
    def call(*arguments):
        global left
        left -= 1
        if left == 0:
            os._exit(7)
        return method(*arguments)
    return call

disk, folder = Disk(), Path(sys.argv[1])
for name in [name for name in vars(Disk) if not name.startswith("_")]:
    setattr(disk, name, dying(getattr(disk, name)))
meta = {"run": "r2", "case": "c1", "at": "2026-11-22T13:00:00Z"}
answer = Answer(Title("1abc2d", "new"), "m", "h", [{"title": "new"}], meta)
fold([answer], folder, locks=TitleLocks(folder / ".locks", disk), disk=disk)
"""


def _saved_title(folder: Path) -> str:
    document = json.loads((folder / "1abc2d.json").read_bytes())
    (entry,) = document["llm_models"]["m"].values()
    assert entry["response"] == [{"title": document["title"]}]
    return str(document["title"])


def _old_and_new(answer: Make) -> tuple[Answer, Answer]:
    old = answer(text="old", model="m", prompt_hash="h")
    return old, answer(text="new", model="m", prompt_hash="h", at="2026-11-22T13:00:00Z", meta={"run": "r2"})


def test_the_calls_of_a_save_come_in_the_order_that_survives_a_crash(
    save: Save, answer: Make, hooked: Hooked, tmp_path: Path
) -> None:
    old, new = _old_and_new(answer)
    save(old)
    calls: list[tuple[str, tuple[Any, ...]]] = []
    save(new, disk=hooked(lambda name, arguments: calls.append((name, arguments))))
    assert [name for name, _ in calls] == EXPECTED
    paths = {name: arguments for name, arguments in calls if name in {"create", "replace", "sync_folder"}}
    temp, target = paths["replace"]
    assert paths["create"] == (temp,)
    assert temp.parent == target.parent == paths["sync_folder"][0] == tmp_path / "data"


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EACCES, errno.EINTR], ids=errno.errorcode.get)
@pytest.mark.parametrize("k", range(1, len(EXPECTED) + 1))
def test_a_save_that_fails_at_any_call_leaves_old_or_new_and_says_why(
    save: Save, answer: Make, hooked: Hooked, tmp_path: Path, k: int, code: int
) -> None:
    old, new = _old_and_new(answer)
    save(old)
    calls: list[str] = []

    def fail_at_k(name: str, _: tuple[Any, ...]) -> None:
        calls.append(name)
        if len(calls) == k:
            raise OSError(code, os.strerror(code))

    outcome = save(new, disk=hooked(fail_at_k))
    assert _saved_title(tmp_path / "data") in {"old", "new"}
    if k in STAMP or k == LET_GO:
        assert outcome.folded == (new,), "neither the stamp nor the closing of a lock may cost the save"
    else:
        (refused,) = outcome.unfolded
        assert refused.passing
        assert os.strerror(code) in str(refused.error)
        assert str(tmp_path / "data") in str(refused.error)
        assert outcome.folded == ()
    assert save(new).folded == (new,)
    assert _saved_title(tmp_path / "data") == "new"


def test_a_failed_save_leaves_no_temporary_file(save: Save, answer: Make, hooked: Hooked, tmp_path: Path) -> None:
    def full(name: str, _: tuple[Any, ...]) -> None:
        if name == "sync":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    save(answer(), disk=hooked(full))
    assert [path.name for path in (tmp_path / "data").iterdir()] == [".locks"]


def test_a_process_killed_at_any_call_of_a_save_leaves_old_or_new(save: Save, answer: Make, tmp_path: Path) -> None:
    old, new = _old_and_new(answer)
    folders = [tmp_path / f"killed-at-{k}" for k in range(1, len(EXPECTED) + 1)]
    children = []
    for k, folder in enumerate(folders, start=1):
        save(old, folder=folder)
        children.append(subprocess.Popen([sys.executable, "-c", KILLED_AT, str(folder), str(k)], cwd=ROOT))
    assert {child.wait(60) for child in children} == {7}
    renamed_at = EXPECTED.index("replace") + 1
    for k, folder in enumerate(folders, start=1):
        assert _saved_title(folder) == ("new" if k > renamed_at else "old")
        assert save(new, folder=folder).unfolded == ()
        assert _saved_title(folder) == "new"
