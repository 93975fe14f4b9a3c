"""One save, broken off at every single call to the disk: the title file is the old one or the new one."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plotbot.keep.filesystem import Disk
from plotbot.keep.title_files import FoldOutcome
from plotbot.records import Answer

Make = Callable[..., Answer]
Save = Callable[..., FoldOutcome]
Hooked = Callable[[Callable[[str, tuple[Any, ...]], None]], Disk]

# The calls of a save over an existing file, in between those of its lock: the lock is taken and stamped, then released.
EXPECTED = [
    "make_folder", "open_lock", "has_name", "write_at", "write",
    "read", "create", "write", "sync", "close", "replace",
    "close", "sync_folder",
]  # fmt: skip
STAMP = {EXPECTED.index("write_at") + 1, EXPECTED.index("write_at") + 2}
RELEASE = len(EXPECTED) - 1


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
    if k in STAMP or k == RELEASE:
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
