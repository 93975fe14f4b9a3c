import json
import subprocess
import sys
from pathlib import Path

import plotbot

# Where a child process finds the package, installed or not.
ROOT = Path(plotbot.__file__).parents[1]

SAVE_MANY = """
import sys
from pathlib import Path
from plotbot.keep.filesystem import Disk
from plotbot.keep.locks import TitleLocks
from plotbot.keep.title_files import fold
from plotbot.records import Answer, Title

folder, model, saves = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
disk = Disk()
locks = TitleLocks(folder / ".locks", disk, timeout=300.0, poll_interval=0.001)
meta = {"run": "r1", "case": "c1", "at": "2026-11-22T12:00:00Z"}
for n in range(saves):
    answer = Answer(Title("1abc2d", "A headline"), model, f"hash-{n}", [{"n": n}], meta)
    assert fold([answer], folder, locks=locks, disk=disk).folded == (answer,)
"""


def test_eight_processes_of_sixty_saves_to_one_title_lose_none_of_480(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SAVE_MANY, str(tmp_path)]
    children = [subprocess.Popen([*command, f"model-{n}", "60"], cwd=ROOT) for n in range(8)]
    assert [child.wait(300) for child in children] == [0] * 8
    models = json.loads((tmp_path / "1abc2d.json").read_bytes())["llm_models"]
    assert {model: len(answers) for model, answers in models.items()} == {f"model-{n}": 60 for n in range(8)}
    assert sorted(path.name for path in tmp_path.iterdir()) == [".locks", "1abc2d.json"]
