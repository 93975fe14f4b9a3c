"""One save, its process killed at every single call to the disk: the title file is the old one or the new one."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

from plotbot.keep.filesystem import Disk
from plotbot.keep.locks import TitleLocks
from plotbot.keep.title_files import FoldOutcome, fold
from plotbot.records import Answer, Title

REPOSITORY = Path(__file__).parents[2]
AT_ONCE = 4
KILLED = 7
KILLED_AT = """
import os, sys
from pathlib import Path
from plotbot.keep.filesystem import Disk
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


def _save(folder: Path, text: str, at: str) -> FoldOutcome:
    meta = {"run": "r", "case": "c1", "at": at}
    answer = Answer(Title("1abc2d", text), "m", "h", [{"title": text}], meta)
    return fold([answer], folder, locks=TitleLocks(folder / ".locks", Disk(), timeout=0.0), disk=Disk())


def _saved_title(folder: Path) -> str:
    document = json.loads((folder / "1abc2d.json").read_bytes())
    (entry,) = document["llm_models"]["m"].values()
    assert entry["response"] == [{"title": document["title"]}]
    return str(document["title"])


def _killed_at(folder: Path, call: int) -> subprocess.Popen[bytes]:
    _save(folder, "old", "2026-11-22T12:00:00Z")
    return subprocess.Popen([sys.executable, "-c", KILLED_AT, str(folder), str(call)], cwd=REPOSITORY)


def test_a_process_killed_at_any_call_of_a_save_leaves_old_or_new(tmp_path: Path) -> None:
    saved: list[str] = []
    for first in itertools.count(1, AT_ONCE):
        folders = {call: tmp_path / f"killed-at-{call}" for call in range(first, first + AT_ONCE)}
        children = [_killed_at(folder, call) for call, folder in folders.items()]
        statuses = [child.wait(60) for child in children]
        saved += [_saved_title(folder) for folder, status in zip(folders.values(), statuses, strict=True) if status]
        assert set(statuses) <= {KILLED, 0}
        for folder in folders.values():
            assert _save(folder, "newest", "2026-11-22T14:00:00Z").unfolded == ()
            assert _saved_title(folder) == "newest"
        if 0 in statuses:
            break
    assert saved == ["old"] * saved.count("old") + ["new"] * saved.count("new"), "a save that is there stays there"
    assert saved.count("old") > 5
    assert saved.count("new") >= 1
